"""Small vectors of integers that a graph computes from shapes and constants, such as targets of `Reshape`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto

from ..normalize.constants import constant_value
from ..onnx_model import elements, is_external, is_standard, to_array
from ..quantize.graphs import attribute, fixed_initializers, int_attribute
from ..weight_files import extent_of

Number = int | str | None  # of which a `str` names a free extent, and `None` is anything
Vector = tuple[Number, ...]

_MOST = 1024
INTEGERS = frozenset({TensorProto.INT64, TensorProto.INT32})


class Numbers:
    """What is known of integers in a graph, by the names of the tensors that hold them.

    Args:
        graph: the graph, in order.
        dims: extents of its tensors.
    """

    def __init__(self, graph: GraphProto, dims: Mapping[str, Sequence[int | str]]) -> None:
        self._dims = dims
        self._found: dict[str, Vector] = {}
        self._arrays: dict[str, np.ndarray] = {}
        for name, tensor in fixed_initializers(graph).items():
            self._hold(name, tensor)
        for node in graph.node:
            held = constant_value(node)
            if held is not None:
                self._hold(node.output[0], held)
            elif is_standard(node) and (found := self._computed(node)) is not None:
                self._found[node.output[0]] = found

    def of(self, name: str) -> Vector | None:
        """Return the elements of a vector or scalar of integers, if anything is known of them."""
        return self._found.get(name)

    def array(self, name: str) -> np.ndarray | None:
        """Return the values of a small constant of any type."""
        return self._arrays.get(name)

    def integers(self, name: str) -> tuple[int, ...] | None:
        """Return the elements of a vector or scalar of integers that is known whole."""
        found = self._found.get(name)
        if found is None:
            return None
        whole = tuple(each for each in found if isinstance(each, int))
        return whole if len(whole) == len(found) else None

    def computed(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the names and elements of what is computed in the graph and yet known whole."""
        for name in self._found.keys() - self._arrays.keys():
            if (whole := self.integers(name)) is not None:
                yield name, whole

    def _hold(self, name: str, tensor: TensorProto) -> None:
        unread = is_external(tensor) and extent_of(tensor) is None
        if unread or elements(tensor) > _MOST or tensor.data_type == TensorProto.STRING:
            return
        array = to_array(tensor)
        self._arrays[name] = array
        if tensor.data_type in INTEGERS and array.ndim <= 1:
            self._found[name] = tuple(int(each) for each in array.reshape(-1))

    def _computed(self, node: NodeProto) -> Vector | None:
        given = [self._found.get(name) for name in node.input]
        kind = node.op_type
        if not given:
            return None
        if kind == "Shape":
            return self._shape(node)
        if kind in ("Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape"):
            whole = kind not in ("Cast",) or _to(node) in INTEGERS
            return given[0] if whole and self._is_flat(node.output[0]) else None
        if kind == "Concat":
            parts = [each for each in given if each is not None]
            return tuple(each for part in parts for each in part) if len(parts) == len(given) else None
        if kind == "Gather":
            return _gathered(given)
        if kind == "Slice":
            return _sliced(given)
        if kind in _CALCULATE:
            return _calculated(_CALCULATE[kind], given)
        if kind == "Where":
            return _picked(given)
        if kind == "ConstantOfShape":
            return _filled(node, given)
        return None

    def _shape(self, node: NodeProto) -> Vector | None:
        dims = self._dims.get(node.input[0])
        if dims is None:
            return None
        return tuple(dims)[int_attribute(node, "start", 0) : int_attribute(node, "end", len(dims))]

    def _is_flat(self, name: str) -> bool:
        return len(self._dims.get(name, ())) <= 1


def _to(node: NodeProto) -> int:
    found = attribute(node, "to")
    return 0 if found is None else int(found.i)


def _gathered(given: Sequence[Vector | None]) -> Vector | None:
    values, indices = given if len(given) == 2 else (None, None)
    if values is None or indices is None:
        return None
    inside = [each for each in indices if isinstance(each, int) and -len(values) <= each < len(values)]
    return tuple(values[each] for each in inside) if len(inside) == len(indices) else None


def _sliced(given: Sequence[Vector | None]) -> Vector | None:
    if len(given) < 3 or any(each is None for each in given[1:3]) or given[0] is None:
        return None
    step = given[4] if len(given) > 4 else (1,)
    bounds = [each[0] if each and len(each) == 1 else None for each in (given[1], given[2], step)]
    if not all(isinstance(each, int) for each in bounds) or bounds[2] == 0:
        return None
    start, end, stride = (int(each) for each in bounds if isinstance(each, int))
    return given[0][start:end:stride]


def _calculated(kind: Callable[[int, int], int | None], given: Sequence[Vector | None]) -> Vector | None:
    left, right = given if len(given) == 2 else (None, None)
    if left is None or right is None or len(left) != len(right):
        return None
    return tuple(_number(kind, one, other) for one, other in zip(left, right, strict=True))


def _number(calculate: Callable[[int, int], int | None], one: Number, other: Number) -> Number:
    return calculate(one, other) if isinstance(one, int) and isinstance(other, int) else None


def _divided(one: int, other: int) -> int | None:
    # Of negative ones, runtimes round to another side than Python.
    return one // other if one >= 0 and other > 0 else None


def _rest(one: int, other: int) -> int | None:
    return one % other if one >= 0 and other > 0 else None


_CALCULATE: dict[str, Callable[[int, int], int | None]] = {
    "Add": int.__add__,
    "Div": _divided,
    "Equal": lambda one, other: int(one == other),
    "Max": max,
    "Min": min,
    "Mod": _rest,
    "Mul": int.__mul__,
    "Sub": int.__sub__,
}


def _picked(given: Sequence[Vector | None]) -> Vector | None:
    conditions, ones, others = given if len(given) == 3 else (None, None, None)
    if conditions is None or ones is None or others is None or not len(conditions) == len(ones) == len(others):
        return None
    picked = zip(conditions, ones, others, strict=True)
    return tuple(None if not isinstance(which, int) else one if which else other for which, one, other in picked)


def _filled(node: NodeProto, given: Sequence[Vector | None]) -> Vector | None:
    count, found = given[0], attribute(node, "value")
    if count is None or len(count) != 1 or not isinstance(count[0], int) or not 0 <= count[0] <= _MOST or found is None:
        return None
    value = to_array(found.t)
    return (int(value.reshape(-1)[0]),) * count[0] if value.dtype.kind == "i" and value.size == 1 else None
