"""Walk a graph once, and note which positions of which axes must go together.

Each operator's rule (`rules/`) says how labels pass from what it reads to what it gives. What no rule covers stays, and
why is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto

from ..onnx_model import is_standard, node_graphs, opset
from ..quantize.graphs import fixed_initializers, input_name, outer_reads
from .dims import Dims, Known
from .labels import Axes, Axis, Labels, Unions, staying, stays, whole
from .zeros import zeros

Outputs = Sequence[Axes | None]
Rule = Callable[["Trace", NodeProto], Outputs]


_NO_WEIGHTS = frozenset({TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.STRING})


class UnclearError(Exception):
    """What a rule raises for a node that it cannot follow; its text says why, after "because"."""


@dataclass(frozen=True)
class Frozen:
    """What stays whole.

    Attributes:
        name: of the tensor or node.
        reason: in plain words.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Fork:
    """Where channels could go along any of several axes, one of which was chosen.

    Attributes:
        node: by its place in the graph.
        options: how many there are.
        labels: of the axis that was chosen.
    """

    node: int
    options: int
    labels: Labels


@dataclass(frozen=True)
class Site:
    """Where channels are mixed: what goes must be zero there for others to be the same without it.

    Attributes:
        node, index: the node, by its place in the graph, and which of its inputs.
        axis: of that input.
    """

    node: int
    index: int
    axis: int


