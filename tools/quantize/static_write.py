"""Write a static plan into a model, in the QDQ form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper

from ...contracts import IntegerType, LayerForm
from ..onnx_model import elements, opset, to_array
from .carriers import PULLED, offset, slope
from .clipping import Range
from .code_grids import SHIFT, CodeGrid, code_of
from .computed_rounding import Roundings
from .graphs import Names, float_attribute, input_name, int_attribute, replace_nodes
from .integer_activations import is_rewritten, write_activation
from .levelling import levelled, take_in
from .plan_grids import Grids
from .rounding import FloatArray
from .static_plan import Planner, StaticPlan
from .unit_weights import bias_codes, unit_operands, unit_scales
from .weights import Weights, drop_stale_shapes, drop_unused

# Through these, onnxruntime carries 8 bits on by itself.
CARRIED_ON = frozenset({"MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice"})
WIDE_OPSET = 13  # DequantizeLinear has no axis below


@dataclass(frozen=True)
class StaticTypes:
    """The integer types of activations and weights."""

    activations: IntegerType = "uint8"
    weights: IntegerType = "int8"


U8S8 = StaticTypes()


class Writer:
    """Writes one plan into one model.

    Every quantized tensor has its codes, and floats that are those codes dequantized: under the name that the tensor
    had where a quantized node gives it, under a new one where a float node does, whose float readers go on reading
    what is not rounded.
    """

    def __init__(
        self,
        model: ModelProto,
        planner: Planner,
        plan: StaticPlan,
        ranges: Mapping[str, Range],
        per_channel: bool,
        types: StaticTypes,
        roundings: Roundings,
        names: Names | None = None,
    ) -> None:
        self.model, self.planner, self.plan = model, planner, plan
        self.per_channel, self.types, self._roundings = per_channel, types, roundings
        self.grids = Grids(planner, plan, ranges)
        self._shares = levelled(planner, plan, ranges) if per_channel else {}
        self._names = names or Names(model)
        self._inside = planner.seen_inside()
        self._weights = Weights(model, self._names)
        self._replaced: set[str] = set()
        self._nodes: list[NodeProto] = []
        self._dequantized: dict[str, str] = {}
        self._codes: dict[str, str] = {}

    def write(self) -> None:
        """Rebuild the graph's nodes in topological order."""
        for value in self.model.graph.input:
            self._boundary(value.name)
        gone = self.plan.merged
        for index, node in enumerate(self.planner.nodes):
            if index in self.plan.quantized:
                self._quantized(index, node)
            elif index not in gone:
                self._float(node)
                for name in node.output:
                    self._boundary(name)
        replace_nodes(self.model.graph, self._read_nodes())
        drop_unused(self.model, self._replaced)
        drop_stale_shapes(self.model.graph)

    def node(self, op_type: str, inputs: Sequence[str], output: str | None = None, axis: int | None = None) -> str:
        """Append a node; return the name of its output."""
        given = self._names.fresh(op_type.lower()) if output is None else output
        made = helper.make_node(op_type, list(inputs), [given], self._names.fresh(op_type))
        if axis is not None:
            made.attribute.append(helper.make_attribute("axis", axis))
        self._nodes.append(made)
        return given

    def constant(self, value: int, grid: CodeGrid | None = None) -> str:
        """Return the name of a code, or of what it stands for on a grid."""
        code: npt.NDArray[Any] = np.full((), code_of(value, self.types.activations))
        (name,) = self._weights.add(self.model.graph, "", ("code", value), [("code", code)])
        return name if grid is None else self.read(name, grid)

    def packed(self, tensor: str) -> str:
        """Return the codes of a quantized tensor."""
        return self._codes[tensor]

    def read(self, codes: str, grid: CodeGrid, output: str | None = None) -> str:
        """Append a `DequantizeLinear`."""
        given = self._names.fresh("dequantized") if output is None else output
        return self.node("DequantizeLinear", [codes, *self._parameters(grid)], given)

    def rounded(self, tensor: str, grid: CodeGrid) -> str:
        """Append a `QuantizeLinear`."""
        return self.node("QuantizeLinear", [tensor, *self._parameters(grid)], self._names.fresh("quantized"))

    def _parameters(self, grid: CodeGrid) -> tuple[str, ...]:
        scale, zero = grid.parameters(self.types.activations)
        arrays: list[tuple[str, npt.NDArray[Any]]] = [("scale", np.full((), scale)), ("zero", np.full((), zero))]
        return self._weights.add(self.model.graph, "", ("activation", scale.tobytes(), int(zero)), arrays)

    def _boundary(self, tensor: str) -> None:
        """Quantize what a float node gives."""
        if tensor in self.plan.scales:
            self._codes[tensor] = (
                self._levelled(tensor) if tensor in self._shares else self.rounded(tensor, self.grids.of(tensor))
            )
            self._dequantized[tensor] = self.read(self._codes[tensor], self.grids.of(tensor))

    def _levelled(self, tensor: str) -> str:
        """Quantize with one scale per channel."""
        shares, (scale, zero) = self._shares[tensor], self.grids.of(tensor).parameters(self.types.activations)
        arrays: list[tuple[str, npt.NDArray[Any]]] = [("scale", shares * scale), ("zero", np.full(shares.shape, zero))]
        parameters = self._weights.add(self.model.graph, "", ("levelled", tensor), arrays)
        return self.node("QuantizeLinear", [tensor, *parameters], self._names.fresh("quantized"), 1)

    def _quantized(self, index: int, node: NodeProto) -> None:
        """Write a unit or carrier, its operands dequantized, its output quantized under the name it had."""
        if index in self.plan.carriers and index in self.planner.rescalings:
            self._packed(node.output[0], self._codes[self.planner.rescalings[index].source], is_codes=True)
            return
        if index in self.plan.carriers and is_rewritten(node):
            raw, is_codes = write_activation(self, node, self._dequantized[node.input[0]])
            self._packed(node.output[0], raw, is_codes)
            return
        written = NodeProto.FromString(node.SerializeToString())
        for at, name in enumerate(node.input):
            written.input[at] = self._dequantized.get(name, name)
        bias = self._constants(index, written) if self._has_weight(index) else ""
        written.output[:] = [self._names.fresh("raw") for _ in node.output]
        self._nodes.append(written)
        results = list(written.output)
        if bias:
            results = [self.node("Add", [results[0], bias])]
        for name, each in zip(self._given(index), results, strict=True):
            if name in self.plan.scales:
                self._packed(name, each)
            else:
                self._nodes[-1].output[0] = name

    def _given(self, index: int) -> list[str]:
        outputs = list(self.planner.nodes[index].output)
        return outputs if len(outputs) > 1 else [self.planner.output(self.plan, index)]

    def _packed(self, tensor: str, raw: str, is_codes: bool = False) -> None:
        self._codes[tensor] = raw if is_codes else self.rounded(raw, self.grids.of(tensor))
        self._dequantized[tensor] = self.read(self._codes[tensor], self.grids.of(tensor), tensor)

    def _has_weight(self, index: int) -> bool:
        return index in self.plan.units and not self.planner.multiplies_activations(self.planner.nodes[index])

    def _float(self, node: NodeProto) -> None:
        """Write a node that stays in floating point so that it does stay there.

        Where `Conv`, `ConvTranspose` or `Gemm` stands between `DequantizeLinear` and `QuantizeLinear`, onnxruntime
        rounds its weights by itself, with one scale for all; where one of `PULLED` does, it computes in 8 bits. Not
        where the scale of the input has an axis.
        """
        if not node.input or self._dequantized.get(node.input[0]) != node.input[0]:
            self._nodes.append(node)
            return
        width = self._input_width(node)
        if not width:
            self._nodes.append(self._apart(node) if self._leads_inside(node) else node)
            return
        scale, zero = self.grids.of(node.input[0]).parameters(self.types.activations)
        arrays: list[tuple[str, np.ndarray]] = [("scale", np.full(width, scale)), ("zero", np.full(width, zero))]
        parameters = self._weights.add(self.model.graph, "", ("wide", scale.tobytes(), int(zero), width), arrays)
        written = NodeProto.FromString(node.SerializeToString())
        written.input[0] = self._names.fresh("dequantized")
        self.node("DequantizeLinear", [self._codes[node.input[0]], *parameters], written.input[0], 1)
        self._nodes.append(written)

    def _leads_inside(self, node: NodeProto) -> bool:
        """Tell whether onnxruntime would carry 8 bits on through `node` to a node whose bodies read them."""
        if node.op_type not in CARRIED_ON:
            return False
        readers = [at for at in self.planner.readers(node.output[0]) if at is not None]
        floats = [self.planner.nodes[at] for at in readers if at not in self.plan.quantized]
        return node.output[0] in self._inside or any(self._leads_inside(each) for each in floats)

    def _apart(self, node: NodeProto) -> NodeProto:
        """Return the node with a step before it that 8 bits are not carried through: `Max` of one value is itself.

        Where they are carried on to what the bodies of an `If` or a `Loop` read, onnxruntime (1.32) ends the process.
        """
        written = NodeProto.FromString(node.SerializeToString())
        written.input[0] = self.node("Max", [node.input[0]])
        return written

    def _input_width(self, node: NodeProto) -> int:
        """Channels that a float node reads; 0 where it needs no guard or none can be had."""
        if opset(self.model) < WIDE_OPSET or not node.input:
            return 0
        if node.op_type in PULLED:
            return self.planner.channels(node.input[0])
        weight = self.planner.constants.get(input_name(node, 1))
        if weight is None or len(weight.dims) < 2:
            return 0
        if node.op_type == "Conv":
            return weight.dims[1] * int_attribute(node, "group", 1)
        if node.op_type == "Gemm" and not int_attribute(node, "transA", 0):
            return weight.dims[1 if int_attribute(node, "transB", 0) else 0]
        return weight.dims[0] if node.op_type == "ConvTranspose" else 0

    def _constants(self, index: int, written: NodeProto) -> str:
        """Put the unit's weight and bias behind `DequantizeLinear`; return the bias that is to be added after it."""
        node = self.planner.nodes[index]
        weight, bias, axis = self._operands(index)
        x_scale = float(self.grids.of(node.input[0]).scale)
        scales = unit_scales(weight, bias, axis if self.per_channel else None, x_scale)
        self._replaced.update((node.input[1], self.planner.bias(self.plan, index)))
        written.input[1:] = [self._weight(index, weight, scales, axis)]
        for at in reversed([at for at, each in enumerate(written.attribute) if each.name in ("alpha", "beta")]):
            del written.attribute[at]
        if bias is None:
            return ""
        name = self._bias(node, bias, x_scale * scales.reshape(-1).astype(np.float64))
        if index in self.plan.biased:
            return name
        written.input.append(name)
        return ""

    def _operands(self, index: int) -> tuple[FloatArray, FloatArray | None, int]:
        """Return weight, bias and the weight's channel axis, with the line of a `HardSigmoid` taken in."""
        node, bias_name = self.planner.nodes[index], self.planner.bias(self.plan, index)
        weight, bias, axis = unit_operands(node, bias_name, lambda name: to_array(self.planner.constants[name]))
        if node.input[0] in self._shares:
            weight = take_in(weight, node, self._shares[node.input[0]])
        last = self.planner.nodes[self.plan.last(index)]
        if last.op_type != "HardSigmoid":
            return weight, bias, axis
        old = np.zeros(weight.shape[axis], np.float32) if bias is None else bias
        return weight * np.float32(slope(last)), np.float32(slope(last)) * old + np.float32(offset(last)), axis

    def _weight(self, index: int, weight: FloatArray, scales: FloatArray, axis: int) -> str:
        node = self.planner.nodes[index]
        flat = scales.reshape(-1) if scales.size > 1 else scales.reshape(())
        values: npt.NDArray[Any] = self._roundings.integers(node.input[1], weight, scales, (axis % weight.ndim,))
        zero: npt.NDArray[Any] = np.zeros(flat.shape, np.int8)
        if self.types.weights == "uint8":
            values, zero = _unsigned(values), _unsigned(zero)
        constants = self._weights.add(
            self.model.graph,
            node.input[1],
            (
                "static",
                scales.shape,
                scales.tobytes(),
                float_attribute(node, "alpha", 1.0),
                node.input[0] in self._shares and node.input[0],
            ),
            [(self.types.weights, values), ("scale", flat), ("zero", zero)],
        )
        return self.node("DequantizeLinear", constants, self._names.fresh("weight"), axis if scales.size > 1 else None)

    def _bias(self, node: NodeProto, bias: FloatArray, scales: npt.NDArray[np.float64]) -> str:
        flat = (scales.reshape(()) if scales.size == 1 else scales).astype(np.float32)
        arrays = [("int32", bias_codes(bias, scales)), ("scale", flat), ("zero", np.zeros(flat.shape, np.int32))]
        constants = self._weights.add(self.model.graph, "", ("bias", node.name, node.output[0]), arrays)
        return self.node("DequantizeLinear", constants, self._names.fresh("bias"), 0 if scales.size > 1 else None)

    def _read_nodes(self) -> list[NodeProto]:
        """The nodes without what nothing reads: floats of codes that only integer operators take."""
        read = {name for node in self._nodes for name in node.input}
        read |= self.planner.outputs | self._inside
        return [node for node in self._nodes if node.op_type != "DequantizeLinear" or node.output[0] in read]

    def layer(self, index: int) -> LayerForm:
        """Return what became of the node at `index`."""
        node, why = self.planner.nodes[index], self.plan.why.get(index, "")
        tensor = self.planner.constants.get(input_name(node, 1))
        size = None if tensor is None else elements(tensor) * (4 if why else 1)
        form = "fp32" if why else "int8 static"
        remark = why or self.planner.remark(index)
        return LayerForm(name=node.name, op_type=node.op_type, form=form, why=remark, weight_bytes=size)


def _unsigned(values: npt.NDArray[np.int8]) -> npt.NDArray[Any]:
    return (values.astype(np.int16) + SHIFT).astype(np.uint8)
