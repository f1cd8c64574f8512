"""Lay what words ask for under what is given in numbers: options and files win, and what they replace is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ...contracts import BOUNDS_ON, RequestError, Understanding, Understood, override_bounds

_SLOTS = {
    "max_size_bytes": "size", "max_size_ratio": "size", "max_memory_bytes": "memory", "max_memory_ratio": "memory",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """The fields of a request from words and numbers together.

    Attributes:
        fields: nested, as `Request` has them.
        understanding: of the words.
        overridden: what words ask for and numbers say otherwise.
    """

    fields: dict[str, Any]
    understanding: Understanding
    overridden: tuple[Understood, ...]


def merge_words(given: Mapping[str, Any], words: str, understanding: Understanding) -> Asked:
    """Return the fields of a request with those that were read laid under `given`.

    Args:
        given: nested fields that somebody wrote as numbers; they win.
        words: that were read.
        understanding: what they mean.

    Raises:
        RequestError: the words contradict themselves, say nothing, or leave open what is to be reached.
    """
    refuse_unclear(understanding, given)
    asked = understanding.request_fields()
    kept = [each for each in understanding.understood if not _is_overridden(each, given)]
    overridden = tuple(each for each in understanding.understood if each not in kept)
    fields = dict(given)
    fields["constraints"] = _bounds(asked.get("constraints", {}), _group(given, "constraints"), kept)
    fields["target"] = {**asked.get("target", {}), **_group(given, "target")}
    for name in ("forbid", "allow_regression"):
        own = [each.value for each in kept if each.field == name]
        group = _group(given, "optimization") if name == "forbid" else given
        together = tuple(dict.fromkeys([*group.get(name, ()), *own]))
        if name == "forbid" and together:
            fields["optimization"] = {**group, name: together}
        elif together:
            fields[name] = together
    if understanding.objective is not None:
        fields.setdefault("objective", understanding.objective)
    told = {"words": words, "understood": tuple(kept), "not_understood": understanding.not_understood}
    return Asked({**fields, **told}, understanding, overridden)


def refuse_unclear(understanding: Understanding, given: Mapping[str, Any]) -> None:
    """Refuse words that nobody could act on, in one line that says what is missing.

    Raises:
        RequestError: they contradict themselves, nothing was understood, or there is nothing to reach.
    """
    if understanding.contradictions:
        raise RequestError(f"the request contradicts itself: {'; '.join(understanding.contradictions)}")
    if understanding.is_empty:
        told = f"; not understood: {_quoted(understanding)}" if understanding.not_understood else ""
        raise RequestError(
            f"nothing was understood of the request{told}; write it like 'under 10 MB and twice as fast'"
        )
    if not understanding.asks and not _group(given, "constraints") and not given.get("objective"):
        raise RequestError(
            "the request names no constraint and no objective; add one, such as 'under 10 MB', 'twice as fast' or "
            "'as small as possible'"
        )


def _quoted(understanding: Understanding) -> str:
    return ", ".join(repr(each[:80]) for each in understanding.not_understood[:3])


def _group(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    group = given.get(name)
    return dict(cast("Mapping[str, Any]", group)) if isinstance(group, Mapping) else {}


def _bounds(asked: Mapping[str, Any], given: Mapping[str, Any], kept: list[Understood]) -> dict[str, Any]:
    """Return the bounds of words that nothing replaces, with those that are given; a latency keeps its statistic."""
    own = {each.field: asked[each.field] for each in kept if each.field in asked}
    if "max_latency_ms" in own:
        own["latency_statistic"] = asked["latency_statistic"]
    return override_bounds(own, given)


def _is_overridden(each: Understood, given: Mapping[str, Any]) -> bool:
    """Tell whether something given takes the place of what was read."""
    bounds, target = _group(given, "constraints"), _group(given, "target")
    if each.field.startswith("target."):
        return each.field.removeprefix("target.") in target
    if each.field == "objective":
        return given.get("objective") is not None
    if each.field == "forbid":
        return False
    if each.field == "allow_regression":
        return any(name in bounds for name in BOUNDS_ON[str(each.value)])
    if each.field == "latency_statistic":
        return bool({"latency_statistic", "max_latency_ms"} & set(bounds))
    slot = _SLOTS.get(each.field)
    alike = [name for name in bounds if name == each.field or (slot and _SLOTS.get(name) == slot)]
    lifted = [quantity for quantity, names in BOUNDS_ON.items() if each.field in names]
    return bool(alike) or any(quantity in given.get("allow_regression", ()) for quantity in lifted)
