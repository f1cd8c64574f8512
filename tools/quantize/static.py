"""Static int8 compute: activations are uint8 with calibrated ranges, weights int8, in the QDQ form.

Before: `Conv(x, W, b)`. After: `QuantizeLinear → DequantizeLinear` on `x` and on the output, an int8 `W` and an
int32 `b` each behind `DequantizeLinear`; onnxruntime fuses what stands between them into `QLinearConv` and its kin.
Activations are asymmetric and per tensor, weights symmetric with one scale per output channel. uint8 activations
with int8 weights (U8S8) is the form that processors with VNNI are fast at; the other types hold the same values,
moved by 128. A file in QDQ form means the same without any fusion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper

from ...contracts import CalibrationMethod, IntegerType, LayerForm
from ..onnx_model import elements, iter_graphs, opset, to_array
from .calibrate import Feeds, tensor_ranges
from .clipping import Range
from .graphs import Names, float_attribute, input_name, int_attribute, replace_nodes
from .rounding import FloatArray, channel_scales, round_int8
from .static_plan import Planner, StaticChoice, StaticPlan
from .weights import Weights, drop_stale_shapes, drop_unused

PER_CHANNEL_OPSET = 13  # DequantizeLinear has no axis below
_TINY = np.finfo(np.float32).tiny
_SHIFT = 128  # between int8 and uint8
_BIAS_MAX = 2**30  # half of int32: the other half is for the products that are added to it


def calibrate(
    model: ModelProto,
    choice: StaticChoice,
    feeds: Feeds,
    method: CalibrationMethod = "minmax",
    percentile: float = 99.99,
) -> dict[str, Range]:
    """Return the ranges of all activations that static compute of `choice` would quantize."""
    scales = Planner(model).plan(choice).scales
    return tensor_ranges(model, sorted({*scales, *scales.values()}), feeds, method, percentile)


@dataclass(frozen=True)
class StaticTypes:
    """The integer types of activations and weights."""

    activations: IntegerType = "uint8"
    weights: IntegerType = "int8"


U8S8 = StaticTypes()


def write_static(
    model: ModelProto,
    choice: StaticChoice,
    ranges: Mapping[str, Range],
    per_channel: bool = True,
    types: StaticTypes = U8S8,
) -> list[LayerForm]:
    """Turn the nodes of `choice` to static 8 bits in place; return what became of each, with the reason."""
    planner = Planner(model)
    plan = planner.plan(choice, ranges)
    writer = _Writer(model, planner, plan, ranges, per_channel and opset(model) >= PER_CHANNEL_OPSET, types)
    layers = [writer.layer(index) for index in sorted(plan.units | plan.why.keys())]
    layers += [
        LayerForm(name=node.name, op_type=node.op_type, form="fp32", why="it is inside a subgraph")
        for graph in list(iter_graphs(model))[1:]
        for node in graph.node
        if choice.asks(node)
    ]
    if plan.units:
        writer.write()
    return layers


def activation_scale(span: Range, kind: IntegerType = "uint8") -> tuple[np.float32, np.uint8 | np.int8]:
    """Return scale and zero point that map `span`, widened to hold zero exactly, to all values of the type."""
    low, high = min(span.low, 0.0), max(span.high, 0.0)
    scale = np.float32(max((high - low) / 255.0, float(_TINY))) if high > low else np.float32(1.0)
    zero = int(np.clip(np.rint(-low / float(scale)), 0, 255))
    return scale, np.uint8(zero) if kind == "uint8" else np.int8(zero - _SHIFT)


class _Writer:
    """Writes one plan into one model."""

    def __init__(
        self,
        model: ModelProto,
        planner: Planner,
        plan: StaticPlan,
        ranges: Mapping[str, Range],
        per_channel: bool,
        types: StaticTypes,
    ) -> None:
        self.model, self.planner, self.plan, self.ranges = model, planner, plan, ranges
        self.per_channel, self.types = per_channel, types
        self.names = Names(model)
        self.weights = Weights(model, self.names)
        self.replaced: set[str] = set()
        self._dequantized: dict[str, str] = {}
        self._packed: dict[str, str] = {}

    def write(self) -> None:
        """Rebuild the graph's nodes in topological order."""
        nodes: list[NodeProto] = []
        for value in self.model.graph.input:
            nodes += self._boundary(value.name)
        gone = self.plan.merged
        for index, node in enumerate(self.planner.nodes):
            if index in self.plan.quantized:
                nodes += self._quantized(index, node)
            elif index not in gone:
                nodes += self._float(node)
                for name in node.output:
                    nodes += self._boundary(name)
        replace_nodes(self.model.graph, nodes)
        drop_unused(self.model, self.replaced)
        drop_stale_shapes(self.model.graph)

    def _boundary(self, tensor: str) -> list[NodeProto]:
        """Quantize what a float node gives; its float readers go on reading it, unrounded."""
        if tensor not in self.plan.scales:
            return []
        self._dequantized[tensor] = self.names.fresh("dequantized")
        return self._pair(tensor, tensor, self._dequantized[tensor])

    def _pair(self, tensor: str, source: str, result: str) -> list[NodeProto]:
        root = self.plan.scales[tensor]
        scale, zero = activation_scale(self.ranges[root], self.types.activations)
        parameters = self.weights.add(
            self.model.graph, "", ("activation", root), [("scale", np.asarray(scale)), ("zero", np.asarray(zero))]
        )
        packed = self.names.fresh("quantized")
        if result == tensor:
            self._packed[tensor] = packed
        return [
            self._node("QuantizeLinear", [source, *parameters], packed),
            self._node("DequantizeLinear", [packed, *parameters], result),
        ]

    def _node(self, op_type: str, inputs: list[str], output: str, axis: int | None = None) -> NodeProto:
        made = helper.make_node(op_type, inputs, [output], self.names.fresh(op_type))
        if axis is not None:
            made.attribute.append(helper.make_attribute("axis", axis))
        return made

    def _quantized(self, index: int, node: NodeProto) -> list[NodeProto]:
        """Write a unit or carrier, its operands dequantized, its output quantized under the name it had."""
        output = self.planner.output(self.plan, index)
        written = NodeProto.FromString(node.SerializeToString())
        for at, name in enumerate(node.input):
            written.input[at] = self._dequantized.get(name, name)
        nodes = [*self._constants(index, written), written] if index in self.plan.units else [written]
        if index in self.plan.biased:
            written.output[0], bias = self.names.fresh("product"), written.input.pop()
            nodes.append(self._node("Add", [written.output[0], bias], output))
        if output not in self.plan.scales:
            nodes[-1].output[0] = output
            return nodes
        nodes[-1].output[0] = self.names.fresh("raw")
        self._dequantized[output] = output
        return [*nodes, *self._pair(output, nodes[-1].output[0], output)]

    def _float(self, node: NodeProto) -> list[NodeProto]:
        """Write a node that stays in floating point so that it does stay there.

        Where `Conv`, `ConvTranspose` or `Gemm` stands between `DequantizeLinear` and `QuantizeLinear`, onnxruntime
        rounds its weights by itself, with one scale for all; not where the scale of its input has an axis.
        """
        width = self._input_width(node)
        if not width or node.input[0] not in self._packed:
            return [node]
        root = self.plan.scales[node.input[0]]
        scale, zero = activation_scale(self.ranges[root], self.types.activations)
        parameters = self.weights.add(
            self.model.graph,
            "",
            ("wide", root, width),
            [("scale", np.full(width, scale)), ("zero", np.full(width, zero))],
        )
        written = NodeProto.FromString(node.SerializeToString())
        written.input[0] = self.names.fresh("dequantized")
        return [
            self._node("DequantizeLinear", [self._packed[node.input[0]], *parameters], written.input[0], 1),
            written,
        ]

    def _input_width(self, node: NodeProto) -> int:
        """Channels that a float node with constant weights reads; 0 where it needs no guard or none can be had."""
        weight = self.planner.constants.get(input_name(node, 1))
        if weight is None or len(weight.dims) < 2 or opset(self.model) < PER_CHANNEL_OPSET:
            return 0
        if node.op_type == "Conv":
            return weight.dims[1] * int_attribute(node, "group", 1)
        if node.op_type == "Gemm" and not int_attribute(node, "transA", 0):
            return weight.dims[1 if int_attribute(node, "transB", 0) else 0]
        return weight.dims[0] if node.op_type == "ConvTranspose" else 0

    def _constants(self, index: int, written: NodeProto) -> list[NodeProto]:
        """Put the unit's weight and bias behind `DequantizeLinear`; they become its second and third input."""
        node, bias_name = self.planner.nodes[index], self.planner.bias(self.plan, index)
        weight, bias, axis = unit_operands(node, bias_name, lambda name: to_array(self.planner.constants[name]))
        x_scale = float(activation_scale(self.ranges[self.plan.scales[node.input[0]]])[0])
        scales = unit_scales(weight, bias, axis if self.per_channel else None, x_scale)
        self.replaced.update((node.input[1], bias_name))
        inputs, nodes = [written.input[0]], list[NodeProto]()
        for name, made in (
            self._weight(node, weight, scales, axis),
            *([self._bias(node, bias, x_scale * scales.reshape(-1).astype(np.float64))] if bias is not None else []),
        ):
            inputs.append(name)
            nodes.append(made)
        written.input[:] = inputs
        for at in reversed([at for at, each in enumerate(written.attribute) if each.name in ("alpha", "beta")]):
            del written.attribute[at]
        return nodes

    def _weight(self, node: NodeProto, weight: FloatArray, scales: FloatArray, axis: int) -> tuple[str, NodeProto]:
        flat = scales.reshape(-1) if scales.size > 1 else scales.reshape(())
        values: npt.NDArray[Any] = round_int8(weight, scales)
        zero: npt.NDArray[Any] = np.zeros(flat.shape, np.int8)
        if self.types.weights == "uint8":
            values, zero = _unsigned(values), _unsigned(zero)
        constants = self.weights.add(
            self.model.graph,
            node.input[1],
            ("static", scales.shape, scales.tobytes(), float_attribute(node, "alpha", 1.0)),
            [(self.types.weights, values), ("scale", flat), ("zero", zero)],
        )
        result = self.names.fresh("weight")
        return result, self._node("DequantizeLinear", list(constants), result, axis if scales.size > 1 else None)

    def _bias(self, node: NodeProto, bias: FloatArray, scales: np.ndarray) -> tuple[str, NodeProto]:
        values = np.clip(np.rint(bias.astype(np.float64) / scales), -_BIAS_MAX, _BIAS_MAX).astype(np.int32)
        flat = (scales.reshape(()) if scales.size == 1 else scales).astype(np.float32)
        arrays = [("int32", values), ("scale", flat), ("zero", np.zeros(flat.shape, np.int32))]
        constants = self.weights.add(self.model.graph, "", ("bias", node.name, node.output[0]), arrays)
        result = self.names.fresh("bias")
        return result, self._node("DequantizeLinear", list(constants), result, 0 if scales.size > 1 else None)

    def layer(self, index: int) -> LayerForm:
        """Return what became of the node at `index`."""
        node, why = self.planner.nodes[index], self.plan.why.get(index, "")
        tensor = self.planner.constants.get(input_name(node, 1))
        size = None if tensor is None else elements(tensor) * (4 if why else 1)
        form = "fp32" if why else "int8 static"
        remark = why or self.planner.remark(index)
        return LayerForm(name=node.name, op_type=node.op_type, form=form, why=remark, weight_bytes=size)


