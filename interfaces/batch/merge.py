"""Lay settings over settings: a manifest's defaults, a model's own, the options of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ...contracts import override_bounds


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request with `over` winning, group by group.

    A bound replaces the other way to bound the same quantity: `max_size: 1MB` the default of `30%`.
    """
    merged = _deep(base, over)
    if isinstance(base.get("constraints"), Mapping) and isinstance(over.get("constraints"), Mapping):
        merged["constraints"] = override_bounds(base["constraints"], over["constraints"])
    return merged


def _deep(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[name] = _deep(cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", value))
        else:
            merged[name] = value
    return merged
