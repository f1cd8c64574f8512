"""Operators that multiply by stored weights, and how a scale and a shift before or after them move into the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, helper

from ..onnx_model import is_standard
from ..quantize.graphs import float_attribute, int_attribute
from .affine import Affine, along
from .scope import Scope

LINEAR = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True)
class Linear:
    """A node with its weights, in double precision and in one form whatever the operator.

    Attributes:
        node: Conv, ConvTranspose, Gemm or MatMul; the data come first and the weights second.
        weight: [groups, outputs of a group, inputs of a group, positions of the kernel].
        bias: one number per output, or None where there is none.
        rank: dimensions of the data, None where unknown.
        axis: of the channels in the data, from the end.
        kernel: the node's own shape of the weights.
    """

    node: NodeProto
    weight: np.ndarray
    bias: np.ndarray | None
    rank: int | None
    axis: int
    kernel: tuple[int, ...]

    @property
    def outputs(self) -> int:
        """Channels that come out."""
        return int(self.weight.shape[0] * self.weight.shape[1])

    @property
    def inputs(self) -> int:
        """Channels that go in."""
        return int(self.weight.shape[0] * self.weight.shape[2])

    @property
    def padded(self) -> bool:
        """Whether zeros may stand beside the data, or positions get unequal shares of them."""
        if self.node.op_type in {"Gemm", "MatMul"}:
            return False
        values = {each.name: each for each in self.node.attribute}
        mode = values["auto_pad"].s.decode() if "auto_pad" in values else "NOTSET"
        if self.node.op_type == "ConvTranspose" or mode.startswith("SAME"):
            return True
        return mode == "NOTSET" and "pads" in values and any(values["pads"].ints)

    @property
    def pointwise(self) -> bool:
        """Whether each position comes from one position alone, in the same place."""
        if self.node.op_type in {"Gemm", "MatMul"}:
            return True
        strides = [value for each in self.node.attribute if each.name == "strides" for value in each.ints]
        return self.node.op_type == "Conv" and self.weight.shape[3] == 1 and not self.padded and set(strides) <= {1}

    def after(self, affine: Affine) -> Linear | None:
        """Return this followed by `affine`, or None where it cannot hold that."""
        scale = along(affine.scale, self.rank, self.axis, self.outputs)
        shift = along(affine.shift, self.rank, self.axis, self.outputs)
        if scale is None or shift is None or (self.node.op_type == "MatMul" and shift.any()):
            return None
        weight = self.weight * scale.reshape(*self.weight.shape[:2], 1, 1)
        bias = (
            None if self.bias is None and not shift.any() else (0 if self.bias is None else self.bias * scale) + shift
        )
        return self._with(weight, bias)

    def before(self, affine: Affine) -> Linear | None:
        """Return `affine` followed by this, or None where it cannot hold that."""
        scale = along(affine.scale, self.rank, self.axis, self.inputs)
        shift = along(affine.shift, self.rank, self.axis, self.inputs)
        if scale is None or shift is None or (shift.any() and (self.padded or self.node.op_type == "MatMul")):
            return None
        groups, _, inputs, _ = self.weight.shape
        weight = self.weight * scale.reshape(groups, 1, inputs, 1)
        bias = self.bias
        if shift.any():
            moved = np.einsum("goik,gi->go", self.weight, shift.reshape(groups, inputs)).reshape(-1)
            bias = moved if bias is None else bias + moved
        return self._with(weight, bias)

    def _with(self, weight: np.ndarray, bias: np.ndarray | None) -> Linear | None:
        limit = float(np.finfo(np.float32).max)
        if np.abs(weight).max(initial=0) > limit or (bias is not None and np.abs(bias).max(initial=0) > limit):
            return None
        return Linear(self.node, weight, bias, self.rank, self.axis, self.kernel)

    def write(self, scope: Scope) -> None:
        """Give the node these weights."""
        names = list(self.node.input[:2])
        names[1] = scope.store(_stored(self), names[1])
        if self.bias is not None:
            given = self.node.input[2] if len(self.node.input) > 2 else ""
            names.append(scope.store(self.bias.astype(np.float32), given or f"{names[1]}_bias"))
        scope.set_inputs(self.node, names)
        if self.node.op_type == "Gemm":
            kept = [each for each in self.node.attribute if each.name not in {"alpha", "beta"}]
            self.node.ClearField("attribute")
            self.node.attribute.extend(kept)


def read_linear(scope: Scope, node: NodeProto) -> Linear | None:
    """Return `node` with its weights where they are float32 constants that nothing else reads."""
    if node.op_type not in LINEAR or not is_standard(node) or len(node.input) < 2:
        return None
    if not scope.alone(node.input[1]) or scope.version < 7:
        return None
    weight = scope.floats(node.input[1])
    given = node.input[2] if len(node.input) > 2 else ""
    bias = scope.floats(given) if given else None
    if weight is None or weight.ndim < 2 or (given and bias is None):
        return None
    made = _READERS[node.op_type](node, weight, bias)
    return made if made is not None and (made.bias is None or made.bias.shape == (made.outputs,)) else None


def _conv(node: NodeProto, weight: np.ndarray, bias: np.ndarray | None) -> Linear | None:
    groups = int_attribute(node, "group", 1)
    if weight.ndim < 3 or groups < 1 or weight.shape[0] % groups:
        return None
    form = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
    return Linear(node, form, bias, weight.ndim, 1 - weight.ndim, weight.shape)


def _conv_transpose(node: NodeProto, weight: np.ndarray, bias: np.ndarray | None) -> Linear | None:
    groups = int_attribute(node, "group", 1)
    if weight.ndim < 3 or groups < 1 or weight.shape[0] % groups:
        return None
    form = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1).transpose(0, 2, 1, 3)
    return Linear(node, form, bias, weight.ndim, 1 - weight.ndim, weight.shape)


def _gemm(node: NodeProto, weight: np.ndarray, bias: np.ndarray | None) -> Linear | None:
    if weight.ndim != 2 or int_attribute(node, "transA", 0):
        return None
    outputs_first = weight if int_attribute(node, "transB", 0) else weight.T
    form = outputs_first[None, :, :, None] * float_attribute(node, "alpha", 1.0)
    vector = None if bias is None else along(bias, 2, -1, outputs_first.shape[0])
    if bias is not None and vector is None:
        return None
    return Linear(
        node, form, None if vector is None else vector * float_attribute(node, "beta", 1.0), 2, -1, weight.shape
    )


def _matmul(node: NodeProto, weight: np.ndarray, bias: np.ndarray | None) -> Linear | None:
    return Linear(node, weight.T[None, :, :, None], None, None, -1, weight.shape) if weight.ndim == 2 else None


_READERS = {"Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm, "MatMul": _matmul}


def _stored(linear: Linear) -> np.ndarray:
    """Return the weights as the node stores them."""
    node, weight = linear.node, linear.weight
    if node.op_type != "Conv" and not int_attribute(node, "transB", 0):  # inputs come first
        weight = weight.transpose(0, 2, 1, 3)
    return np.ascontiguousarray(weight.reshape(linear.kernel), np.float32)


def depthwise(scope: Scope, node: NodeProto, affine: Affine, channels: int) -> bool:
    """Turn `node` into a 1×1 depthwise convolution of four-dimensional data that computes `affine`."""
    scale, shift = (along(each, 4, -3, channels) for each in (affine.scale, affine.shift))
    if scale is None or shift is None:
        return False
    names = [affine.source, scope.store(scale.reshape(-1, 1, 1, 1).astype(np.float32), f"{affine.source}_scale")]
    if shift.any():
        names.append(scope.store(shift.astype(np.float32), f"{affine.source}_shift"))
    scope.become(node, "Conv", names)
    node.attribute.extend([helper.make_attribute("group", channels), helper.make_attribute("kernel_shape", [1, 1])])
    return True
