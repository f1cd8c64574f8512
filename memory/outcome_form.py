"""Read kept outcomes: what this or an earlier shipfit wrote is taken, and what is none of ours is not.

Whatever is read here may have been written by somebody else, so it is bounded before it is believed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, cast

from pydantic import ValidationError

from ..contracts import OUTCOME_VERSION, Outcome

# More than this is no outcome of ours.
MAX_CHARS = 2**20
_MAX_COUNT = 2**62
_MAX_OPERATORS = 2000
_MAX_NAME = 200


class Unreadable(ValueError):
    """An outcome cannot be used; the message says why."""


def read_outcome(body: str) -> Outcome:
    """Return an outcome from its JSON, which may be that of an earlier version.

    Raises:
        Unreadable: it is no outcome, one of a newer version, or holds what none of ours would.
    """
    if len(body) > MAX_CHARS:
        raise Unreadable(f"more than {MAX_CHARS} characters")
    try:
        outcome = Outcome.model_validate_json(body)
    except ValidationError as error:
        outcome = _upgraded(body, error)
    if outcome.version != OUTCOME_VERSION:
        outcome = outcome.model_copy(update={"version": OUTCOME_VERSION})
    if wrong := _wrong(outcome):
        raise Unreadable(wrong)
    return outcome


def _upgraded(body: str, error: ValidationError) -> Outcome:
    """Return an outcome that does not have today's form, brought to it step by step."""
    fields = _fields(body)
    version = fields.get("version", 1)
    if not isinstance(version, int) or version < 1:
        raise Unreadable("its version is no number of ours") from error
    if version > OUTCOME_VERSION:
        raise Unreadable("written by a newer shipfit") from error
    try:
        for step in _STEPS[version - 1 :]:
            step(fields)
        return Outcome.model_validate(fields)
    except ValidationError as still:
        raise Unreadable(_first(still)) from still
    except TypeError as still:  # what an earlier version had as a list of names is none
        raise Unreadable("no outcome of an earlier version") from still


def _fields(body: str) -> dict[str, Any]:
    try:
        fields: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("no JSON") from error
    if not isinstance(fields, dict):
        raise Unreadable("no JSON object")
    return cast("dict[str, Any]", fields)


def _to_2(fields: dict[str, Any]) -> None:
    """Version 1 named exceptions from a form in three lists, and spared units by shares that no plan has any more."""
    for step in _objects(_object(fields.get("recipe")).get("steps")):
        kept, halved, whole = (step.pop(name, ()) for name in ("keep", "store_fp16", "store_fp32"))
        if kept:
            step["nodes"] = dict.fromkeys(kept, "fp32")
        if halved or whole:
            step["stored"] = {**dict.fromkeys(halved, "fp16"), **dict.fromkeys(whole, "fp32")}
    for name in ("spare", "widen"):
        _object(_object(fields.get("plan")).get("quantize")).pop(name, None)
    fields["version"] = 2


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [_object(item) for item in cast("list[object]", value)] if isinstance(value, list) else []


# Each entry takes the fields of an outcome of the version of its index + 1 to the next.
_STEPS: tuple[Callable[[dict[str, Any]], None], ...] = (_to_2,)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"[:_MAX_NAME]


def _wrong(outcome: Outcome) -> str:
    """Return what no outcome of ours holds, or an empty string."""
    profile = outcome.profile
    counts = (
        profile.parameters, profile.nodes, profile.size_bytes, profile.weight_bytes, profile.graph_bytes,
        profile.storable_bytes, profile.fixed_bytes,
        *(number for item in profile.operators for number in (item.count, item.weight_bytes, item.depthwise)),
        outcome.constraints.max_size_bytes or 0, outcome.constraints.max_memory_bytes or 0,
    )  # fmt: skip
    shares = (
        profile.quantizable_share, profile.prunable_share, profile.inner_share,
        *(item.time_share for item in profile.operators),
    )  # fmt: skip
    positive = (outcome.size_ratio, outcome.speedup, profile.latency_ms)
    names = (outcome.id, outcome.run, outcome.model, outcome.hardware, outcome.metric)
    if not all(0 <= count < _MAX_COUNT for count in (*counts, profile.opset, profile.ir_version)):
        return "a count is out of range"
    if not all(share is None or 0 <= share <= 1.001 for share in shares):
        return "a share is out of range"
    if not all(value is None or 0 < value < math.inf for value in positive):
        return "size, speed or latency is no positive number"
    if not all(map(_measurable, (outcome.drop, outcome.fidelity_db, outcome.logits_fidelity_db, outcome.forecast_db))):
        return "drop or fidelity is no number"
    if not (0 <= outcome.created < _MAX_COUNT and len(profile.operators) <= _MAX_OPERATORS):
        return "its time or its operators are out of range"
    if not all(len(name) <= _MAX_NAME and name.isprintable() for name in names) or not outcome.id:
        return "a name is none of ours"
    return ""


def _measurable(value: float | None) -> bool:
    return value is None or not math.isnan(value)
