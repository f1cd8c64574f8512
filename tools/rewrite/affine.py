"""Read products and sums with constants as `x · scale + shift`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from ..onnx_model import is_standard
from ..quantize.graphs import float_attribute, int_attribute
from .scope import Scope

AFFINE = frozenset({"Add", "BatchNormalization", "Div", "Mul", "Neg", "Sub"})
_ONE, _ZERO = np.ones(()), np.zeros(())


@dataclass(frozen=True)
class Affine:
    """`source · scale + shift`, in double precision.

    Attributes:
        scale, shift: they broadcast against `source` as the operators' constants do.
        nodes: that compute it, the last one first.
    """

    source: str
    scale: np.ndarray
    shift: np.ndarray
    nodes: tuple[NodeProto, ...]


def read_affine(scope: Scope, node: NodeProto, rank: int | None = None) -> Affine | None:
    """Return what `node` computes where that is affine in one input.

    Args:
        scope: of the node.
        node: a product, quotient, sum or difference with a float32 constant, a negation, or a BatchNormalization.
        rank: dimensions of the input; without it a BatchNormalization, whose channels come second, is none.
    """
    if not is_standard(node) or len(node.output) != 1:
        return None
    if node.op_type == "Neg":
        return Affine(node.input[0], -_ONE, _ZERO, (node,))
    if node.op_type == "BatchNormalization":
        return _normalization(scope, node, rank) if rank is not None else None
    if node.op_type not in {"Add", "Sub", "Mul", "Div"} or scope.version < 7:  # before, axes are an attribute
        return None
    first, second = node.input
    left, right = scope.floats(first), scope.floats(second)
    if left is not None and right is None and not scope.is_constant(second):
        return _turned(node, left, second)
    if right is not None and left is None and not scope.is_constant(first):
        return _straight(node, first, right)
    return None


def _straight(node: NodeProto, source: str, value: np.ndarray) -> Affine | None:
    if node.op_type == "Mul":
        return Affine(source, value, _ZERO, (node,))
    if node.op_type == "Div":
        return Affine(source, 1 / value, _ZERO, (node,)) if value.all() else None
    return Affine(source, np.ones_like(value), value if node.op_type == "Add" else -value, (node,))


def _turned(node: NodeProto, value: np.ndarray, source: str) -> Affine | None:
    if node.op_type == "Div":
        return None
    if node.op_type == "Sub":
        return Affine(source, -np.ones_like(value), value, (node,))
    return _straight(node, source, value)


def _normalization(scope: Scope, node: NodeProto, rank: int) -> Affine | None:
    """Read a BatchNormalization at inference, as its definition has it."""
    values = [scope.floats(name) for name in node.input[1:]]
    if scope.version < 9 or int_attribute(node, "training_mode", 0) or len(values) != 4:
        return None
    scale, shift, mean, variance = values
    if scale is None or shift is None or mean is None or variance is None:
        return None
    spread = variance + float_attribute(node, "epsilon", 1e-5)
    if (spread <= 0).any():
        return None
    factor = scale / np.sqrt(spread)
    shape = (-1, *[1] * (rank - 2))
    return Affine(node.input[0], factor.reshape(shape), (shift - mean * factor).reshape(shape), (node,))


def read_chain(scope: Scope, node: NodeProto, rank: int | None = None) -> Affine | None:
    """Return what `node` and the affine nodes before it, which nothing else reads, compute together."""
    chain = read_affine(scope, node, rank)
    while chain is not None and (inner := scope.part(chain.source)) is not None:
        before = read_affine(scope, inner, rank)
        if before is None:
            break
        scale, shift = before.scale * chain.scale, before.shift * chain.scale + chain.shift
        chain = Affine(before.source, scale, shift, (*chain.nodes, inner))
    return chain


def along(value: np.ndarray, rank: int | None, axis: int, size: int) -> np.ndarray | None:
    """Return `value` as a vector along one axis of a tensor, or None where it varies along others or adds dimensions.

    Args:
        value: broadcasts against the tensor.
        rank: dimensions of the tensor; None where it is only known to have one or more.
        axis: of the vector, counted from the end (−1 is the last).
        size: of the tensor along `axis`.
    """
    if value.ndim > (1 if rank is None else rank):
        return None
    if value.size == 1:
        return np.full(size, value.reshape(()))
    if value.size != size or value.ndim < -axis or value.shape[axis] != size:
        return None
    return value.reshape(size)
