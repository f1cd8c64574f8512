"""Second moments of what each weight is multiplied with, over calibration samples, in bounded memory.

`H = Σ x xᵀ` over all positions of all samples says what an error in a weight's row costs at its output: `e H eᵀ`. It
is what rounding with error feedback (Frantar et al., GPTQ, 2023) and every other layer-wise least-squares method reads.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, helper

from .graphs import Names, Use, fixed_initializers, uses
from .rounding import FloatArray
from .storage_units import StorageUnit
from .trial import copy_model, enough, opened, run
from .weight_inputs import Reader, reader_of

Feeds = Sequence[Mapping[str, Any]]

SAMPLES = 40
LARGEST = 2.0  # times the median size of a position: as which larger ones count
POSITIONS = 8192  # of each weight's input, over all samples
WIDEST = 2048  # columns whose products are kept; longer rows fall into pieces that know nothing of each other
GROUP_BYTES = 192 * 2**20  # of moments at once
KEPT_BYTES = 64 * 2**20  # of moments for further forms; each is held twice, as it is and factored
DAMPING = 0.01  # of the mean second moment, added to each: samples are few
_BLIND = 1e-30  # moments below have lost their digits in float32


_Key = tuple[int, str | int]


@dataclass(frozen=True)
class Moment:
    """Second moments of what some elements of some rows are multiplied with.

    Attributes:
        rows, columns: the elements, of the weight read as rows.
        matrix: symmetric, `(columns, columns)`.
    """

    rows: slice
    columns: slice
    matrix: FloatArray

    def factored(self) -> tuple[npt.NDArray[np.intp], FloatArray]:
        """Return the columns from the largest moment on, and the factor of the damped matrix in that order.

        That is upper triangular `M` with `M Mᵀ` the matrix, each column divided by its diagonal element.
        """
        order = np.argsort(-np.diag(self.matrix), kind="stable")
        ordered = self.matrix[np.ix_(order, order)]
        damped = ordered.astype(np.float64)
        damped[np.diag_indices_from(damped)] += damping(ordered)
        turned = np.linalg.cholesky(damped[::-1, ::-1])[::-1, ::-1]
        return order, (turned / np.diag(turned)).astype(np.float32)


class KeptMoment(Moment):
    """A moment that is asked again: it is factored once."""

    @cached_property
    def _factored(self) -> tuple[npt.NDArray[np.intp], FloatArray]:
        return super().factored()

    def factored(self) -> tuple[npt.NDArray[np.intp], FloatArray]:
        """Return what it returned before."""
        return self._factored


def damping(moment: FloatArray) -> float:
    """Return what is added to each second moment, so that none is 0 and the matrix is positive definite."""
    mean = float(np.mean(np.diag(moment)))
    return DAMPING * mean if mean > _BLIND else 1.0


# Together they cover every row and column once.
Moments = Sequence[Moment]


@dataclass(frozen=True)
class _Watch:
    """A weight, and the values of which nodes tell what it is multiplied with."""

    unit: StorageUnit
    readers: Sequence[tuple[NodeProto, Reader]]

    @property
    def bytes(self) -> int:
        return sum(4 * size * size for size in self._sizes()) * len(self.readers[0][1].parts)

    def _sizes(self) -> list[int]:
        return [each.stop - each.start for each in pieces(self.unit.rows.length)]


def pieces(length: int) -> list[slice]:
    """Cut columns evenly into as many pieces as their number asks for."""
    count = -(-length // WIDEST)
    edges = [length * at // count for at in range(count + 1)]
    return [slice(first, last) for first, last in itertools.pairwise(edges)]


def capture(model: ModelProto, units: Sequence[StorageUnit], feeds: Feeds) -> Iterator[tuple[StorageUnit, Moments]]:
    """Yield the units whose inputs can be looked at, with the moments of these, a few at a time.

    Args:
        model: with all its weights; left as it is.
        units: of its main graph.
        feeds: samples; the first `SAMPLES` are read, or fewer long ones (`enough`), once for each group of units that
            fits in memory together.

    Raises:
        ToolError: the model does not load, or does not run on the samples.
    """
    watches = list(_watches(model.graph, units))
    for group in _groups(watches):
        sums = [_Sums(watch) for watch in group]
        read = enough(feeds, SAMPLES)
        for values in _run(model, group, read):
            limit = max(1, POSITIONS // len(read))
            for each in sums:
                each.add(values, limit)
        yield from ((each.watch.unit, each.moments) for each in sums)


class Captures:
    """What weights of one model are multiplied with on the same samples, looked at once for several forms.

    Without room for more, the rest is looked at again.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[StorageUnit, int], Moments] = {}
        self._bytes = 0

    def of(
        self, model: ModelProto, units: Sequence[StorageUnit], feeds: Feeds
    ) -> Iterator[tuple[StorageUnit, Moments]]:
        """Yield what `capture` yields."""
        kept = {unit: self._kept[unit, len(feeds)] for unit in units if (unit, len(feeds)) in self._kept}
        yield from kept.items()
        for unit, moments in capture(model, [unit for unit in units if unit not in kept], feeds):
            self._bytes += sum(moment.matrix.nbytes for moment in moments)
            if self._bytes > KEPT_BYTES:
                yield unit, moments
            else:
                again = self._kept[unit, len(feeds)] = [
                    KeptMoment(each.rows, each.columns, each.matrix) for each in moments
                ]
                yield unit, again


