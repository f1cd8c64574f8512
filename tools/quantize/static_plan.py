"""Decide which nodes compute in int8 and which tensors are quantized, before any node is written.

A unit is a `Conv`, `Gemm` or `MatMul` with constant weights. A carrier passes 8-bit values on between units
(`MaxPool`, `Add`, `Concat`, …); it is quantized only where its output reaches a unit, so that nothing at the end of
a model loses precision for no gain. A `Relu` or `Clip` after a quantized node disappears in the saturation of that
node's output.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from ...contracts import QuantizeStep
from ..onnx_model import elements, is_standard, opset, to_array
from .clipping import Range
from .graphs import Use, attribute, fixed_initializers, input_name, int_attribute, uses

COMPUTE = ("Conv", "Gemm", "MatMul")
MIN_OPSET = 10

# The values move, none is computed: the output shares the scale of the first input.
MOVERS = frozenset(
    {"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "DepthToSpace", "Resize"}
)
# The output has a scale of its own; the operands that may be activations.
MIXERS: dict[str, slice] = {
    "Add": slice(0, 2),
    "Mul": slice(0, 2),
    "Concat": slice(0, None),
    "GlobalAveragePool": slice(0, 1),
    "AveragePool": slice(0, 1),
}


@dataclass(frozen=True)
class StaticChoice:
    """Which nodes are asked for.

    Attributes:
        op_types: operators.
        keep: names of nodes that stay as they are.
        min_terms: nodes with shorter dot products stay too.
        named: nodes that are taken whatever their operator and `min_terms`.
    """

    op_types: Collection[str]
    keep: Collection[str] = ()
    min_terms: int = 0
    named: Collection[str] = ()

    @classmethod
    def of(cls, step: QuantizeStep) -> StaticChoice:
        """Return what `step` asks for."""
        return cls(step.computed("static"), step.others("static"), step.min_terms, step.named("static"))

    def asks(self, node: NodeProto) -> bool:
        """Tell whether `node` is asked for."""
        return node.op_type in self.op_types or node.name in self.named

    def least_terms(self, node: NodeProto) -> int:
        """Return the shortest dot product that `node` may have."""
        return 0 if node.name in self.named else self.min_terms


@dataclass
class StaticPlan:
    """What is to be written; nodes are keyed by their index in the graph.

    Attributes:
        units: nodes that compute in int8.
        carriers: nodes that pass 8-bit values on.
        biased: index of a `MatMul` → index of the `Add` after it that is its bias.
        absorbed: index of a node → index of the `Relu` or `Clip` after it that disappears.
        scales: quantized activation → the activation whose scale it shares, itself unless a mover made it.
        why: index of a node of a type asked for → why it stays in floating point.
    """

    units: set[int] = field(default_factory=set[int])
    carriers: set[int] = field(default_factory=set[int])
    biased: dict[int, int] = field(default_factory=dict[int, int])
    absorbed: dict[int, int] = field(default_factory=dict[int, int])
    scales: dict[str, str] = field(default_factory=dict[str, str])
    why: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def quantized(self) -> set[int]:
        """Units and carriers."""
        return self.units | self.carriers

    @property
    def merged(self) -> set[int]:
        """Nodes that are written with the node before them, or not at all."""
        return {*self.biased.values(), *self.absorbed.values()}

    def last(self, index: int) -> int:
        """Return the index of the node whose output is that of the quantized node at `index`."""
        return self.absorbed.get(index, self.biased.get(index, index))


class Planner:
    """Plans for one model, with known ranges or before there are any."""

    def __init__(self, model: ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.constants = fixed_initializers(model.graph)
        self._opset = opset(model)
        self._index = {id(node): index for index, node in enumerate(self.nodes)}
        self._readers = uses(model.graph)
        self._dequantized = {node.output[0] for node in self.nodes if node.op_type == "DequantizeLinear"}
        self._outputs = {each.name for each in model.graph.output}
        # What a node gives or a caller feeds: the tensors that can be quantized where they arise.
        self._computed = {each.name for each in model.graph.input}.union(*(node.output for node in self.nodes))

    def plan(self, choice: StaticChoice, ranges: Mapping[str, Range] | None = None) -> StaticPlan:
        """Return the plan for the operators asked for; without `ranges` every activation counts as calibrated.

        The tensors to calibrate are the keys and values of such a first plan's `scales`.
        """
        plan = StaticPlan()
        for index, node in enumerate(self.nodes):
            if choice.asks(node):
                waste = "kept" if node.name in choice.keep else ""
                why = waste or self.obstacle(node) or self._waste(node, choice.least_terms(node))
                plan.why.update({index: why} if why else {})
                plan.units.update(() if why else (index,))
        plan.biased.update((index, after) for index in plan.units if (after := self._bias_after(index)) is not None)
        self._absorb(plan, plan.units, ranges)
        self._settle(plan, ranges)
        self._carry(plan, ranges)
        self._prune(plan)
        return plan

    def obstacle(self, node: NodeProto) -> str:
        """Return why `node` cannot compute in static int8, or nothing."""
        if node.op_type not in COMPUTE or not is_standard(node):
            return "onnxruntime has no static int8 kernel for it"
        if self._opset < MIN_OPSET:
            return f"needs opset {MIN_OPSET}, the model has {self._opset}"
        weight = self.constants.get(node.input[1])
        if node.input[1] in self._dequantized:
            return "its weight is quantized already"
        if weight is None or weight.data_type != TensorProto.FLOAT or len(weight.dims) < 2:
            return "its weight is no constant float32 matrix"
        if not np.isfinite(to_array(weight)).all():
            return "its weight holds NaN or infinity"
        if node.input[0] not in self._computed:
            return "its input is constant"
        return self._bias_obstacle(node, weight)

    def _waste(self, node: NodeProto, min_terms: int) -> str:
        weight = self.constants[node.input[1]]
        terms = elements(weight) // max(1, weight.dims[_channel_axis(node, weight)])
        return f"dot products of {terms} terms gain nothing from int8" if terms < min_terms else ""

    def _bias_obstacle(self, node: NodeProto, weight: TensorProto) -> str:
        if int_attribute(node, "transA", 0):
            return "its first operand is transposed"
        name = input_name(node, 2)
        if not name:
            return ""
        bias = self.constants.get(name)
        if bias is None or bias.data_type != TensorProto.FLOAT or not np.isfinite(to_array(bias)).all():
            return "its bias is no constant float32 vector"
        width = weight.dims[_channel_axis(node, weight)]
        is_vector = elements(bias) in (1, width) and elements(bias) == max(bias.dims, default=1)
        return "" if is_vector else "its bias is a matrix"

    def output(self, plan: StaticPlan, index: int) -> str:
        """Return what a quantized node gives after the activation it absorbed."""
        return self.nodes[plan.last(index)].output[0]

    def bias(self, plan: StaticPlan, index: int) -> str:
        """Return the name of a unit's constant bias, empty where it has none."""
        if index not in plan.biased:
            return input_name(self.nodes[index], 2)
        after = self.nodes[plan.biased[index]]
        return next(name for name in after.input if name in self.constants)

    def _known(self, tensor: str, ranges: Mapping[str, Range] | None) -> bool:
        return ranges is None or tensor in ranges

    def remark(self, index: int) -> str:
        """Return what keeps a unit from its full speed, or nothing."""
        after = self._only_reader(index)
        if after is None or self.nodes[after].op_type != "BatchNormalization":
            return ""
        return "the BatchNormalization after it stays in floating point; optimize the graph first to fold it"

    def _only_reader(self, index: int) -> int | None:
        """The node that alone reads the output of the node at `index`."""
        output = self.nodes[index].output[0]
        readers = self._readers.get(output, [])
        if output in self._outputs or len(readers) != 1:
            return None
        return self._index.get(id(readers[0].node))

    def _bias_after(self, index: int) -> int | None:
        """The `Add` of a vector that onnxruntime would make of `MatMul` a `Gemm` with, integer or not."""
        node, after = self.nodes[index], self._only_reader(index)
        if node.op_type != "MatMul" or after is None:
            return None
        if self.nodes[after].op_type != "Add" or not is_standard(self.nodes[after]):
            return None
        weight = self.constants[node.input[1]]
        found = [self.constants[name] for name in self.nodes[after].input if name in self.constants]
        if len(found) != 1 or len(weight.dims) != 2 or list(found[0].dims) != [weight.dims[1]]:
            return None
        return after if np.isfinite(to_array(found[0])).all() else None

    def _absorb(self, plan: StaticPlan, indices: Collection[int], ranges: Mapping[str, Range] | None) -> None:
        for index in indices:
            after = self._only_reader(plan.last(index))
            if after is None or not self._saturates(self.nodes[after]):
                continue
            if self._known(self.nodes[after].output[0], ranges):
                plan.absorbed[index] = after

    def _saturates(self, node: NodeProto) -> bool:
        """Tell whether rounding to the calibrated range, which holds zero, does what `node` does."""
        if not is_standard(node) or node.op_type not in ("Relu", "Clip"):
            return False
        if node.op_type == "Relu":
            return True
        low, high = (self._scalar(input_name(node, index)) for index in (1, 2))
        return low is not None and high is not None and low <= 0.0 <= high

    def _scalar(self, name: str) -> float | None:
        tensor = self.constants.get(name)
        return None if tensor is None or elements(tensor) != 1 else float(to_array(tensor).reshape(()))

    def _settle(self, plan: StaticPlan, ranges: Mapping[str, Range] | None) -> None:
        """Keep the units whose activations have ranges; the output of a product may do without one."""
        for index in sorted(plan.units):
            node, output = self.nodes[index], self.output(plan, index)
            known = self._known(output, ranges)
            if self._known(node.input[0], ranges) and (known or node.op_type != "Conv"):
                plan.scales[node.input[0]] = node.input[0]
                plan.scales.update({output: output} if known else {})
            else:
                plan.units.discard(index)
                plan.absorbed.pop(index, None)
                plan.biased.pop(index, None)
                plan.why[index] = "its activations are not all finite"

    def _carry(self, plan: StaticPlan, ranges: Mapping[str, Range] | None) -> None:
        """Extend the quantized tensors forward, through what can pass them on."""
        taken = plan.merged
        for index, node in enumerate(self.nodes):
            if index in plan.units or index in taken or not is_standard(node) or len(node.output) != 1:
                continue
            if _moves(node) and node.input and node.input[0] in plan.scales:
                if self._known(node.output[0], ranges):
                    plan.carriers.add(index)
                    plan.scales[node.output[0]] = plan.scales[node.input[0]]
            elif node.op_type in MIXERS and self._mixes(node, plan, ranges):
                self._absorb(plan, [index], ranges)
                taken = plan.merged
                plan.carriers.add(index)
                plan.scales.setdefault(self.output(plan, index), self.output(plan, index))

    def _mixes(self, node: NodeProto, plan: StaticPlan, ranges: Mapping[str, Range] | None) -> bool:
        operands = node.input[MIXERS[node.op_type]]
        return all(name in plan.scales for name in operands) and self._known(node.output[0], ranges)

    def _prune(self, plan: StaticPlan) -> None:
        """Take back carriers, and scales of products, that no unit profits from."""
        for index in reversed(range(len(self.nodes))):
            if index not in plan.quantized:
                continue
            output = self.output(plan, index)
            if any(self._reads_int8(use, plan) for use in self._readers.get(output, [])):
                continue
            plan.carriers.discard(index)
            if self.nodes[index].op_type != "Conv":
                plan.absorbed.pop(index, None)
                plan.scales.pop(output, None)

    def _reads_int8(self, use: Use, plan: StaticPlan) -> bool:
        index = self._index.get(id(use.node))
        return index is not None and index in plan.quantized


def _channel_axis(node: NodeProto, weight: TensorProto) -> int:
    """The axis of the weight that runs over output channels."""
    if node.op_type == "MatMul":
        return len(weight.dims) - 1
    return 0 if node.op_type == "Conv" or int_attribute(node, "transB", 0) else 1


def _moves(node: NodeProto) -> bool:
    """Tell whether every value of the output lies between values of the first input."""
    if node.op_type != "Resize":
        return node.op_type in MOVERS
    mode, place = attribute(node, "mode"), attribute(node, "coordinate_transformation_mode")
    overshoots = mode is not None and mode.s == b"cubic"
    return not overshoots and (place is None or place.s != b"tf_crop_and_resize")
