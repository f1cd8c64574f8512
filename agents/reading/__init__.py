"""The deterministic reader of requests in words: `read(words)` says what they ask for."""

from .merge import Asked, merge_words, refuse_unclear
from .reader import read

__all__ = ["Asked", "merge_words", "read", "refuse_unclear"]
