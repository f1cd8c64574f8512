"""Static compute inside the bodies of `If` and `Loop`: each is quantized as a model of its own, and put back.

Its activations are quantized and dequantized inside, its weights held inside, so that nothing of the graphs around it
changes but the constants that nothing reads any more. A body that no calibration sample comes to stays as it is, for
its ranges are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from onnx import GraphProto, ModelProto, NodeProto

from ...contracts import CalibrationMethod, LayerForm, QuantizeStep, ToolError
from ..onnx_model import delete_named, iter_nodes
from .bodies import Body, alone, bodies_of, body_feeds
from .calibrate import Feeds
from .graphs import Names, fixed_initializers, outer_reads, replace_nodes
from .static import calibrate, write_static
from .static_plan import StaticChoice
from .static_write import StaticTypes
from .trial import copy_model
from .weights import drop_unused


@dataclass(frozen=True)
class StaticWay:
    """How a step computes statically."""

    choice: StaticChoice
    method: CalibrationMethod = "minmax"
    percentile: float = 99.99
    per_channel: bool = True
    types: StaticTypes = field(default_factory=StaticTypes)

    @classmethod
    def of(cls, step: QuantizeStep) -> StaticWay:
        """Return what `step` says."""
        types = StaticTypes(step.activations, step.weights)
        return cls(StaticChoice.of(step), step.calibration, step.percentile, step.per_channel, types)


def write_static_bodies(model: ModelProto, way: StaticWay, feeds: Feeds) -> list[LayerForm]:
    """Turn the nodes asked for inside bodies to static 8 bits in place; return what became of each.

    Args:
        model: its main graph is left as it is, but for constants.
        way: which nodes, and how.
        feeds: samples of the whole model.

    Raises:
        ToolError: the model does not load, or does not run on the samples.
    """
    work = _Work(way, Names(model))
    layers = work.inside(model, feeds)
    drop_unused(model, work.imported)
    return layers


def each_alone(model: ModelProto) -> Iterator[ModelProto]:
    """Yield `model`, then every body of `If` and `Loop` in it as a model, at any depth."""
    yield model
    for node in model.graph.node:
        for _, body in bodies_of(node):
            yield from each_alone(alone(model, body))


class _Work:
    """Goes into bodies from the outside, and writes them from the inside."""

    def __init__(self, way: StaticWay, names: Names) -> None:
        self.imported: set[str] = set()
        self._way, self._names = way, names

    def inside(self, model: ModelProto, feeds: Feeds) -> list[LayerForm]:
        """Write what lies inside nodes of the main graph of `model`."""
        layers: list[LayerForm] = []
        if not any(self._asked(body) for node in model.graph.node for _, body in bodies_of(node)):
            return layers
        original = copy_model(model)
        for node, unchanged in zip(model.graph.node, original.graph.node, strict=True):
            for body in bodies_of(node):
                if self._asked(body[1]):
                    layers += self._body(model, original, unchanged, body, feeds)
        return layers

    def _asked(self, body: GraphProto) -> bool:
        return any(self._way.choice.asks(node) for node in iter_nodes(body))

    def _body(
        self, model: ModelProto, original: ModelProto, node: NodeProto, body: Body, feeds: Feeds
    ) -> list[LayerForm]:
        try:
            fed = body_feeds(original, node, body, feeds)
            if not fed:
                return self._left(body[1], "no calibration sample comes to the body that it is in")
            own = alone(model, body[1], fed[0])
            layers = self._quantized(own, fed)
        except ToolError as error:
            return self._left(body[1], error.message)
        imported = outer_reads(body[1]) & fixed_initializers(model.graph).keys()
        self.imported.update(imported, (each.name for each in body[1].initializer))
        _put_back(body[1], own, imported)
        return layers

    def _quantized(self, own: ModelProto, feeds: Feeds) -> list[LayerForm]:
        way = self._way
        ranges = calibrate(own, way.choice, feeds, way.method, way.percentile)
        layers = self.inside(own, feeds)
        return layers + write_static(own, way.choice, ranges, way.per_channel, way.types, names=self._names)

    def _left(self, body: GraphProto, why: str) -> list[LayerForm]:
        return [
            LayerForm(name=node.name, op_type=node.op_type, form="fp32", why=why)
            for node in iter_nodes(body)
            if self._way.choice.asks(node)
        ]


def _put_back(body: GraphProto, own: ModelProto, imported: set[str]) -> None:
    delete_named(own.graph.initializer, imported)
    for name in ("initializer", "value_info"):
        body.ClearField(name)
        getattr(body, name).extend(getattr(own.graph, name))
    replace_nodes(body, own.graph.node)
