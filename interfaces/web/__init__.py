"""The chat in a browser: one page, its events and its files, for whoever holds the link."""
