"""Linear operators as matrices: which axes of a constant weight run over input and over output channels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from onnx import NodeProto, TensorProto

from ...onnx_model import elements, is_standard, to_array
from ..graphs import input_name, int_attribute
from ..rounding import FloatArray

Constants = Mapping[str, TensorProto]

# (domain, operator) whose weight is a matrix that meets the last axis of the first input.
_ROWS = frozenset({("", "MatMul"), ("", "Gemm"), ("com.microsoft", "Attention")})


@dataclass(frozen=True)
class Matrix:
    """A linear node with a constant weight.

    Reshaped to `view`, the weight has its groups on axis 0 and its input and output channels of a group on the axes
    named; channels are counted through all groups.

    Attributes:
        weight: name of the initializer.
        bias: name of the constant bias of one value per output channel, empty where the node has none.
        channel_axis: axis of its input and output that runs over channels: 1, or −1 for the last.
        rank: dimensions of the weight, and of input and output where the channel axis is 1.
    """

    node: NodeProto
    weight: str
    bias: str
    view: tuple[int, int, int, int]
    input_axis: int
    output_axis: int
    channel_axis: int
    rank: int

    @property
    def inputs(self) -> int:
        """Input channels."""
        return self.view[0] * self.view[self.input_axis]

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.view[0] * self.view[self.output_axis]

    @property
    def multiplications(self) -> int:
        """Products for one place of the output, all channels together."""
        return math.prod(self.view)

    def input_peaks(self, weight: FloatArray) -> FloatArray:
        """Return the largest magnitude that each input channel meets."""
        return self._peaks(weight, self.input_axis)

    def output_peaks(self, weight: FloatArray) -> FloatArray:
        """Return the largest magnitude of each output channel."""
        return self._peaks(weight, self.output_axis)

    def _peaks(self, weight: FloatArray, axis: int) -> FloatArray:
        others = tuple(each for each in (1, 2, 3) if each != axis)
        return np.max(np.abs(weight.reshape(self.view)), axis=others).reshape(-1)

    def scale_inputs(self, weight: FloatArray, factors: FloatArray) -> FloatArray:
        """Return the weight with each input channel multiplied."""
        return self._scaled(weight, factors, self.input_axis)

    def scale_outputs(self, weight: FloatArray, factors: FloatArray) -> FloatArray:
        """Return the weight with each output channel multiplied."""
        return self._scaled(weight, factors, self.output_axis)

    def _scaled(self, weight: FloatArray, factors: FloatArray, axis: int) -> FloatArray:
        shape = [self.view[0], 1, 1, 1]
        shape[axis] = self.view[axis]
        return (weight.reshape(self.view) * factors.reshape(shape)).reshape(weight.shape).astype(np.float32)

    @property
    def is_depthwise(self) -> bool:
        """Whether each output channel reads one input channel."""
        return self.view[0] > 1 and self.view[self.input_axis] == 1


def matrix_of(node: NodeProto, constants: Constants) -> Matrix | None:
    """Return `node` as a matrix; None where it is none with a finite, constant float32 weight.

    A `Gemm` whose third input is no constant of one value per channel is none either.
    """
    weight = constants.get(input_name(node, 1))
    if weight is None or weight.data_type != TensorProto.FLOAT or not elements(weight):
        return None
    found = _shaped(node, weight)
    if found is None or not np.isfinite(to_array(weight)).all():
        return None
    bias = input_name(node, 2) if node.op_type != "MatMul" else ""
    if bias and not _is_vector(constants.get(bias), found.outputs):
        return None
    return replace(found, weight=weight.name, bias=bias)


def _shaped(node: NodeProto, weight: TensorProto) -> Matrix | None:
    dims, kind = list(weight.dims), (node.domain if not is_standard(node) else "", node.op_type)
    if kind in (("", "Conv"), ("", "ConvTranspose")) and len(dims) >= 3:
        groups = int_attribute(node, "group", 1)
        if groups < 1 or dims[0] % groups:
            return None
        view = (groups, dims[0] // groups, dims[1], math.prod(dims[2:]))
        axes = (2, 1) if node.op_type == "Conv" else (1, 2)
        return Matrix(node, "", "", view, *axes, 1, len(dims))
    if kind not in _ROWS or len(dims) != 2 or int_attribute(node, "transA", 0):
        return None
    axes = (2, 1) if node.op_type == "Gemm" and int_attribute(node, "transB", 0) else (1, 2)
    return Matrix(node, "", "", (1, dims[0], dims[1], 1), *axes, -1, 2)


def _is_vector(tensor: TensorProto | None, width: int) -> bool:
    if tensor is None or tensor.data_type != TensorProto.FLOAT:
        return False
    is_flat = elements(tensor) == width and max(tensor.dims, default=1) == width
    return is_flat and bool(np.isfinite(to_array(tensor)).all())
