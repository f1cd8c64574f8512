"""Where two documents of plain data differ, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, cast

from pydantic_core import to_json

from .text import clean

_ABSENT = "–"
_LONGEST = 160


@dataclass(frozen=True)
class Unlike:
    """A place where both differ, and what each has there."""

    what: str
    first: str
    second: str


def fields(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> Iterable[Unlike]:
    """Yield every field, however deep, in which two documents differ."""
    for name in dict.fromkeys([*first, *second]):
        one, two = first.get(name), second.get(name)
        if one == two:
            continue
        path = f"{prefix}{name}"
        if isinstance(one, Mapping) and isinstance(two, Mapping):
            mappings = cast("Mapping[str, Any]", one), cast("Mapping[str, Any]", two)
            yield from fields(*mappings, prefix=f"{path}.")
        else:
            yield Unlike(clean(path, _LONGEST), _text(one), _text(two))


def step_differences(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> Iterable[Unlike]:
    """Yield the steps that only one of two recipes has, and the fields of common steps that differ."""
    kinds = [[str(step["kind"]) for step in steps] for steps in (first, second)]
    for _, low1, high1, low2, high2 in SequenceMatcher(a=kinds[0], b=kinds[1], autojunk=False).get_opcodes():
        one, two = first[low1:high1], second[low2:high2]
        # Within a block of equal kinds the steps stand opposite each other; elsewhere each stands alone.
        if kinds[0][low1:high1] == kinds[1][low2:high2]:
            for old, new in zip(one, two, strict=True):
                yield from fields(old, new, prefix=f"{old['kind']}: ")
        else:
            yield from (Unlike(f"step {step['kind']}", _step(step), _ABSENT) for step in one)
            yield from (Unlike(f"step {step['kind']}", _ABSENT, _step(step)) for step in two)


def _step(step: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name} {_text(value)}" for name, value in step.items() if name != "kind" and value)
    return clean(told or "as it comes", _LONGEST)


def _text(value: Any) -> str:
    if value is None or value in ({}, [], ""):
        return _ABSENT
    return clean(value if isinstance(value, str) else to_json(value, inf_nan_mode="strings").decode(), _LONGEST)
