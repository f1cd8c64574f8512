"""Work that an interface orders and that is done in a process of its own, which may be stopped or die at any time.

`orders` says what can be ordered, `process` starts it, hears it and stops it, `child` is the other side, and `work`
does it through the floor below.
"""
