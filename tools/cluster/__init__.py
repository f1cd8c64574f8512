"""Runs jobs on the nodes of a Ray cluster. Only `driver` imports ray."""
