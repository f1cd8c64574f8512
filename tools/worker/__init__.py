"""Runs each job in a child process that may crash, hang or lie without harm. Importing this imports nothing."""
