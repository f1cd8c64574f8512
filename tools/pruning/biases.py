"""Where the bias of a layer is: at its own third input, or in an addition that alone reads its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from ..onnx_model import is_standard
from ..quantize.graphs import Use, input_name
from ..quantize.recovery.editor import Editor
from ..quantize.rounding import FloatArray


@dataclass(frozen=True)
class Bias:
    """The place of a layer's bias.

    Attributes:
        node, index: what reads it, or would.
        output: the tensor that it has been added to.
        channels: outputs of the layer.
    """

    node: NodeProto
    index: int
    output: str
    channels: int

    def values(self, editor: Editor) -> FloatArray:
        """Return it, `(channels,)`; zeros where there is none yet."""
        if not (name := input_name(self.node, self.index)):
            return np.zeros(self.channels, np.float32)
        return np.broadcast_to(editor.values(name).reshape(-1), (self.channels,)).astype(np.float32)

    def write(self, editor: Editor, values: FloatArray) -> None:
        """Write another one in its place."""
        if not input_name(self.node, self.index):
            self.node.input[self.index :] = [editor.add(f"{self.node.input[1]}_bias", values)]
            return
        editor.change(self.node, self.index, lambda old: values.reshape(*old.shape[:-1], self.channels))


def bias_of(node: NodeProto, channels: int, editor: Editor, uses: Mapping[str, Sequence[Use]]) -> Bias | None:
    """Return where the bias of a layer is; None where it has no place, or one that another value is at."""
    if node.op_type != "MatMul":
        return Bias(node, 2, node.output[0], channels) if _fits(input_name(node, 2), channels, editor) else None
    reader = only_addition(node.output[0], uses)
    if reader is None:
        return None
    index = 1 - list(reader.input).index(node.output[0])
    name = reader.input[index]
    if not name or name == node.output[0] or not _fits(name, channels, editor):
        return None
    return Bias(reader, index, reader.output[0], channels)


def only_addition(tensor: str, uses: Mapping[str, Sequence[Use]]) -> NodeProto | None:
    """Return the addition that alone reads `tensor`."""
    found = uses.get(tensor, [])
    if len(found) != 1 or found[0].node.op_type != "Add" or not is_standard(found[0].node) or found[0].index < 0:
        return None
    return found[0].node


def _fits(name: str, channels: int, editor: Editor) -> bool:
    if not name:
        return True
    found = editor.tensors.get(name)
    return found is not None and all(each == 1 for each in found.dims[:-1]) and list(found.dims[-1:]) == [channels]
