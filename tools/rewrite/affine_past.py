"""Fold a scale and a shift into weights beyond the activations and poolings that they can pass.

Before: `Conv(f(x · a + b))` or `f(Conv(x)) · a + b`, f being rectifiers and poolings that one node reads each. After:
`Conv(f(x))` or `f(Conv(x))` with other weights. A positive scale passes rectifiers and both kinds of pooling; any scale
passes an average; a shift passes poolings in which no zero of a border takes part.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from ..quantize.graphs import int_attribute
from .affine import AFFINE, Affine, read_affine, read_chain
from .linear import LINEAR, read_linear
from .scope import Scope, rewrite_graphs

_RECTIFIERS = frozenset({"LeakyRelu", "PRelu", "Relu"})
_LARGEST = frozenset({"GlobalMaxPool", "MaxPool"})
_AVERAGES = frozenset({"AveragePool", "GlobalAveragePool"})
_PASSED = _RECTIFIERS | _LARGEST | _AVERAGES


def fold_affine_past(model: ModelProto) -> int:
    """Rewrite in place and return how many operators went."""
    return rewrite_graphs(model, _fold)


def _fold(scope: Scope) -> int:
    count = 0
    for node in scope.nodes:
        if scope.has(node) and len(node.output) == 1:
            if node.op_type in LINEAR:
                count += _forwards(scope, node)
            elif node.op_type in AFFINE:
                count += _backwards(scope, node)
    return count


def _forwards(scope: Scope, layer: NodeProto) -> int:
    """Move what stands before the operators that `layer` reads into it."""
    passed = _run(scope, layer.input[0])
    node = scope.part(passed[-1].input[0]) if passed else None
    if node is None or node.op_type not in AFFINE:
        return 0
    linear = read_linear(scope, layer)
    chain = read_chain(scope, node, linear.rank) if linear is not None else None
    if linear is None or chain is None or not all(_passes(each, chain) for each in passed):
        return 0
    folded = linear.before(chain)
    if folded is None:
        return 0
    folded.write(scope)
    scope.set_inputs(passed[-1], [chain.source, *list(passed[-1].input)[1:]])
    scope.remove(chain.nodes)
    return len(chain.nodes)


def _backwards(scope: Scope, node: NodeProto) -> int:
    """Move what `node` does into the layer before the operators that it reads."""
    source = next((name for name in node.input if not scope.is_constant(name)), "")
    passed = _run(scope, source)
    layer = scope.part(passed[-1].input[0]) if passed else None
    linear = read_linear(scope, layer) if layer is not None else None
    affine = read_affine(scope, node, linear.rank) if linear is not None else None
    if linear is None or affine is None or not all(_passes(each, affine) for each in passed):
        return 0
    folded = linear.after(affine)
    if folded is None:
        return 0
    folded.write(scope)
    scope.take_over(passed[0], node)
    return 1


def _run(scope: Scope, name: str) -> list[NodeProto]:
    """Return the operators that can be passed on the way to `name`, the last one first."""
    found: list[NodeProto] = []
    while (node := scope.part(name)) is not None and node.op_type in _PASSED:
        found.append(node)
        name = node.input[0]
    return found


def _passes(node: NodeProto, affine: Affine) -> bool:
    """Tell whether `node` of the affine value is the affine value of `node`."""
    shifted = bool(affine.shift.any())
    if node.op_type in _RECTIFIERS:
        return not shifted and bool((affine.scale > 0).all())
    if node.op_type in _LARGEST:
        return bool((affine.scale > 0).all())
    return not shifted or not int_attribute(node, "count_include_pad", 0)
