"""Find inner channels: those that one convolution gives and only one other reads.

Whatever stands between the two must treat each channel by itself, so that a channel can go without a trace: the first
convolution loses a row of its weight, what stands between loses its constants, the second loses the columns that read
it. No other width of the model changes. The channels of a residual stream are no inner ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto

from ..onnx_model import elements, is_standard
from ..quantize.graphs import Use, fixed_initializers, int_attribute, uses

# Operators of one activation whose channels do not mix; further inputs are scalars or left out.
_ALONE = frozenset(
    {"Relu", "Clip", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus",
     "Softsign", "Mish", "Gelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity"}
)  # fmt: skip
_NORMAL = "BatchNormalization"


@dataclass(frozen=True)
class InnerChannels:
    """The channels between two convolutions.

    Attributes:
        maker, reader: the convolutions.
        between: what stands between them, in order.
        constants: initializers that have an element, or a first axis, for each channel.
        tensor: what the reader reads.
        count: number of channels.
    """

    maker: NodeProto
    reader: NodeProto
    between: tuple[NodeProto, ...]
    constants: tuple[str, ...]
    tensor: str
    count: int


def inner_channels(model: ModelProto) -> list[InnerChannels]:
    """Return all inner channels of the main graph, in its order; what a caller or a subgraph sees is none."""
    finder = _Finder(model)
    return [found for node in finder.nodes if (found := finder.after(node)) is not None]


class _Finder:
    def __init__(self, model: ModelProto) -> None:
        graph = model.graph
        self._fixed: Mapping[str, TensorProto] = fixed_initializers(graph)
        self._uses = uses(graph)
        self.nodes = list(graph.node)  # nodes are known by identity, which holds only while somebody holds them
        self._own = {id(node) for node in self.nodes}
        self._outputs = {each.name for each in graph.output}

    def after(self, node: NodeProto) -> InnerChannels | None:
        """Return the inner channels that `node` gives, if it does."""
        weight = self._weight(node)
        if weight is None:
            return None
        constants = [each for each in node.input[1:3] if each]
        between: list[NodeProto] = []
        tensor = node.output[0]
        while (reader := self._only_reader(tensor)) is not None and self._passes(reader):
            constants += reader.input[1:] if reader.op_type == _NORMAL else ()
            between.append(reader)
            tensor = reader.output[0]
        if reader is None or self._weight(reader) is None or reader.input[0] != tensor:
            return None
        if not all(self._is_own(name) for name in constants):
            return None
        return InnerChannels(node, reader, tuple(between), tuple(constants), tensor, weight.dims[0])

    def _weight(self, node: NodeProto) -> TensorProto | None:
        """Return the weight of a convolution that mixes all its channels, and whose constants nothing else reads."""
        if node.op_type != "Conv" or not is_standard(node) or int_attribute(node, "group", 1) != 1:
            return None
        if not all(self._is_own(name) for name in node.input[1:3] if name):
            return None
        return self._fixed[node.input[1]]

    def _is_own(self, name: str) -> bool:
        found = self._fixed.get(name)
        return found is not None and found.data_type == TensorProto.FLOAT and len(self._uses.get(name, ())) == 1

    def _only_reader(self, tensor: str) -> NodeProto | None:
        found: list[Use] = self._uses.get(tensor, [])
        if len(found) != 1 or tensor in self._outputs or id(found[0].node) not in self._own or found[0].index != 0:
            return None
        return found[0].node

    def _passes(self, node: NodeProto) -> bool:
        if not is_standard(node) or len([each for each in node.output if each]) != 1:
            return False
        if node.op_type == _NORMAL:
            return not int_attribute(node, "training_mode", 0) and all(map(self._is_own, node.input[1:]))
        return node.op_type in _ALONE and all(name in self._fixed for name in node.input[1:] if name)


def inner_share(model: ModelProto) -> float:
    """Return the share of all weights' elements that read inner channels or give them."""
    total = sum(map(elements, model.graph.initializer))
    names = {name for each in inner_channels(model) for name in (each.maker.input[1], each.reader.input[1])}
    return sum(elements(each) for each in model.graph.initializer if each.name in names) / max(total, 1)
