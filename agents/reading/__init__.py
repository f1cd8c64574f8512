"""The deterministic reader of requests in words: `read(words)` says what they ask for."""

from .reader import read

__all__ = ["read"]
