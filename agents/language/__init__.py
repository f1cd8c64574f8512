"""The language model that advises: how it is reached, asked, held to types and paid for.

Nothing is imported here: dspy and litellm take seconds of CPU and are loaded where a model is set.
"""
