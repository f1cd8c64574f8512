"""Walk a teacher and a student that was cut from it in lock-step, and fit the student's layers one after the other.

Each layer is fitted from what the student itself gives it, all before it fitted, to what the teacher made of the same
samples: so what one layer lost the next ones make up for. Layers of one level, none of which reads what another gives,
are fitted together; the models run part by part, and each part once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from ..onnx_model import node_graphs, read_names
from ..quantize.calibrate import Feeds
from ..quantize.graphs import uses
from ..quantize.recovery.stages import Stages
from .biases import bias_of, only_addition
from .layers import Layer, Pair
from .least_squares import Fit, Fitted, Rows
from .linear_layers import LinearLayer, Sum, can_be_fitted, channels_of
from .padding import mask_input, real_positions
from .recurrent_layers import GATES, recurrent_layer

LEAST_POSITIONS, MOST_POSITIONS = 2048, 8192
POSITIONS_PER_COLUMN = 6


@dataclass(frozen=True)
class LayerFit:
    """How near a layer came to the teacher's kept outputs, in dB of their deviation, on the samples fitted to."""

    name: str
    op_type: str
    before_db: float
    after_db: float


def fit_layers(pair: Pair, feeds: Feeds, fit: Fit) -> list[LayerFit]:
    """Fit the student's layers in place, and say how near each came.

    Raises:
        ToolError: a model does not run on the samples.
    """
    return _Walk(pair, feeds).run(fit)


