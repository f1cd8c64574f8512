"""How labels pass through operators, and what a node must be told when its channels go."""
