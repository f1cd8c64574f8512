"""Batch runs over a zoo of models: one run for each, a row for each."""
