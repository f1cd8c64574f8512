"""The search: a pure function of what a policy may see. It starts nothing, stores nothing and asks nobody."""
