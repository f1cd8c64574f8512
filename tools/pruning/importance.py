"""What each channel of a group is worth, by one of several criteria, and which are left for a width.

- `magnitude`: the squares of the weights that make and read it; looks at no sample.
- `activation`: its power as read: around its mean, which a bias can take, by the weights that read it.
- `reconstruction`: what it says, as read, that those chosen before it do not: a Cholesky factorization of the
  channels' covariances with pivots, in which of two that are alike the second is worth nothing.

Each weight that reads a group counts alike, however large its outputs are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, helper

from ..onnx_model import to_array
from ..quantize.calibrate import Feeds
from ..quantize.graphs import Names, fixed_initializers
from ..quantize.rounding import FloatArray
from ..quantize.trial import copy_model, enough, opened, run
from ..quantize.weight_inputs import some
from .batching import batched
from .coupling import Group
from .padding import Real, mask_input, picked, real_positions
from .readers import Reading, readings

Criterion = Literal["magnitude", "activation", "reconstruction"]
Worth = npt.NDArray[np.float64]

SAMPLES = 256
LEAST_POSITIONS, POSITIONS_PER_CHANNEL = 4096, 4
HELD_BYTES = 256 * 2**20  # of covariances at once
_BYTES = 8
_NOTHING = 1e-9  # of the power of the most powerful channel


def importance(model: ModelProto, groups: Sequence[Group], feeds: Feeds, criterion: Criterion) -> dict[str, Worth]:
    """Return for each group, by its id, what its channels are worth: `(width,)`, comparable within the group.

    Raises:
        ToolError: the model does not load, or does not run on the samples.
    """
    if criterion == "magnitude":
        return {group.id: _magnitudes(model, group) for group in groups}
    read = {group.id: _spread(readings(model, group), group.width) for group in groups}
    seen, found = batched(model, enough(feeds, SAMPLES)), dict[str, Worth]()
    for some_groups in _at_once(groups, read):
        covariances = _covariances(model, {each.id: read[each.id] for each in some_groups}, seen)
        found.update((key, _worth(parts, criterion)) for key, parts in covariances.items())
    return {group.id: found[group.id] if group.id in found else _magnitudes(model, group) for group in groups}


def _spread(found: Sequence[Reading], width: int) -> list[Reading]:
    """Return some of them, evenly spread, where the covariances of all would take too much memory."""
    return [found[at] for at in some(len(found), max(1, HELD_BYTES // (2 * _BYTES * width**2)))]


def _at_once(groups: Sequence[Group], read: Mapping[str, Sequence[Reading]]) -> Iterator[list[Group]]:
    """Split the groups so that what is held for those looked at together fits in memory."""
    part, held = list[Group](), 0
    for group in groups:
        size = _BYTES * group.width**2 * len(read[group.id])
        if part and held + size > HELD_BYTES:
            yield part
            part, held = [], 0
        part.append(group)
        held += size
    yield part


def chosen(worth: Worth, width: int) -> npt.NDArray[np.int64]:
    """Return the indices of the `width` channels that are worth most, ascending; of equals the first."""
    order = np.argsort(-np.nan_to_num(worth, nan=0.0), kind="stable")
    return np.sort(order[: max(1, width)]).astype(np.int64)


def _magnitudes(model: ModelProto, group: Group) -> Worth:
    fixed = fixed_initializers(model.graph)
    total = np.zeros(group.width)
    for member in group.members:
        if member.role == "carries" or member.initializer not in fixed:
            continue
        weight = to_array(fixed[member.initializer])
        if weight.ndim > 1:
            others = tuple(each for each in range(weight.ndim) if each != member.axis)
            squares = np.square(weight, dtype=np.float64).sum(axis=others)[member.positions].sum(axis=1)
            total += squares / max(float(squares.mean()), 1e-30)
    return total


def _worth(covariances: Sequence[Worth], criterion: Criterion) -> Worth:
    power: Worth = np.sum([np.diag(each) for each in covariances], axis=0)
    return power if criterion == "activation" else _pivots(covariances, power)


def _pivots(covariances: Sequence[Worth], power: Worth) -> Worth:
    """Return what each channel adds when it is chosen: the most that the readings together lack of any, step by step.

    A Cholesky factorization for each reading, with the pivots in common. Those that add nothing come last, the
    powerful first.
    """
    width, floor = len(power), _NOTHING * float(power.max(initial=0.0))
    factors = [np.zeros((width, width)) for _ in covariances]
    left = np.array([np.diag(each) for each in covariances])
    worth = np.full(width, np.nan)
    for step in range(width):
        lacking = np.where(np.isnan(worth), left.sum(axis=0), -np.inf)
        best = int(lacking.argmax())
        if lacking[best] <= floor:
            break
        worth[best] = lacking[best]
        for at, (covariance, factor) in enumerate(zip(covariances, factors, strict=True)):
            if left[at, best] > floor / len(factors):
                column = covariance[:, best] - factor[:, :step] @ factor[best, :step]
                factor[:, step] = column / np.sqrt(left[at, best])
                left[at] = np.maximum(left[at] - factor[:, step] ** 2, 0)
    rest = np.isnan(worth)
    worth[rest] = floor * power[rest] / max(float(power.max(initial=0.0)), 1e-300)
    return worth


def _covariances(model: ModelProto, read: Mapping[str, Sequence[Reading]], feeds: Feeds) -> dict[str, list[Worth]]:
    """Return the channels' covariances as each reading of a group sees them, each of trace one."""
    tensors = sorted({each.tensor for found in read.values() for each in found})
    sums = {key: [_Sums(each) for each in found] for key, found in read.items()}
    mask = mask_input(model)
    for feed, values in zip(feeds, _run(model, tensors, feeds), strict=False):
        for each in (each for found in sums.values() for each in found):
            each.add(values[each.reading.tensor], len(feeds), real_positions(feed, mask))
    found = {key: [one for each in parts if (one := each.covariance()) is not None] for key, parts in sums.items()}
    return {key: parts for key, parts in found.items() if parts}


