"""What the answers lose when one group alone loses channels, what is left fitted anew without labels.

Two widths of each group are measured, the heaviest groups first, until the time is up; what lies between them, and
between them and the whole, follows the power law through both.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from onnx import ModelProto

from ...contracts import Progress, ProgressSink
from ..context import silent
from ..quantize.calibrate import Feeds
from .blocks import width_left
from .coupling import Group
from .importance import chosen, importance
from .reconstruct import reconstruct
from .slicing import cut

# Shares of a group's channels that go; beyond the larger nothing is known and nothing is offered.
MEASURED = (0.5, 0.8)
TIME_LIMIT_S = 20.0
FITTED_SAMPLES = 48
LEAST_NOISE = 1e-9
_LEAST_POWER, _USUAL_POWER = 1.0, 2.0

Damages = Mapping[str, Mapping[int, float]]


def measure_damages(
    model: ModelProto,
    groups: Sequence[Group],
    feeds: Feeds,
    judged_on: Feeds,
    seconds: float = TIME_LIMIT_S,
    progress: ProgressSink = silent,
) -> dict[str, dict[int, float]]:
    """Return for each group that was measured: width → noise at the logits relative to their power.

    Args:
        model: its Constant nodes lifted; left as it is.
        groups: the heaviest first.
        feeds: unlabelled samples to fit what is left to.
        judged_on: others, to measure on.
        seconds: after which nothing further is begun.
        progress: is told of each.

    Raises:
        ToolError: the model does not run on the samples.
    """
    until = time.monotonic() + seconds
    worth = importance(model, groups, feeds[:FITTED_SAMPLES], "reconstruction")
    found: dict[str, dict[int, float]] = {}
    trials = [(share, group) for share in MEASURED for group in groups]
    for number, (share, group) in enumerate(trials):
        if time.monotonic() > until:
            break
        width = width_left(group.width, share)
        if width < group.width and width not in found.get(group.id, {}):
            made = cut(model, {group.id: chosen(worth[group.id], width)})
            decibels = max(reconstruct(model, made, feeds[:FITTED_SAMPLES], judged_on).fidelities.values())
            found.setdefault(group.id, {})[width] = max(10 ** (-decibels / 10), LEAST_NOISE)
            progress(Progress(tool="widths", message=f"channels of {number + 1} groups", fraction=number / len(trials)))
    return found


def noise_at(width: int, left: int, measured: Mapping[int, float]) -> float:
    """Return the noise of `width` channels of which `left` are left, by a power law of the share that goes."""
    if left >= width:
        return 0.0
    points = sorted((math.log(1 - each / width), math.log(noise)) for each, noise in measured.items())
    power = _USUAL_POWER
    if len(points) > 1:
        power = max(_LEAST_POWER, (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0]))
    at, noise = points[0]
    return math.exp(noise + power * (math.log(1 - left / width) - at))
