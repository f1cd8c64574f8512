"""Convolutions, also grouped and transposed ones, and products with a constant matrix, as layers to fit.

Rows are spread evenly over the positions of a sample. A layer whose output only an addition reads is fitted to what
the sum should be less what the student's other summand is, so that it makes up for what that one lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto, helper

from ..onnx_model import is_standard
from ..quantize.graphs import attribute, float_attribute, int_attribute
from ..quantize.rounding import FloatArray
from ..quantize.weight_inputs import some_windows
from .biases import Bias
from .layers import Pair, Values
from .least_squares import Rows, Weight
from .padding import Real, picked

_SPATIAL = ("Conv", "ConvTranspose")
LINEAR = (*_SPATIAL, "Gemm", "MatMul")


@dataclass(frozen=True)
class Sum:
    """The addition that alone reads a layer's output: its tensor, and the other summand."""

    tensor: str
    other: str


class LinearLayer:
    """See `layers.Layer`.

    Args:
        pair: the two models.
        node: of the student, `can_be_fitted`.
        bias: where its bias is.
        total: what its output is added to, and alone.
    """

    def __init__(self, pair: Pair, node: NodeProto, bias: Bias | None, total: Sum | None) -> None:
        self.node, self._editor, self._bias, self._total = node, pair.editor, bias, total
        self._cut_down = pair.cut_down
        self._groups = int_attribute(node, "group", 1) if node.op_type in _SPATIAL else 1
        self._shape = pair.editor.values(node.input[1]).shape
        self.given: tuple[str, ...] = (node.input[0],)
        self.known: tuple[str, ...] = (total.other,) if total else ()
        self.wanted: tuple[str, ...] = (total.tensor if total else bias.output if bias else node.output[0],)

    def rows(self, student: Values, teacher: Values, limit: int, real: Real | None) -> list[Rows]:
        """Return at most `limit` positions of one sample."""
        (name,) = self.wanted
        wanted = self._cut_down(name, teacher[name])
        if self._total:
            wanted = wanted - student[self._total.other]
        spatial = self.node.op_type in _SPATIAL
        last = np.moveaxis(wanted, 1, -1) if spatial else wanted
        flat = last.reshape(-1, self._groups, last.shape[-1] // self._groups)
        of_these = picked(len(flat), limit, None if spatial else real)
        return [Rows(self._read(student[self.given[0]], limit, real), flat[of_these].swapaxes(0, 1))]

    def _read(self, value: FloatArray, limit: int, real: Real | None) -> FloatArray:
        """Return what the weight is multiplied with, `(groups, positions, columns)`."""
        node = self.node
        if node.op_type not in _SPATIAL:
            turned = value.swapaxes(-1, -2) if int_attribute(node, "transA", 0) else value
            flat = turned.reshape(-1, turned.shape[-1])
            return flat[None, picked(len(flat), limit, real)]
        kernel = self._shape[2:]
        if node.op_type == "ConvTranspose":
            value, node = _spread(value, node, kernel)
        found = some_windows(value, node, kernel, limit)
        return np.asarray(found.reshape(len(found), self._groups, -1).swapaxes(0, 1))

    def weights(self) -> list[Weight]:
        """Return the weight as it is."""
        rows = self._as_rows(self._editor.values(self.node.input[1]))
        bias = self._bias.values(self._editor).reshape(self._groups, -1) if self._bias else None
        return [Weight(rows, bias)]

    def write(self, weights: Sequence[Weight]) -> None:
        """Write another one in its place."""
        (weight,) = weights
        self._editor.change(self.node, 1, lambda _: np.ascontiguousarray(self._from_rows(weight.rows)))
        if self._bias and weight.bias is not None:
            self._bias.write(self._editor, weight.bias.reshape(-1))

    def _as_rows(self, weight: FloatArray) -> FloatArray:
        groups, rest = self._groups, self._shape[1:]
        if self.node.op_type == "Conv":
            return weight.reshape(groups, len(weight) // groups, -1)
        if self.node.op_type == "ConvTranspose":
            split = _flipped(weight).reshape(groups, len(weight) // groups, *rest).swapaxes(1, 2)
            return split.reshape(groups, rest[0], -1)
        return (weight if int_attribute(self.node, "transB", 0) else weight.T)[None]

    def _from_rows(self, rows: FloatArray) -> FloatArray:
        groups, rest = self._groups, self._shape[1:]
        if self.node.op_type == "Conv":
            return rows.reshape(self._shape)
        if self.node.op_type == "ConvTranspose":
            split = rows.reshape(groups, rest[0], self._shape[0] // groups, *rest[1:]).swapaxes(1, 2)
            return _flipped(split.reshape(self._shape))
        return rows[0] if int_attribute(self.node, "transB", 0) else rows[0].T


def can_be_fitted(node: NodeProto, pair: Pair) -> bool:
    """Tell whether the node is one of these, with a constant weight that nothing else reads."""
    if node.op_type not in LINEAR or not is_standard(node) or len(node.input) < 2:
        return False
    weight = pair.editor.tensors.get(node.input[1])
    if weight is None or weight.data_type != TensorProto.FLOAT or pair.editor.readers(node.input[1]) != 1:
        return False
    if node.op_type == "Gemm":
        return all(float_attribute(node, name, 1.0) == 1.0 for name in ("alpha", "beta"))
    if node.op_type == "ConvTranspose" and (attribute(node, "output_shape") or attribute(node, "auto_pad")):
        return False
    return len(weight.dims) == 2 if node.op_type == "MatMul" else len(weight.dims) > 2


def channels_of(node: NodeProto, pair: Pair) -> int:
    """Return how many outputs the layer has."""
    shape = pair.editor.tensors[node.input[1]].dims
    if node.op_type == "ConvTranspose":
        return int(shape[1]) * int_attribute(node, "group", 1)
    if node.op_type == "Conv" or int_attribute(node, "transB", 0):
        return int(shape[0])
    return int(shape[1])


def _flipped(weight: FloatArray) -> FloatArray:
    return np.asarray(np.flip(weight, tuple(range(2, weight.ndim))))


def _spread(value: FloatArray, node: NodeProto, kernel: tuple[int, ...]) -> tuple[FloatArray, NodeProto]:
    """Return input and attributes of the plain convolution that a transposed one is, with zeros between its inputs."""
    rank = len(kernel)
    strides, dilations = _ints(node, "strides", rank, 1), _ints(node, "dilations", rank, 1)
    pads, extra = _ints(node, "pads", 2 * rank, 0), _ints(node, "output_padding", rank, 0)
    sizes = [(size - 1) * step + 1 for size, step in zip(value.shape[2:], strides, strict=True)]
    spread = np.zeros((*value.shape[:2], *sizes), value.dtype)
    steps = [slice(None, None, step) for step in strides]
    spread[(slice(None), slice(None), *steps)] = value
    spans = [(size - 1) * step for size, step in zip(kernel, dilations, strict=True)]
    around = [
        (span - before, span - after + more)
        for span, before, after, more in zip(spans, pads[:rank], pads[rank:], extra, strict=True)
    ]
    padded = np.pad(spread, [(0, 0), (0, 0), *((max(0, first), max(0, last)) for first, last in around)])
    cropped = (slice(None), slice(None), *(slice(max(0, -first), min(0, last) or None) for first, last in around))
    return padded[cropped], helper.make_node("Conv", ["x", "w"], ["y"], dilations=list(dilations))


def _ints(node: NodeProto, name: str, size: int, default: int) -> tuple[int, ...]:
    found = attribute(node, name)
    return tuple(found.ints) if found is not None and found.ints else (default,) * size
