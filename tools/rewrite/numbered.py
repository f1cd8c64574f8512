"""Follow values through operators that only move them, by numbering the elements and moving the numbers.

Exporters write the heads of attention in many ways: reshaped and transposed, split before or after, taken out of one
product by `Gather`, `Split` or `Slice`. Where an element goes depends on sizes alone, so the operators are run on
numbers instead of being matched one way of writing after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from onnx import NodeProto
from onnx.reference import ReferenceEvaluator

from ..quantize.graphs import attribute, int_attribute
from .inferred_dims import Dims
from .scope import Scope

_RESHAPED = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
_MOVING = _RESHAPED | {"Gather", "Slice", "Split", "Transpose"}
# What shapes are computed with.
_COMPUTED = frozenset(
    {"Add", "Cast", "Concat", "Div", "Gather", "Mul", "Reshape", "Slice", "Squeeze", "Sub", "Unsqueeze"}
)
_FEW = 16
_LONGEST = 12
_MOST = 1 << 23
# Free dimensions get sizes that no layer has by chance, twice over: what holds for both holds for all.
SIZES: tuple[tuple[int, ...], ...] = ((3, 5, 7, 11, 13), (2, 11, 3, 7, 5))

Numbers = np.ndarray


@dataclass(frozen=True)
class Path:
    """Nodes that lead from a value to where it comes from.

    Attributes:
        name: of the value that it starts from, in the direction of computing.
        steps: each node with which output of it is used, the last one first.
        scale: what it was multiplied by on the way.
    """

    name: str
    steps: Sequence[tuple[NodeProto, str]] = ()
    scale: float = 1.0


def paths(scope: Scope, name: str) -> list[Path]:
    """Return the ways back from `name` through operators that only move or scale elements, the longest first."""
    found = [Path(name)]
    while len(found) <= _LONGEST:
        last = found[-1]
        node = scope.producer(last.name)
        source, factor = ("", 1.0) if node is None else _source(scope, node)
        if node is None or not source:
            break
        found.append(Path(source, (*last.steps, (node, last.name)), last.scale * factor))
    return found[::-1]


def _source(scope: Scope, node: NodeProto) -> tuple[str, float]:
    """Return the value that `node` moves and the number that it multiplies it by; no name where it does more."""
    if node.op_type in _MOVING:
        return node.input[0], 1.0
    if node.op_type not in {"Mul", "Div"}:
        return "", 1.0
    first, second = (scope.scalar(name) for name in node.input)
    if second is not None and first is None:
        return node.input[0], second if node.op_type == "Mul" else (1 / second if second else 0.0)
    return (node.input[1], first) if first is not None and second is None and node.op_type == "Mul" else ("", 1.0)


@dataclass
class Numbering:
    """Sizes of the free dimensions, and what becomes of numbers under them.

    Attributes:
        dims: of each value.
        sizes: for the symbols, in the order in which they are met.
    """

    scope: Scope
    dims: Mapping[str, Dims]
    sizes: Sequence[int]
    _given: dict[str, int] = field(default_factory=dict[str, int])
    _met: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the sizes of a value, None where a dimension has no name."""
        dims = self.dims.get(name)
        if dims is None or "" in dims:
            return None
        found = tuple(each if isinstance(each, int) else self._size(each) for each in dims)
        return found if 0 < prod(found) <= _MOST else None

    def _size(self, symbol: str) -> int:
        return self._given.setdefault(symbol, self.sizes[len(self._given) % len(self.sizes)])

    def numbers(self, name: str) -> Numbers | None:
        """Return the elements of a value, numbered."""
        shape = self.shape(name)
        return None if shape is None else np.arange(prod(shape), dtype=np.int32).reshape(shape)

    def along(self, path: Path) -> Numbers | None:
        """Return where the numbers of the start of a path end up."""
        return self.moved(self.numbers(path.name), reversed(path.steps))

    def moved(self, numbers: Numbers | None, steps: Iterable[tuple[NodeProto, str]]) -> Numbers | None:
        """Return what the nodes make of numbers, the first one first; None where that is not certain."""
        for node, output in steps:
            if numbers is None:
                return None
            numbers = self._moved(numbers, node, output)
            if numbers is not None:
                self._met[output] = numbers.shape
        return numbers

    def _moved(self, numbers: Numbers, node: NodeProto, output: str) -> Numbers | None:
        if node.op_type in {"Mul", "Div"}:
            return numbers
        if node.op_type in _RESHAPED:
            return self._reshaped(numbers, node, output)
        if node.op_type == "Transpose":
            perm = attribute(node, "perm")
            order = tuple(perm.ints) if perm is not None else tuple(reversed(range(numbers.ndim)))
            return numbers.transpose(order) if len(order) == numbers.ndim else None
        if node.op_type == "Gather":
            return self._gathered(numbers, node)
        return self._split(numbers, node, output) if node.op_type == "Split" else self._sliced(numbers, node)

    def _reshaped(self, numbers: Numbers, node: NodeProto, output: str) -> Numbers | None:
        """Return numbers in another shape: the computed one, or what inference knows of it."""
        target = self._value(node.input[1]) if node.op_type == "Reshape" else None
        if target is None:
            return self._as_inferred(numbers, output)
        kept = not int_attribute(node, "allowzero", 0)
        shape = [
            numbers.shape[at] if kept and not each and at < numbers.ndim else int(each)
            for at, each in enumerate(target)
        ]
        rest = prod(each for each in shape if each >= 0)
        fits = rest == numbers.size if -1 not in shape else rest > 0 and numbers.size % rest == 0
        return numbers.reshape(shape) if fits and shape.count(-1) <= 1 else None

    def _value(self, name: str) -> np.ndarray | None:
        """Return what a computation of shapes gives under the sizes."""
        stored, node = self.scope.constant(name), self.scope.producer(name)
        if stored is not None or node is None:
            return stored
        if node.op_type == "Shape":
            shape = self._met.get(node.input[0]) or self.shape(node.input[0])
            end = attribute(node, "end")
            part = slice(int_attribute(node, "start", 0), None if end is None else int(end.i))
            return None if shape is None else np.array(shape[part], np.int64)
        values = {each: self._value(each) for each in node.input if each} if node.op_type in _COMPUTED else {}
        known = {each: value for each, value in values.items() if value is not None and value.size <= _FEW}
        if not known or len(known) < len(values) or len(node.output) != 1:
            return None
        try:
            (value,) = ReferenceEvaluator(node, opsets={"": self.scope.version}).run(None, known)
        except (ValueError, IndexError, TypeError):
            return None  # operands that do not fit
        return np.asarray(value)

    def _as_inferred(self, numbers: Numbers, output: str) -> Numbers | None:
        """Return numbers in the shape of a value; one dimension that is not known otherwise is what is left for it."""
        dims = self.dims.get(output, ())
        unknown = [at for at, each in enumerate(dims) if isinstance(each, str) and each not in self._given]
        if len(unknown) > 1:
            return None
        known = [each if isinstance(each, int) else self._given.get(each, -1) for each in dims]
        rest = prod(each for at, each in enumerate(known) if at not in unknown)
        if not rest or numbers.size % rest or (not unknown and rest != numbers.size):
            return None
        for at in unknown:
            if dims[at]:
                self._given[str(dims[at])] = numbers.size // rest
        return numbers.reshape(known)

    def _gathered(self, numbers: Numbers, node: NodeProto) -> Numbers | None:
        index, axis = self.scope.constant(node.input[1]), int_attribute(node, "axis", 0)
        if index is None or index.dtype.kind != "i" or not -numbers.ndim <= axis < numbers.ndim:
            return None
        size = numbers.shape[axis]
        inside = bool(((index >= -size) & (index < size)).all())
        return np.take(numbers, index, axis) if inside else None

    def _split(self, numbers: Numbers, node: NodeProto, output: str) -> Numbers | None:
        axis, start = int_attribute(node, "axis", 0), 0
        for name in node.output:
            shape = self.shape(name)
            if shape is None or len(shape) != numbers.ndim:
                return None
            if name == output:
                return np.take(numbers, range(start, start + shape[axis]), axis)
            start += shape[axis]
        return None

    def _sliced(self, numbers: Numbers, node: NodeProto) -> Numbers | None:
        given = [self.scope.integers(name) if name else None for name in node.input[1:]]
        starts, ends, axes, steps = (*given, *[None] * 4)[:4]
        if self.scope.version < 10 or starts is None or ends is None or (None in given):
            return None
        index = [slice(None)] * numbers.ndim
        for at, (start, end) in enumerate(zip(starts, ends, strict=True)):
            index[axes[at] if axes else at] = slice(start, end, steps[at] if steps else 1)
        return numbers[tuple(index)]