def _watches(graph: GraphProto, units: Sequence[StorageUnit]) -> Iterator[_Watch]:
    held = list(graph.node)  # nodes are known by identity, which holds only while somebody holds them
    own = {id(node) for node in held}
    constant, readers = fixed_initializers(graph), uses(graph)
    for unit in units:
        found = [(use.node, _reader(use, unit, own)) for use in readers.get(unit.name, [])]
        known = [(node, reader) for node, reader in found if reader is not None]
        seen = {name for _, reader in known for name in reader.tensors}
        alike = bool(known) and all(reader.parts == known[0][1].parts for _, reader in known)
        if alike and len(known) == len(found) and not unit.in_subgraph and not any(name in constant for name in seen):
            yield _Watch(unit, known)


def _reader(use: Use, unit: StorageUnit, own: set[int]) -> Reader | None:
    return reader_of(use, unit) if id(use.node) in own else None


def _groups(watches: Sequence[_Watch]) -> Iterator[list[_Watch]]:
    group: list[_Watch] = []
    for watch in watches:
        if group and sum(each.bytes for each in group) + watch.bytes > GROUP_BYTES:
            yield group
            group = []
        group.append(watch)
    if group:
        yield group


def _run(model: ModelProto, group: Sequence[_Watch], feeds: Feeds) -> Iterator[dict[_Key, FloatArray]]:
    """Yield, sample by sample, the values that the group's readers look at; the model's outputs are not computed."""
    watched = copy_model(model)
    names = Names(watched)
    del watched.graph.output[:]
    places = {id(node): at for at, node in enumerate(model.graph.node)}
    shown: dict[_Key, str] = {}
    for node, reader in (each for watch in group for each in watch.readers):
        for value in reader.tensors:
            key = _key(node, value)
            if key not in shown:
                shown[key] = names.fresh("seen")
                name = _output(watched.graph.node[places[id(node)]], value, names) if isinstance(value, int) else value
                watched.graph.node.append(helper.make_node("Identity", [name], [shown[key]]))
                watched.graph.output.append(helper.make_empty_tensor_value_info(shown[key]))
    with opened(watched, as_shipped=False) as session:
        for feed in feeds:
            yield dict(zip(shown, run(session, feed), strict=True))


def _key(node: NodeProto, value: str | int) -> _Key:
    """What a watched value is called: its name, or node and number of the output."""
    return (id(node), value) if isinstance(value, int) else (0, value)


def _output(node: NodeProto, index: int, names: Names) -> str:
    """The name of an output, which gets one where it had none."""
    while len(node.output) <= index:
        node.output.append("")
    node.output[index] = node.output[index] or names.fresh("state")
    return node.output[index]


class _Sums:
    """The moments of one weight as far as samples have been seen.

    A position far larger than usual counts only as one of twice the median: squared, a few outliers of a heavy-tailed
    input would decide everything, and behind saturating gates they matter least (measured on an LSTM speech encoder
    with such an input, int4: 22 dB with them as they are, 41 dB so; within 1 dB of each other on five other models).
    """

    def __init__(self, watch: _Watch) -> None:
        self.watch = watch
        self._columns = pieces(watch.unit.rows.length)
        self.moments = [
            Moment(rows, columns, np.zeros((columns.stop - columns.start,) * 2, np.float32))
            for rows in watch.readers[0][1].parts
            for columns in self._columns
        ]
        self._sizes = np.zeros(0)

    def add(self, values: Mapping[_Key, FloatArray], limit: int) -> None:
        """Add at most `limit` positions of one sample."""
        for node, reader in self.watch.readers:
            parts = reader.unroll([values[_key(node, name)] for name in reader.tensors], limit)
            finite = np.all([np.isfinite(part).all(axis=1) for part in parts], axis=0)
            kept = [np.ascontiguousarray(part[finite], np.float32) for part in parts]
            weights = self._weights(kept)
            for at, moment in enumerate(self.moments):
                seen = kept[at // len(self._columns)][:, moment.columns] * weights
                moment.matrix.__iadd__(seen.T @ seen)

    def _weights(self, parts: Sequence[FloatArray]) -> FloatArray:
        sizes = np.sqrt(np.sum([np.square(part, dtype=np.float64).sum(axis=1) for part in parts], axis=0))
        self._sizes = np.concatenate([self._sizes, sizes[sizes > 0]])
        usual = float(np.median(self._sizes)) if self._sizes.size else 1.0
        return np.minimum(1, LARGEST * usual / np.maximum(sizes, 1e-30)).astype(np.float32)[:, None]
