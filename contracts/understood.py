"""One field that was read from words, and the passage that it came from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from .base import Contract


class Understood(Contract):
    """One field of a request and where it came from.

    Attributes:
        span: stands verbatim in the words.
        field: a field of `Constraints`, `target.platform`, `target.runtime`, `objective`, `forbid` or
            `allow_regression`.
        value: in the field's unit; of the two lists, the one entry that the span asks for.
        by: `model` where a language model read it; absent where the grammar did.
    """

    span: str
    field: str
    value: str | int | float
    by: Literal["model"] | None = None

    @model_serializer(mode="wrap")
    def _without_the_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        return {name: value for name, value in document.items() if value is not None}
