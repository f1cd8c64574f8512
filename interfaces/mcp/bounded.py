"""Keep an answer small and harmless: what goes to a client's language model is cleaned and cut, and says where."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ...contracts import Contract
from ..text import clean
from .outputs import Answered

MAX_ANSWER_BYTES = 64 * 2**10
# Items of a list and characters of a text that are kept, from the most generous that fits.
_LIMITS = ((200, 2000), (60, 500), (20, 200), (8, 100), (3, 60), (1, 40))
# A mapping of more entries is data; contracts have fewer fields.
_FIELDS = 60
_MOST_TOLD = 20
_NOT_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


class Schema(GenerateJsonSchema):
    """A JSON schema in which a number may be infinite, as contracts write it: the fidelity of an equal model is."""

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        """Return the schema of a number, with the words for what JSON has no number for."""
        finite = super().float_schema(schema)
        if schema.get("allow_inf_nan") is False or schema.get("gt") is not None or schema.get("ge") is not None:
            return finite
        return {"anyOf": [finite, {"enum": ["Infinity", "-Infinity", "NaN"]}]}


@cache
def schema_of(kind: type[Contract]) -> dict[str, Any]:
    """Return the JSON schema of what a tool is given or answers."""
    return kind.model_json_schema(schema_generator=Schema)


def bounded(answer: Answered) -> dict[str, Any]:
    """Return an answer as JSON values of at most `MAX_ANSWER_BYTES`; its `omitted` names what was cut."""
    document = answer.model_dump(mode="json", exclude_none=True, exclude={"omitted"})
    found: dict[str, Any] = {}
    for items, characters in _LIMITS:
        cut = _Cut(items, characters)
        found = cast("dict[str, Any]", cut.value(document, ""))
        if told := cut.told():
            found["omitted"] = told
        if len(json.dumps(found, ensure_ascii=False).encode(errors="replace")) <= MAX_ANSWER_BYTES:
            break
    return found


class _Cut:
    """One way of cutting, and where it cut."""

    def __init__(self, items: int, characters: int) -> None:
        self._items = items
        self._characters = characters
        self._places: dict[str, None] = {}

    def told(self) -> list[str]:
        """Return the places, the first of them where there are many."""
        places = list(self._places)
        more = [f"and {len(places) - _MOST_TOLD} more places"] if len(places) > _MOST_TOLD else []
        return [*places[:_MOST_TOLD], *more]

    def value(self, value: Any, place: str) -> Any:
        """Return `value` cut; places are written `attempts[].text`."""
        if isinstance(value, str):
            return self._text(value, place)
        if isinstance(value, list):
            return self._list(cast("Sequence[Any]", value), place)
        if isinstance(value, dict):
            return self._mapping(cast("dict[str, Any]", value), place)
        return value if not isinstance(value, float) or math.isfinite(value) else _NOT_FINITE.get(value, "NaN")

    def _text(self, text: str, place: str) -> str:
        if len(text) > self._characters:
            self._note(place)
        return clean(text, self._characters)

    def _list(self, items: Sequence[Any], place: str) -> list[Any]:
        if len(items) > self._items:
            self._note(place)
        return [self.value(item, f"{place}[]") for item in items[: self._items]]

    def _mapping(self, entries: dict[str, Any], place: str) -> dict[str, Any]:
        most = max(self._items, _FIELDS)
        if len(entries) > most:
            self._note(place)
        kept = list(entries.items())[:most]
        names = [clean(name, self._characters) for name, _ in kept]
        return {
            name: self.value(inner, f"{place}.{name}" if place else name)
            for name, (_, inner) in zip(names, kept, strict=True)
        }

    def _note(self, place: str) -> None:
        self._places.setdefault(clean(place, 100))