class Trace:
    """What is known of a graph while it is walked, and after.

    Args:
        model: it.
        known: what is known of its shapes.
        choices: at which nodes channels go along another axis than usual, by place in the graph.

    Attributes:
        axes: by tensor; without those of unknown rank.
        frozen: what stays and why.
        sites: where channels are mixed.
        forks: where channels could have gone along another axis.
        gives, reads: labels of weights by what the axis does, where that is known.
        constant: tensors that follow from initializers alone.
        nothing: initial states that are zero.
    """

    def __init__(self, model: ModelProto, known: Known, choices: Mapping[int, int]) -> None:
        self.model = model
        self.nodes = list(model.graph.node)
        self.opset = opset(model)
        self.types, self.numbers = known.types, known.numbers
        self.choices = choices
        self.forks: list[Fork] = []
        self._dims = known.dims
        self.unions = Unions()
        self.axes: dict[str, Axes] = {}
        self.frozen: list[Frozen] = []
        self.sites: list[Site] = []
        self.gives: list[Labels] = []
        self.reads: list[Labels] = []
        self.constant: set[str] = set()
        self.nothing = zeros(model.graph, {name for node in self.nodes for name in _states(node) if name})
        self._early: set[str] = set()
        self._at = 0
        self._weights = fixed_initializers(model.graph)

    # What rules ask.

    def known(self, name: str) -> Axes:
        """Return the axes of a tensor.

        Raises:
            UnclearError: its rank is not known.
        """
        if name in self.axes:
            return self.axes[name]
        if name in self._weights:
            return self._set(name, self._weight(self._weights[name]))
        self._early.add(name)
        raise UnclearError("the rank of what it reads is not known")

    def extents(self, name: str) -> Dims | None:
        """Return the extents that were inferred for a tensor."""
        return self._dims.get(name)

    def whole(self, name: str) -> Axes | None:
        """Return axes all of which stay, for a tensor whose extents were inferred."""
        dims = self._dims.get(name)
        return None if dims is None else tuple(map(whole, dims))

    def like(self, name: str, given: Axes) -> Axes:
        """Return `given`, with what was inferred about `name` in place of axes of unknown extent."""
        told = self.whole(name)
        if told is None or len(told) != len(given):
            return given
        return tuple(one if one is not None else other for one, other in zip(given, told, strict=True))

    def gaps(self) -> Iterator[tuple[str, Dims]]:
        """Yield what rules told of tensors whose extents were not inferred because onnx does not know their node."""
        for node in self.nodes:
            for name in () if is_standard(node) else node.output:
                if name in self.axes and name not in self._dims:
                    yield (
                        name,
                        tuple(
                            f"{name} axis {at}" if axis is None else len(axis)
                            for at, axis in enumerate(self.axes[name])
                        ),
                    )

    # What rules note.

    def tie(self, one: Axis, other: Axis, why: str = "it meets an axis of unknown extent") -> Axis:
        """Make two axes go together; return the one that is known.

        Raises:
            UnclearError: their extents differ.
        """
        if one is None or other is None:
            for each in (one, other):
                self.freeze(each, why)
            return None
        if len(one) != len(other):
            raise UnclearError(f"extents {len(one)} and {len(other)} do not fit")
        self.unions.tie(one, other)
        return one

    def freeze(self, axis: Axis, why: str, name: str = "") -> None:
        """Make an axis stay; `why` ends "… stays, because", and is empty where there is nothing to tell."""
        if axis is None or stays(axis):
            return
        self.unions.freeze(axis)
        if not why:
            return
        node = self.nodes[self._at] if self._at < len(self.nodes) else None
        self.frozen.append(Frozen(name or (node.name or node.output[0] if node is not None else ""), why))

    def freeze_all(self, axes: Iterable[Axis], why: str, name: str = "") -> None:
        """Make several axes stay."""
        for axis in axes:
            self.freeze(axis, why, name)

    def mix(self, index: int, axis: int) -> None:
        """Note that the node at hand mixes the channels on `axis` of its input `index`."""
        self.sites.append(Site(self._at, index, axis))

    def fork(self, extents: Sequence[int], usual: int) -> int:
        """Return along which of several axes channels go: the `usual` one, or another where that led nowhere."""
        order = [usual, *(at for at, each in enumerate(extents) if at != usual and each > 1)]
        return order[self.choices.get(self._at, 0) % len(order)]

    def forked(self, extents: Sequence[int], labels: Labels) -> None:
        """Note what came of a fork."""
        self.forks.append(Fork(self._at, sum(each > 1 for each in extents), labels))

    def giving(self, name: str, axis: Axis) -> None:
        """Note that `axis` of a weight makes channels."""
        if axis is not None and name in self.constant:
            self.gives.append(axis)

    def reading(self, name: str, axis: Axis) -> None:
        """Note that `axis` of a weight reads channels."""
        if axis is not None and name in self.constant:
            self.reads.append(axis)

    # The walk.

    def walk(self, rule_of: Callable[[NodeProto], Rule | None]) -> Trace:
        """Follow all nodes; return itself."""
        self._begin()
        for at, node in enumerate(self.nodes):
            self._at = at
            self._follow(node, rule_of(node))
        self._at = len(self.nodes)
        for value in self.model.graph.output:
            self.freeze_all(self.axes.get(value.name, ()), "the model gives it out", value.name)
        return self

    def _begin(self) -> None:
        for value in self.model.graph.input:
            told = self.whole(value.name)
            if told is not None:
                self._set(value.name, told)
        self.constant.update(self._weights)

    def _follow(self, node: NodeProto, rule: Rule | None) -> None:
        inner = {name for graph in node_graphs(node) for name in outer_reads(graph)}
        found: Outputs | None = None
        if inner or rule is None:
            why = "it is inside control flow" if inner else f"there is no rule for {node.op_type}"
        else:
            try:
                found, why = rule(self, node), ""
            except UnclearError as unclear:
                why = str(unclear)
            except IndexError:
                why = "it has fewer inputs, or these fewer axes, than its operator takes"
        if found is None:
            self._stop({*node.input, *inner} - {""}, why)
            found = [self.whole(name) for name in node.output]
        if all(name in self.constant for name in node.input if name) and not inner:
            self.constant.update(node.output)
        for name, axes in zip(node.output, found, strict=False):
            if name and axes is not None:
                self._set(name, axes)

    def _stop(self, names: Iterable[str], why: str) -> None:
        for name in sorted(names):
            try:
                axes = self.known(name)
            except UnclearError:
                continue
            self.freeze_all(axes, why)

    def _set(self, name: str, axes: Axes) -> Axes:
        axes = tuple(self._alone(axis) for axis in axes)
        self.axes[name] = axes
        if name in self._early:
            self.freeze_all(axes, "it is read before it is made", name)
        return axes

    def _alone(self, axis: Axis) -> Axis:
        """What is the only one on its axis stays: without it there would be nothing to drop or to broadcast."""
        if axis is None or len(axis) != 1 or stays(axis):
            return axis
        self.unions.freeze(axis)
        return staying(1)

    def _weight(self, tensor: TensorProto) -> Axes:
        if tensor.data_type != TensorProto.FLOAT:
            if len(tensor.dims) > 1 and tensor.data_type not in _NO_WEIGHTS:
                self.frozen.append(Frozen(tensor.name, "it is not stored in float32"))
            return tuple(map(whole, tensor.dims))
        return tuple(map(self.unions.axis, tensor.dims))


def _states(node: NodeProto) -> Sequence[str]:
    return node.input[5:7] if node.op_type in ("LSTM", "GRU", "RNN") else ()


def given(trace: Trace, node: NodeProto, index: int) -> Axes | None:
    """Return the axes of an input, or None where it is left out."""
    name = input_name(node, index)
    return trace.known(name) if name else None
