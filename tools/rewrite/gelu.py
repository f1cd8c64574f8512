"""Write Gelu so that the runtime recognises it.

Before: `x · ½ · (1 + erf(x / √2))` in any order, the half on either side of the sum or inside it, or the approximation
`x · ½ · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))`. After: the operator `Gelu` where the opset has it (20). Below, the
exact one becomes `Div, Erf, Add, Mul, Mul` in the order that onnxruntime fuses at load (it misses most others), and the
approximation `com.microsoft.FastGelu`, for which its CPU session has a kernel and no fusion.
"""

from __future__ import annotations

import math

import numpy as np
from onnx import ModelProto, NodeProto, helper

from ..onnx_model import iter_nodes
from .pattern import Pattern, near
from .scope import Scope, rewrite_graphs

STANDARD_OPSET = 20
MICROSOFT = "com.microsoft"


def fuse_gelu(model: ModelProto) -> int:
    """Rewrite the exact form in place and return how many there were."""
    return rewrite_graphs(model, lambda scope: _rewrite(scope, "Erf"))


def fuse_fast_gelu(model: ModelProto) -> int:
    """Rewrite the approximation in place and return how many there were."""
    count = rewrite_graphs(model, lambda scope: _rewrite(scope, "Tanh"))
    if count and not any(each.domain == MICROSOFT for each in model.opset_import):
        used = any(node.domain == MICROSOFT for node in iter_nodes(model))
        model.opset_import.extend([helper.make_opsetid(MICROSOFT, 1)] if used else [])
    return count


def ends_gelu(scope: Scope, node: NodeProto) -> bool:
    """Tell whether `node` is the last one of an exact Gelu."""
    pattern = Pattern(scope)
    return node.op_type in {"Mul", "Div"} and _match(pattern, node, "Erf") is not None and pattern.closed(node)


def _rewrite(scope: Scope, function: str) -> int:
    count = 0
    for node in reversed(scope.nodes):
        if scope.has(node) and node.op_type in {"Mul", "Div"} and scope.producer(node.output[0]) is node:
            pattern = Pattern(scope)
            source = _match(pattern, node, function)
            if source is not None and pattern.closed(node) and not _is_canonical(scope, node, function):
                _replace(scope, pattern, node, source, function)
                count += 1
    return count


def _match(pattern: Pattern, node: NodeProto, function: str) -> str | None:
    """Return x where `node` makes Gelu of x."""
    pattern.nodes.append(node)
    scale, names = _factors(pattern, node)
    if len(names) != 2:
        return None
    for source, gate in (names, reversed(names)):
        mark = len(pattern.nodes)
        if _is_gate(pattern, gate, source, scale, function):
            return source
        del pattern.nodes[mark:]
    return None


def _factors(pattern: Pattern, node: NodeProto) -> tuple[float, list[str]]:
    scale, names = pattern.factors(node.input[0])
    if node.op_type == "Div":
        number = pattern.scope.scalar(node.input[1])
        return (scale / number, names) if number else (scale, [])
    other, more = pattern.factors(node.input[1])
    return scale * other, names + more


def _is_gate(pattern: Pattern, gate: str, source: str, scale: float, function: str) -> bool:
    """Tell whether `gate`, times `scale`, is ½ · (1 + function(…))."""
    total = pattern.plus(gate)
    if total is None or not near(scale * total[1], 0.5):
        return False
    inner, names = pattern.factors(total[0])
    node = pattern.made_by(names[0], function) if len(names) == 1 and near(inner, total[1]) else None
    if node is None:
        return False
    if function == "Tanh":
        return _is_cubic(pattern, node.input[0], source)
    slope, names = pattern.factors(node.input[0])
    return names == [source] and near(slope, math.sqrt(0.5))


def _is_cubic(pattern: Pattern, name: str, source: str) -> bool:
    """Tell whether `name` is √(2/π) · (x + 0.044715 · x³)."""
    slope, names = pattern.factors(name)
    if not near(slope, math.sqrt(2 / math.pi)):
        return False
    if len(names) == 2 and source in names:  # x · (1 + 0.044715 · x²)
        names.remove(source)
        total = pattern.plus(names[0])
        scale, inner = pattern.factors(total[0]) if total is not None and total[1] == 1 else (0.0, list[str]())
        return inner == [source] * 2 and near(scale, 0.044715)
    node = pattern.made_by(names[0], "Add") if len(names) == 1 else None
    if node is None or source not in node.input:
        return False
    scale, inner = pattern.factors(node.input[1] if node.input[0] == source else node.input[0])
    return inner == [source] * 3 and near(scale, 0.044715)


def _is_canonical(scope: Scope, node: NodeProto, function: str) -> bool:
    """Tell whether the expression stands as it would be written here."""
    if function != "Erf" or scope.version >= STANDARD_OPSET:
        return False
    if node.op_type != "Mul" or scope.scalar(node.input[1]) != 0.5:
        return False
    product = scope.producer(node.input[0])
    total = scope.producer(product.input[1]) if product is not None and product.op_type == "Mul" else None
    erf = scope.producer(total.input[0]) if total is not None and total.op_type == "Add" else None
    quotient = scope.producer(erf.input[0]) if erf is not None and erf.op_type == "Erf" else None
    return quotient is not None and quotient.op_type == "Div"


def _replace(scope: Scope, pattern: Pattern, node: NodeProto, source: str, function: str) -> None:
    scope.remove([each for each in pattern.nodes if each is not node])
    if scope.version >= STANDARD_OPSET:
        scope.become(node, "Gelu", [source])
        if function == "Tanh":
            node.attribute.append(helper.make_attribute("approximate", "tanh"))
    elif function == "Tanh":
        scope.become(node, "FastGelu", [source], MICROSOFT)
    else:
        _spell(scope, node, source)


def _spell(scope: Scope, node: NodeProto, source: str) -> None:
    """Write the exact form in the order that is recognised, `node` as its last product."""
    base = node.output[0]
    root, one, half = (
        scope.store(np.array(value, np.float32), f"{base}_{name}")
        for name, value in (("root", math.sqrt(2)), ("one", 1.0), ("half", 0.5))
    )
    quotient, erf, total, product = (scope.fresh(f"{base}_{name}") for name in ("scaled", "erf", "total", "product"))
    for op, inputs, output in (
        ("Div", [source, root], quotient),
        ("Erf", [quotient], erf),
        ("Add", [erf, one], total),
        ("Mul", [source, total], product),
    ):
        scope.insert(node, helper.make_node(op, inputs, [output], output))
    scope.become(node, "Mul", [product, half])
