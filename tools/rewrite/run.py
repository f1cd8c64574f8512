"""Apply rewrites one after the other, each checked by itself and, where it is marked so, timed."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from onnx import ModelProto

from ...contracts import DataError, ToolError
from ..graph_changes import Check, counts, difference, fault
from ..onnx_model import core_bytes
from ..quantize.dynamic import quantize_dynamic
from . import REWRITES, Rewrite

# Speed of the second model over the first, with its lower bound.
Timer = Callable[[ModelProto, ModelProto], tuple[float, float]]
Chosen = tuple[Rewrite, ModelProto]
_AS_FAST = 0.98


@dataclass
class Rewritten:
    """What came of it.

    Attributes:
        model: the result; the given model itself where nothing changed.
        changes: rewrite → operator → how many there are more (or fewer, below zero) after it.
        left_out: rewrite → why its result was not taken.
        speeds: rewrite → speed with it over speed without it, of those that were timed.
    """

    model: ModelProto
    changes: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    speeds: dict[str, float] = field(default_factory=dict[str, float])


def apply_rewrites(
    model: ModelProto, names: Collection[str], check: Check, timer: Timer | None, most_bytes: float = math.inf
) -> Rewritten:
    """Return what the rewrites `names` make of `model`, which is left as it is.

    Args:
        model: with all its weights.
        names: those of other carriers are passed over.
        check: raises `ToolError` on a model that is not equal to the given one.
        timer: decides about the rewrites that are marked as timed; without one they are kept like the others.
        most_bytes: that the model may have after a rewrite that trades size for speed.
    """
    done = Rewritten(model)
    for group in _groups([each for each in REWRITES if each.name in names], timer is not None):
        _apply(group, done, check, timer, most_bytes)
    return done


def _groups(rewrites: Sequence[Rewrite], timing: bool) -> list[list[Rewrite]]:
    """Split so that each rewrite that is timed stands alone."""
    groups: list[list[Rewrite]] = [[]]
    for each in rewrites:
        if timing and each.timed:
            groups += [[each], []]
        else:
            groups[-1].append(each)
    return [group for group in groups if group]


def _apply(rewrites: Sequence[Rewrite], done: Rewritten, check: Check, timer: Timer | None, most_bytes: float) -> None:
    """Take all that `rewrites` make if the last result is sound; else all but the first that is not."""
    queue = list(rewrites)
    while queue:
        made = _run(queue, done.model, most_bytes)
        if not made:
            return
        bad = None
        if fault(made[-1][1], check):
            bad = next((pair for pair in ((each, fault(each[1], check)) for each in made) if pair[1]), None)
        for each in made:
            if bad is not None and each is bad[0]:
                break
            _accept(each, done, timer)
        if bad is None:
            return
        done.left_out[bad[0][0].name] = bad[1]
        queue = queue[queue.index(bad[0][0]) + 1 :]


def _run(rewrites: Sequence[Rewrite], model: ModelProto, most_bytes: float) -> list[Chosen]:
    """Return the rewrites that found something, each with what it made."""
    made: list[Chosen] = []
    work = _copy(model)
    for each in rewrites:
        if each.apply(work, max(0.0, most_bytes - core_bytes(work))) if each.grows else each.apply(work):
            made.append((each, work))
            work = _copy(work)
    return made


def _copy(model: ModelProto) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    return made


def _accept(chosen: Chosen, done: Rewritten, timer: Timer | None) -> None:
    rewrite, made = chosen
    if rewrite.timed and timer is not None and (slow := _slowness(rewrite, made, done, timer)):
        done.left_out[rewrite.name] = slow
        return
    done.changes[rewrite.name] = difference(counts(done.model), counts(made))
    done.model = made


def _slowness(rewrite: Rewrite, made: ModelProto, done: Rewritten, timer: Timer) -> str:
    """Time `made` against the model before it, and return why it is not to be kept, or nothing."""
    try:
        timings = [timer(done.model, made)]
        if rewrite.int8:
            timings.append(timer(_int8(done.model, rewrite), _int8(made, rewrite)))
    except (ToolError, DataError) as error:
        return f"it cannot be timed: {error.message}"
    speed = max(value for value, _ in timings)
    done.speeds[rewrite.name] = round(speed, 3)
    faster = max(low for _, low in timings) > 1 and min(value for value, _ in timings) > _AS_FAST
    return "" if faster else f"it is not faster here ({speed:.2f} times the speed)"


def _int8(model: ModelProto, rewrite: Rewrite) -> ModelProto:
    """Return the model with the operators that the rewrite concerns in dynamic int8."""
    copied = _copy(model)
    quantize_dynamic(copied, rewrite.int8)
    return copied
