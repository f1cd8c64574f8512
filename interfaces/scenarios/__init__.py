"""Scenarios: end-to-end cases as data, run as a user would run them, into a table."""