class _Walk:
    def __init__(self, pair: Pair, feeds: Feeds) -> None:
        self._levels = levels(pair)
        layers = [layer for level in self._levels for layer in level]
        self._teacher = Stages(pair.teacher, feeds, {name for each in layers for name in each.wanted})
        self._student = Stages(pair.student, feeds, {name for each in layers for name in (*each.given, *each.known)})
        self._waiting = list(layers)
        mask = mask_input(pair.teacher)
        self._real = [real_positions(feed, mask) for feed in feeds]

    def run(self, fit: Fit) -> list[LayerFit]:
        return [found for level in self._levels for found in self._fit(level, fit)]

    def _fit(self, level: Sequence[Layer], fit: Fit) -> Iterator[LayerFit]:
        self._teacher.reach(name for each in level for name in each.wanted)
        self._student.reach(name for each in level for name in (*each.given, *each.known))
        for layer in level:
            if (found := self._fit_one(layer, fit)) is not None:
                yield found
        self._let_go(level)

    def _fit_one(self, layer: Layer, fit: Fit) -> LayerFit | None:
        weights = layer.weights()
        rows = self._rows(layer, max(each.rows.shape[2] for each in weights))
        if rows is None:
            return None
        fitted = [fit(each, weight) for each, weight in zip(rows, weights, strict=True)]
        layer.write([each.weight for each in fitted])
        signal, before, after = (sum(each) for each in zip(*map(_powers, fitted), strict=True))
        name = layer.node.name or layer.node.output[0]
        return LayerFit(name, layer.node.op_type, _decibels(signal, before), _decibels(signal, after))

    def _rows(self, layer: Layer, columns: int) -> list[Rows] | None:
        """Return rows of all samples; None where the two models' positions are no longer the same."""
        positions = min(MOST_POSITIONS, max(LEAST_POSITIONS, POSITIONS_PER_COLUMN * columns))
        limit = max(1, -(-positions // max(1, min(self._student.samples, self._teacher.samples))))
        found: list[list[Rows]] = []
        student = self._student.values((*layer.given, *layer.known))
        teacher = self._teacher.values(layer.wanted)
        for ours, theirs, real in zip(student, teacher, self._real, strict=False):
            parts = layer.rows(ours, theirs, limit, real)
            if any(each.given.shape[:2] != each.wanted.shape[:2] for each in parts):
                return None
            found.append(parts)
        joined = [_joined(each) for each in zip(*found, strict=True)]
        return joined if all(each.given.shape[1] > 1 for each in joined) else None

    def _let_go(self, level: Sequence[Layer]) -> None:
        """Hold no longer what no layer that is still to come needs."""
        done = {id(each) for each in level}
        self._waiting = [each for each in self._waiting if id(each) not in done]
        wanted = {name for each in self._waiting for name in each.wanted}
        given = {name for each in self._waiting for name in (*each.given, *each.known)}
        self._teacher.forget({name for each in level for name in each.wanted} - wanted)
        self._student.forget({name for each in level for name in (*each.given, *each.known)} - given)


def _joined(parts: Sequence[Rows]) -> Rows:
    """Join the rows of all samples, without those that are not finite."""
    given = np.concatenate([each.given for each in parts], axis=1)
    wanted = np.concatenate([each.wanted for each in parts], axis=1)
    finite = np.isfinite(given).all(axis=(0, 2)) & np.isfinite(wanted).all(axis=(0, 2))
    return Rows(np.ascontiguousarray(given[:, finite]), np.ascontiguousarray(wanted[:, finite]))


def _powers(fitted: Fitted) -> tuple[float, float, float]:
    return fitted.signal, fitted.before, fitted.after


def _decibels(signal: float, noise: float) -> float:
    return float(10 * np.log10(max(signal, 1e-30) / max(noise, 1e-30)))


def levels(pair: Pair) -> list[list[Layer]]:
    """Return the layers that read what a cut has changed, grouped by how many such stand before them at most."""
    found: dict[int, list[Layer]] = {}
    order = _Order(pair)
    for node in pair.student.graph.node:
        if id(node) in order.level and (layer := order.layer(node)) is not None:
            found.setdefault(order.level[id(node)], []).append(layer)
    return [found[key] for key in sorted(found)]


class _Order:
    """Which nodes are to be fitted, and how many such nodes stand before each value at most."""

    def __init__(self, pair: Pair) -> None:
        self._pair, self._nodes = pair, list(pair.student.graph.node)  # known by identity while somebody holds them
        self._uses = uses(pair.student.graph)
        self._shown = {each.name for each in pair.student.graph.output}
        self._depth: dict[str, int] = {each.name: 0 for each in pair.student.graph.input}
        self.level: dict[int, int] = {}
        changed = set(pair.kept)
        for node in self._nodes:
            read = _reads(node)
            depths = [self._depth[name] for name in read if name in self._depth]
            if not depths:
                continue  # of constants alone
            depth = max(depths)
            if not read.isdisjoint(changed):
                changed.update(node.output)
            if self._is_layer(node, changed):
                self.level[id(node)] = depth
                depth += 1
            self._depth.update((name, depth) for name in node.output)

    def _is_layer(self, node: NodeProto, changed: set[str]) -> bool:
        if node.op_type in GATES:
            return node.input[0] in changed or node.input[2] in self._pair.weights
        return node.input[0] in changed and can_be_fitted(node, self._pair)

    def layer(self, node: NodeProto) -> Layer | None:
        """Return the node as a layer."""
        if node.op_type in GATES:
            teacher = self._pair.counterparts.get(node.output[0])
            return recurrent_layer(self._pair, node, teacher) if teacher is not None else None
        bias = bias_of(node, channels_of(node, self._pair), self._pair.editor, self._uses)
        output = bias.output if bias else node.output[0]
        return LinearLayer(self._pair, node, bias, self._total(output, self.level[id(node)]))

    def _total(self, output: str, level: int) -> Sum | None:
        """Return what the output is added to, where the other summand is known before the layer is fitted."""
        addition = only_addition(output, self._uses)
        if addition is None or output in self._shown:
            return None
        other = next(name for name in addition.input if name != output)
        return Sum(addition.output[0], other) if self._depth.get(other, level + 1) <= level else None


def _reads(node: NodeProto) -> set[str]:
    return {*node.input, *(name for graph in node_graphs(node) for name in read_names(graph))} - {""}
