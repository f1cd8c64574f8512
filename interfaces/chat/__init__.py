"""Conversations: one person says what shall come of a model, and hears what does. Terminal and web talk to a `Desk`."""
