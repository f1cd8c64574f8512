"""One field that was read from words, and the passage that it came from."""

from __future__ import annotations

from .base import Contract


class Understood(Contract):
    """One field of a request and where it came from.

    Attributes:
        span: stands verbatim in the words.
        field: a field of `Constraints`, `target.platform`, `target.runtime`, `objective`, `forbid` or
            `allow_regression`.
        value: in the field's unit; of the two lists, the one entry that the span asks for.
    """

    span: str
    field: str
    value: str | int | float
