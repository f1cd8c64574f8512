"""Masks of attention: added to the scores or put in their place, and as `MultiHeadAttention` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from onnx import NodeProto, helper

from .heads import Heads
from .inferred_dims import Dims
from .scope import Scope

# What is so low that adding it to a score gives just it, in float32.
_ABSORBS = -1e30


@dataclass(frozen=True)
class Mask:
    """What is added to the scores, or where they are replaced.

    Attributes:
        name: of what is added; where `fill` is given, of the condition.
        fill: the number that takes the place of scores.
        where: whether it does so where the condition holds, instead of where it does not.
    """

    name: str
    fill: float | None = None
    where: bool = True


def masked(scope: Scope, node: NodeProto) -> list[tuple[str, Mask]]:
    """Return each operand of a node that may be the scores, with what is then the mask."""
    if node.op_type == "Add":
        first, second = node.input
        return [(first, Mask(second)), (second, Mask(first))]
    if node.op_type != "Where":
        return []
    condition, held, other = node.input
    found = [(other, _fill(scope, held), True), (held, _fill(scope, other), False)]
    return [(name, Mask(condition, fill, where)) for name, fill, where in found if fill is not None]


def _fill(scope: Scope, name: str) -> float | None:
    """Return the number that replaces scores, where adding it would be the same."""
    value = scope.constant(name)
    if value is None or value.dtype != np.float32 or value.shape not in ((), (1,)):
        return None
    number = float(value.reshape(()))
    return number if number <= _ABSORBS else None


@dataclass
class Masks:
    """Masks as the kernel takes them, each made once for all layers.

    Attributes:
        dims: of the values of the model.
    """

    dims: Mapping[str, Dims]
    _added: dict[Mask, str] = field(default_factory=dict[Mask, str])
    _spread: dict[tuple[str, int | str, int | str], str] = field(
        default_factory=dict[tuple[str, int | str, int | str], str]
    )

    def fits(self, mask: Mask, heads: Heads) -> bool:
        """Tell whether a mask broadcasts to the scores, as far as the kernel does not see to that itself."""
        own = self.dims.get(mask.name)
        if not own or len(own) > 4:
            return False
        batch, count, queries, _ = (1,) * (4 - len(own)) + own
        return batch in (1, heads.batch) and count in (1, heads.count) and queries in (1, heads.queries)

    def input(self, scope: Scope, mask: Mask, heads: Heads, names: list[str], before: NodeProto) -> str:
        """Return the mask as a value of (…, queries, keys), made before a node that reads Q, K and V as `names`."""
        name = self._sum(scope, mask, before)
        own = self.dims[mask.name]
        if len(own) == 4 and own[2:] == (heads.queries, heads.keys):
            return name
        key = (name, heads.queries, heads.keys)
        if key not in self._spread:
            spread, target = scope.fresh(f"{name}_spread"), _target(scope, heads, names, before)
            scope.insert(before, helper.make_node("Expand", [name, target], [spread], spread))
            self._spread[key] = spread
        return self._spread[key]

    def _sum(self, scope: Scope, mask: Mask, before: NodeProto) -> str:
        """Return what is to be added to the scores."""
        if mask.fill is None:
            return mask.name
        if mask not in self._added:
            fill, zero = (scope.store(np.array(each, np.float32), "mask") for each in (mask.fill, 0))
            parts = [mask.name, fill, zero] if mask.where else [mask.name, zero, fill]
            added = scope.fresh(f"{mask.name}_added")
            scope.insert(before, helper.make_node("Where", parts, [added], added))
            self._added[mask] = added
        return self._added[mask]


def _target(scope: Scope, heads: Heads, names: list[str], before: NodeProto) -> str:
    """Return (1, 1, queries, keys) as a value."""
    sizes = (heads.queries, heads.keys)
    if all(isinstance(each, int) for each in sizes):
        return scope.store(np.array([1, 1, *sizes], np.int64), "spread")
    one = scope.store(np.array([1], np.int64), "one")
    named = dict(zip(reversed(sizes), reversed(names[:2]), strict=True))
    lengths = {size: _length(scope, name, one, before) for size, name in named.items()}
    target = scope.fresh("spread")
    parts = [one, one, *(lengths[size] for size in sizes)]
    scope.insert(before, helper.make_node("Concat", parts, [target], target, axis=0))
    return target


def _length(scope: Scope, name: str, one: str, before: NodeProto) -> str:
    """Return the length of axis 1 as a value."""
    shape, length = scope.fresh(f"{name}_shape"), scope.fresh(f"{name}_length")
    scope.insert(before, helper.make_node("Shape", [name], [shape], shape))
    scope.insert(before, helper.make_node("Gather", [shape, one], [length], length, axis=0))
    return length
