"""Automatic mixed precision: operators in fp16, as far as the model's answers stay what they were.

Nodes whose constants or values, on the samples, go beyond fp16 stay in float32. The rest is written (`half_write`) and
run: where an answer is not finite or falls below 40 dB, the nodes that do most to it go back to float32.
On the CPU fp16 is slower; it serves other targets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from onnx import ModelProto, helper

from ...contracts import DataView, LayerForm, ToolError
from ..measure.fidelity import OutputError
from ..measure.logits import logits_of
from ..measure.synthesize import synthesize_feeds
from ..model_files import save
from ..onnx_model import iter_graphs
from .calibrate import Feeds, tensor_ranges
from .graphs import Names, uses
from .half_write import Kinds, Operands, Place, constant_obstacle, write_half
from .rounding import FP16_MAX
from .trial import copy_model, opened, run
from .weights import Weights

SAMPLES = 8
LEAST_DB = 40.0
MOST_NOISE = 10 ** (-LEAST_DB / 10)
GROUPS, SINGLES = 24, 48
_NO_ANSWER = 30.0
# Operators that fp16 does no harm to: between fp16 nodes they are taken along, which saves two Casts each.
_CARRIERS = frozenset(
    {"Concat", "Dropout", "Flatten", "Gather", "Identity", "MaxPool", "Pad", "Relu", "Reshape", "Slice", "Split"}
    | {"Squeeze", "Transpose", "Unsqueeze"}
)


def compute_half(
    model: ModelProto, op_types: Collection[str], keep: Collection[str], named: Collection[str], feeds: Feeds
) -> list[LayerForm]:
    """Turn nodes to fp16 in place; return what became of each that was asked for, with the reason.

    Args:
        model: with all its weights.
        op_types: operators asked for.
        keep: names of nodes that stay as they are.
        named: nodes that are taken whatever their operator.
        feeds: samples that the answers are checked on; 8 are read.

    Raises:
        ToolError: the model does not run on the samples, or no choice of nodes keeps the answers.
    """
    choice = _Choice(model)
    for place, node in choice.nodes.items():
        if node.op_type in op_types or node.name in named:
            choice.why[place] = "kept" if node.name in keep else choice.obstacle(place)
    taken = {place for place, why in choice.why.items() if not why}
    choice.asked = frozenset(taken)
    if not taken:
        return choice.layers()
    for place in choice.beyond(taken, feeds[:SAMPLES]):
        choice.why[place] = "its values go beyond fp16 on the samples"
    taken = {place for place in taken if not choice.why[place]}
    if not taken:
        return choice.layers()
    settled = _settle(model, choice, taken | choice.between(taken, keep), feeds[:SAMPLES])
    layers = choice.layers()
    write_half(model, settled)
    return layers


def half_feeds(model: ModelProto, data: DataView | None) -> Feeds:
    """Return calibration samples, or inputs of the right shapes where there are none.

    Raises:
        DataError: there are none, and an input cannot be made up.
    """
    feeds: Feeds = () if data is None else data.feeds("calibration", SAMPLES)
    if len(feeds):
        return feeds
    with TemporaryDirectory(prefix="shipfit-") as folder:
        path = Path(folder) / "model.onnx"
        save(model, path)
        return synthesize_feeds(path, SAMPLES, seed=0)


class _Choice:
    """The nodes of a model by place, those asked for that may be fp16, and why others stay in float32."""

    def __init__(self, model: ModelProto) -> None:
        self._model = model
        self.graphs = list(iter_graphs(model))
        self.nodes = {(at, index): node for at, each in enumerate(self.graphs) for index, node in enumerate(each.node)}
        self._kinds, self._weights = Kinds(model), Weights(model, Names(model))
        self._readers = [defaultdict(list, uses(graph)) for graph in self.graphs]
        self._makers = {(place[0], name): place for place, node in self.nodes.items() for name in node.output}
        self._places = {id(node): place for place, node in self.nodes.items()}
        self.why: dict[Place, str] = {}
        self.asked: frozenset[Place] = frozenset()

    def operands(self, place: Place) -> Operands:
        """Return what of the node at `place` can change to fp16."""
        return self._kinds.operands(place[0], self.nodes[place])

    def obstacle(self, place: Place) -> str:
        """Say why the node cannot be fp16, if it cannot."""
        node, operands = self.nodes[place], self.operands(place)
        if not operands.inputs or not operands.outputs:
            return "it has no float32 operand that could be fp16"
        for index in operands.inputs:
            tensor = self._weights.tensor(self.graphs[place[0]], node.input[index])
            values = None if tensor is None else self._weights.floats(self.graphs[place[0]], node.input[index])
            if tensor is not None and (why := "not finite" if values is None else constant_obstacle(values)):
                return why
        return ""

    def beyond(self, places: Collection[Place], feeds: Feeds) -> set[Place]:
        """Return the nodes of the main graph that read or make values, on the samples, that fp16 cannot hold."""
        touched = {place: self._values(place) for place in places if place[0] == 0}
        names = list(dict.fromkeys(name for values in touched.values() for name in values))
        ranges = tensor_ranges(self._model, names, feeds)
        fit = {name for name, each in ranges.items() if max(-each.low, each.high) <= FP16_MAX}
        return {place for place, values in touched.items() if not fit.issuperset(values)}

    def _values(self, place: Place) -> list[str]:
        node, operands = self.nodes[place], self.operands(place)
        names = [node.input[index] for index in operands.inputs] + [node.output[index] for index in operands.outputs]
        return [name for name in names if self._weights.tensor(self.graphs[0], name) is None]

    def between(self, taken: Collection[Place], keep: Collection[str]) -> set[Place]:
        """Return the carriers that read from and are read by fp16 nodes alone."""
        able = [place for place, node in self.nodes.items() if node.op_type in _CARRIERS and node.name not in keep]
        grown = {place for place in able if place not in taken and not self.obstacle(place)}
        while True:
            # Carriers may follow each other: all are assumed in, and those with another neighbour fall out.
            out = {place for place in grown if not self._neighbours(place) <= grown | {*taken}}
            if not out:
                return grown
            grown -= out

    def _neighbours(self, place: Place) -> set[Place | None]:
        """The nodes that make or read what of this one would be fp16; None for callers, bodies and inputs."""
        at, node = place[0], self.nodes[place]
        operands = self.operands(place)
        found: set[Place | None] = {self._makers.get((at, node.input[index])) for index in operands.inputs}
        for name in (node.output[index] for index in operands.outputs):
            found.update(self._places.get(id(use.node)) if use.index >= 0 else None for use in self._readers[at][name])
            if name in {each.name for each in self.graphs[at].output}:
                found.add(None)
        return found

    def layers(self) -> list[LayerForm]:
        """Return what became of each node that was asked for, or taken along."""
        return [self._layer(place, self.why[place]) for place in sorted(self.why)]

    def _layer(self, place: Place, why: str) -> LayerForm:
        node, graph = self.nodes[place], self.graphs[place[0]]
        tensors = [self._weights.tensor(graph, node.input[index]) for index in self.operands(place).inputs]
        elements = sum(int(np.prod(each.dims)) for each in tensors if each is not None)
        form = "fp32" if why else "fp16 half"
        return LayerForm(
            name=node.name, op_type=node.op_type, form=form, why=why, weight_bytes=elements * (4 if why else 2)
        )


def _settle(model: ModelProto, choice: _Choice, taken: set[Place], feeds: Feeds) -> set[Place]:
    """Return the nodes that may be fp16, after sending back to float32 what spoils the answers.

    Raises:
        ToolError: all of them do.
    """
    watch = _Watch(model, feeds)
    kept = taken
    if watch.noise(taken) > MOST_NOISE:
        # Each by itself, for where an error shows is often far from where it arose; the least noisy come first.
        ranked = _ranked(watch, taken)
        count = _affordable([noise for noise, _ in ranked])
        kept = _still(choice, {place for _, group in ranked[:count] for place in group})
        while kept and watch.noise(kept) > MOST_NOISE:
            count = count * 3 // 4
            kept = _still(choice, {place for _, group in ranked[:count] for place in group})
    for place in taken:
        choice.why.setdefault(place, "")
    for place in taken - kept:
        choice.why[place] = "fp16 spoils the answers here"
    if not kept:
        raise ToolError("no operator asked for keeps the answers at 40 dB in fp16; leave it in float32", "quantization")
    return kept


def _ranked(watch: _Watch, taken: Collection[Place]) -> list[tuple[float, tuple[Place, ...]]]:
    """Groups of neighbouring nodes with the noise that each alone does to the answers; noisy ones are split up."""
    places = sorted(taken)
    size = -(-len(places) // GROUPS)
    groups = [tuple(places[start : start + size]) for start in range(0, len(places), size)]
    measured = [(watch.noise(group), group) for group in groups]
    quiet = [each for each in measured if each[0] <= MOST_NOISE / len(groups) or len(each[1]) == 1]
    loud = [place for each in measured if each not in quiet for place in each[1]]
    if len(loud) <= SINGLES:
        quiet += [(watch.noise((place,)), (place,)) for place in loud]
    return sorted(quiet)


def _affordable(noises: Sequence[float]) -> int:
    """How many of the least noisy may be together; noise adds up, and half of what is allowed is left as a margin."""
    return int(np.searchsorted(np.cumsum(noises), MOST_NOISE / 2, side="right"))


def _still(choice: _Choice, places: set[Place]) -> set[Place]:
    """What was asked for among `places`, with the carriers that are still between."""
    asked = {place for place in places if place in choice.asked}
    return asked | (choice.between(asked, ()) & places)


class _Watch:
    """Compares the answers in float32 with those where some nodes are fp16, on the same samples."""

    def __init__(self, model: ModelProto, feeds: Feeds) -> None:
        logits = logits_of(model)
        names = dict.fromkeys(logits.get(each.name, each.name) for each in model.graph.output)
        self._model, self._feeds = copy_model(model), feeds
        del self._model.graph.output[:]
        self._model.graph.output.extend([helper.make_empty_tensor_value_info(name) for name in names])
        with opened(self._model) as session:
            self._wanted = [run(session, feed) for feed in feeds]

    def noise(self, places: Collection[Place]) -> float:
        """Return the energy of the error at the worst answer, as a share of the answer's own."""
        tried = copy_model(self._model)
        write_half(tried, places, rounding=True)
        errors = [OutputError() for _ in self._model.graph.output]
        with opened(tried) as session:
            for feed, wanted in zip(self._feeds, self._wanted, strict=True):
                for error, first, second in zip(errors, wanted, run(session, feed), strict=True):
                    error.add(first, second)
        return max(10 ** min(-error.decibels / 10, _NO_ANSWER) for error in errors)
