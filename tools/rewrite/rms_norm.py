"""Write a root-mean-square normalization as onnxruntime recognises it.

Before: `x · 1/√(mean(x · x) + ε)` along the last axis. After: `x / √(mean(x²) + ε)` with a power for the square, which
the session fuses with the scale after it. There is no standard operator below opset 23, so the file keeps the parts.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto

from .pattern import Pattern
from .scope import Scope, rewrite_graphs


def spell_rms_norm(model: ModelProto) -> int:
    """Rewrite in place and return how many there were."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    if scope.version < 7:
        return 0
    return sum(_spell(scope, node) for node in scope.nodes if node.op_type == "Sqrt" and scope.has(node))


def _spell(scope: Scope, root: NodeProto) -> int:
    pattern = Pattern(scope)
    total = pattern.plus(root.input[0])
    squares = pattern.mean(total[0]) if total is not None and total[1] >= 0 else None
    source = pattern.square(squares) if squares is not None else None
    inverse = scope.only_reader(root.output[0])
    if source is None or squares is None or inverse is None or inverse.op_type != "Reciprocal":
        return 0
    product, square = scope.only_reader(inverse.output[0]), scope.producer(squares)
    if product is None or square is None or product.op_type != "Mul" or source not in product.input:
        return 0
    scope.become(product, "Div", [source, root.output[0]])
    scope.remove([inverse])
    if square.op_type == "Mul":
        scope.become(square, "Pow", [source, scope.store(np.array(2, np.float32), f"{squares}_power")])
    return 1
