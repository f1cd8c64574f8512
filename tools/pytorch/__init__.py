"""Torch models: how they come in, how they run, what can be done to them."""