class _Sums:
    """First and second moments of one reading's channels."""

    def __init__(self, reading: Reading) -> None:
        width, parts = reading.positions.shape
        self.reading = reading
        self._sizes = np.sqrt(np.square(reading.sizes).mean(axis=1))
        self._products, self._sums, self._count = np.zeros((width, width)), np.zeros((parts, width)), 0

    def add(self, value: FloatArray, samples: int, real: Real | None) -> None:
        """Add at most so many positions of a sample that all together are enough."""
        reading = self.reading
        flat = np.moveaxis(value, reading.axis, -1).reshape(-1, value.shape[reading.axis])
        enough_of_all = max(LEAST_POSITIONS, POSITIONS_PER_CHANNEL * len(reading.positions))
        rows = flat[picked(len(flat), max(1, -(-enough_of_all // samples)), real)].astype(np.float32)
        rows = rows[np.isfinite(rows).all(axis=1)]
        self._count += len(rows)
        for part in range(reading.positions.shape[1]):
            seen = rows[:, reading.positions[:, part]] * self._sizes
            self._products += seen.T @ seen
            self._sums[part] += seen.sum(axis=0, dtype=np.float64)

    def covariance(self) -> Worth | None:
        """Return the covariance, of trace one; None where nothing varies."""
        count = max(self._count, 1)
        found = self._products / count - self._sums.T @ self._sums / count**2
        trace = float(np.trace(found))
        return found / trace if np.isfinite(trace) and trace > 0 else None


def _run(model: ModelProto, tensors: Sequence[str], feeds: Feeds) -> Iterator[dict[str, FloatArray]]:
    """Yield the values of `tensors`, by name, sample by sample."""
    watched = copy_model(model)
    names = Names(watched)
    del watched.graph.output[:]
    for tensor in tensors:
        shown = names.fresh("seen")
        watched.graph.node.append(helper.make_node("Identity", [tensor], [shown]))
        watched.graph.output.append(helper.make_empty_tensor_value_info(shown))
    with opened(watched, as_shipped=False) as session:
        for feed in feeds if tensors else ():
            yield dict(zip(tensors, run(session, feed), strict=True))
