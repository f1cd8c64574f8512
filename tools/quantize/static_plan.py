"""Decide which nodes compute in int8 and which tensors are quantized, before any node is written.

A unit is a `Conv`, `Gemm` or `MatMul` with constant weights, or a `MatMul` of two activations that is asked for by
name. What follows a unit may compute in 8 bits too (`carry`). A `Relu` or `Clip` after a quantized node disappears in
the saturation of that node's output, a `HardSigmoid` after a unit in its weights and bias.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from ...contracts import QuantizeStep
from ..onnx_model import elements, is_standard, opset, to_array
from .carriers import is_hard, is_mover, operands, rescaling
from .carry import carry
from .clipping import Range
from .graphs import fixed_initializers, input_name, int_attribute, uses

COMPUTE = ("Conv", "Gemm", "MatMul")
MIN_OPSET = 10
# Whatever else they do, the second axis is as long after them as before.
KEEP_CHANNELS = frozenset(
    {"Relu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "LeakyRelu", "BatchNormalization", "MaxPool",
     "AveragePool", "GlobalAveragePool"}
)  # fmt: skip


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
        self.opset = opset(model)
        self._index = {id(node): index for index, node in enumerate(self.nodes)}
        self._uses = uses(model.graph)
        self._makers = {name: index for index, node in enumerate(self.nodes) for name in node.output}
        self._dequantized = {node.output[0] for node in self.nodes if node.op_type == "DequantizeLinear"}
        self.outputs = {each.name for each in model.graph.output}
        found = {index: rescaling(node, self.constants) for index, node in enumerate(self.nodes)}
        self.rescalings = {index: each for index, each in found.items() if each is not None}
        self._inputs = {each.name for each in model.graph.input}

    def plan(self, choice: StaticChoice, ranges: Mapping[str, Range] | None = None) -> StaticPlan:
        """Return the plan for the operators asked for; without `ranges` every activation counts as calibrated.

        The tensors to calibrate are the keys and values of such a first plan's `scales`.
        """
        plan = StaticPlan()
        for index, node in enumerate(self.nodes):
            if choice.asks(node) and not self._can_carry(index):
                why = self._against(node, choice)
                plan.why.update({index: why} if why else {})
                plan.units.update(() if why else (index,))
        plan.biased.update((index, after) for index in plan.units if (after := self._bias_after(index)) is not None)
        for index in sorted(plan.units):
            self.absorb(plan, index, ranges)
        self._settle(plan, ranges)
        carry(self, plan, choice.keep, choice.named, ranges)
        for index in (index for index, node in enumerate(self.nodes) if choice.asks(node) and self._can_carry(index)):
            if index not in plan.carriers:
                plan.why[index] = "no 8 bits reach it, or none are of use after it"
        return plan

    def named_carriers(self, plan: StaticPlan, choice: StaticChoice) -> set[int]:
        """Return the carriers that were asked for by name."""
        return {index for index in plan.carriers if self.nodes[index].name in choice.named}

    def _can_carry(self, index: int) -> bool:
        node = self.nodes[index]
        return index in self.rescalings or is_mover(node) or bool(operands(node))

    def _against(self, node: NodeProto, choice: StaticChoice) -> str:
        if node.name in choice.keep:
            return "kept"
        return self.obstacle(node, node.name in choice.named) or self._waste(node, choice.least_terms(node))

    def obstacle(self, node: NodeProto, named: bool = False) -> str:
        """Return why `node` cannot compute in static int8, or nothing; `named` ones may multiply two activations."""
        if node.op_type not in COMPUTE or not is_standard(node):
            return "onnxruntime has no static int8 kernel for it"
        if self.opset < MIN_OPSET:
            return f"needs opset {MIN_OPSET}, the model has {self.opset}"
        weight = self.constants.get(node.input[1])
        if node.input[1] in self._dequantized:
            return "its weight is quantized already"
        if named and self.multiplies_activations(node):
            return ""
        if weight is None or weight.data_type != TensorProto.FLOAT or len(weight.dims) < 2:
            return "its weight is no constant float32 matrix"
        if not np.isfinite(to_array(weight)).all():
            return "its weight holds NaN or infinity"
        if not self.computed(node.input[0]):
            return "its input is constant"
        return self._bias_obstacle(node, weight)

    def computed(self, tensor: str) -> bool:
        """Tell whether a node gives the tensor or a caller feeds it: it can be quantized where it arises."""
        return tensor in self._makers or tensor in self._inputs

    def multiplies_activations(self, node: NodeProto) -> bool:
        """Tell whether `node` is a `MatMul` that holds no weight."""
        return node.op_type == "MatMul" and is_standard(node) and all(self.computed(name) for name in node.input)

    def activations(self, node: NodeProto) -> list[str]:
        """Return the inputs of a unit that are quantized as activations."""
        return list(node.input[:2] if self.multiplies_activations(node) else node.input[:1])

    def maker(self, tensor: str) -> int | None:
        """Return the index of the node that gives the tensor; None where a caller feeds it or it is constant."""
        return self._makers.get(tensor)

    def readers(self, tensor: str) -> list[int | None]:
        """Return the indices of the nodes that read the tensor; None stands for one in a subgraph or a caller."""
        found = [self._index.get(id(use.node)) for use in self._uses.get(tensor, [])]
        return [*found, None] if tensor in self.outputs else found

    def _waste(self, node: NodeProto, min_terms: int) -> str:
        if node.input[1] not in self.constants:
            return ""
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

    def remark(self, index: int) -> str:
        """Return what keeps a unit from its full speed, or nothing."""
        after = self.only_reader(self.nodes[index].output[0])
        if after is None:
            return ""
        node = self.nodes[after]
        if node.op_type == "BatchNormalization":
            return "the BatchNormalization after it stays in floating point; optimize the graph first to fold it"
        if node.op_type in ("Mul", "Add") and any(self._scalar(name) is not None for name in node.input):
            return f"the {node.op_type} of a constant after it stays in floating point; optimize the graph first"
        return ""

    def channels(self, tensor: str) -> int:
        """Return how many channels the output of a convolution has, followed through what keeps them; 0 if unknown."""
        index = self.maker(tensor)
        while index is not None:
            node = self.nodes[index]
            if node.op_type == "Conv":
                weight = self.constants.get(node.input[1])
                return 0 if weight is None else weight.dims[0]
            if not is_standard(node) or node.op_type not in KEEP_CHANNELS:
                return 0
            index = self.maker(node.input[0])
        return 0

    def seen_inside(self) -> set[str]:
        """Return what subgraphs read of the graph around them."""
        return {
            name
            for name, found in self._uses.items()
            if any(use.index < 0 or id(use.node) not in self._index for use in found)
        }

    def only_reader(self, tensor: str) -> int | None:
        """Return the index of the node that alone reads the tensor."""
        found = self.readers(tensor)
        return found[0] if len(found) == 1 else None

    def _bias_after(self, index: int) -> int | None:
        """The `Add` of a vector that onnxruntime would make of `MatMul` a `Gemm` with, integer or not."""
        node, after = self.nodes[index], self.only_reader(self.nodes[index].output[0])
        if node.op_type != "MatMul" or after is None or self.multiplies_activations(node):
            return None
        if self.nodes[after].op_type != "Add" or not is_standard(self.nodes[after]):
            return None
        weight = self.constants[node.input[1]]
        found = [self.constants[name] for name in self.nodes[after].input if name in self.constants]
        if len(found) != 1 or len(weight.dims) != 2 or list(found[0].dims) != [weight.dims[1]]:
            return None
        return after if np.isfinite(to_array(found[0])).all() else None

    def absorb(self, plan: StaticPlan, index: int, ranges: Mapping[str, Range] | None) -> None:
        """Take what follows the node at `index` into it, where rounding to a range does the same."""
        after = self.only_reader(self.output(plan, index))
        if after is None or not known(self.nodes[after].output[0], ranges):
            return
        if self._saturates(self.nodes[after]) or (index in plan.units and self._is_gate_of(index, after, plan)):
            plan.absorbed[index] = after

    def _saturates(self, node: NodeProto) -> bool:
        """Tell whether rounding to the calibrated range, which holds zero, does what `node` does."""
        if not is_standard(node) or node.op_type not in ("Relu", "Clip"):
            return False
        if node.op_type == "Relu":
            return True
        low, high = (self._scalar(input_name(node, index)) for index in (1, 2))
        return low is not None and high is not None and low <= 0.0 <= high

    def _is_gate_of(self, index: int, after: int, plan: StaticPlan) -> bool:
        """Tell whether `after` is a `HardSigmoid`, whose line the weights and the bias of the unit can take in."""
        if self.nodes[after].op_type != "HardSigmoid" or not is_hard(self.nodes[after]):
            return False
        return self.nodes[index].op_type != "MatMul" or index in plan.biased

    def _scalar(self, name: str) -> float | None:
        tensor = self.constants.get(name)
        return None if tensor is None or elements(tensor) != 1 else float(to_array(tensor).reshape(()))

    def _settle(self, plan: StaticPlan, ranges: Mapping[str, Range] | None) -> None:
        """Keep the units whose activations have ranges; the output of a product may do without one."""
        for index in sorted(plan.units):
            node, output = self.nodes[index], self.output(plan, index)
            has_output, inputs = known(output, ranges), self.activations(node)
            if all(known(name, ranges) for name in inputs) and (has_output or node.op_type != "Conv"):
                plan.scales.update({name: name for name in inputs})
                plan.scales.update({output: output} if has_output else {})
            else:
                plan.units.discard(index)
                plan.absorbed.pop(index, None)
                plan.biased.pop(index, None)
                plan.why[index] = "its activations are not all finite"


def known(tensor: str, ranges: Mapping[str, Range] | None) -> bool:
    """Tell whether the tensor has a range; before calibration all count as having one."""
    return ranges is None or tensor in ranges


def _channel_axis(node: NodeProto, weight: TensorProto) -> int:
    """The axis of the weight that runs over output channels."""
    if node.op_type == "MatMul":
        return len(weight.dims) - 1
    return 0 if node.op_type == "Conv" or int_attribute(node, "transB", 0) else 1