def _unsigned(values: npt.NDArray[np.int8]) -> npt.NDArray[Any]:
    return (values.astype(np.int16) + _SHIFT).astype(np.uint8)


def unit_operands(
    node: NodeProto, bias_name: str, values: Callable[[str], FloatArray]
) -> tuple[FloatArray, FloatArray | None, int]:
    """Return weight, bias and the weight's channel axis; `alpha` and `beta` of a `Gemm` are multiplied in."""
    weight = values(node.input[1]) * np.float32(float_attribute(node, "alpha", 1.0))
    axis = 0
    if node.op_type == "MatMul":
        # Above rank 2 a scale per column could not be told from one per batch: one for all.
        axis = 1 if weight.ndim == 2 else -1
    elif node.op_type == "Gemm":
        axis = 0 if int_attribute(node, "transB", 0) else 1
    if not bias_name:
        return weight, None, axis
    bias = values(bias_name).reshape(-1) * np.float32(float_attribute(node, "beta", 1.0))
    return weight, np.broadcast_to(bias, (weight.shape[axis],)), axis


def unit_scales(weight: FloatArray, bias: FloatArray | None, axis: int | None, x_scale: float) -> FloatArray:
    """Return the weight's scales, large enough that the int32 bias in units of `x_scale · scale` does not overflow.

    Args:
        weight: finite values.
        bias: one value per channel of the weight.
        axis: channel axis; None or −1 gives one scale for all.
        x_scale: scale of the activation that the weight meets.
    """
    per_channel = axis is not None and axis >= 0
    scales = channel_scales(weight, (axis,) if per_channel and axis is not None else ())
    least = np.asarray(float(_TINY) * max(1.0, 1.0 / x_scale))
    if bias is not None:
        needed = np.abs(bias.astype(np.float64)) / (x_scale * _BIAS_MAX)
        least = np.maximum(least, needed.reshape(scales.shape) if per_channel else needed.max())
    return np.maximum(scales, least).astype(np.float32)
