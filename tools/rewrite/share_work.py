"""Do equal work once.

Before: two nodes of one graph with the same operator, attributes and inputs. After: one of them, read by the readers of
both. Sums and products of two count as equal whichever operand comes first. Bodies of `If` and `Loop` are seen to as
well. (Equal initializers are stored once by `normalize`.)

Conditions: the operator always gives the same for the same inputs and holds no body; no output of the graph and no
body reads the one that goes. `DequantizeLinear` stays: the runtime wants one for each reader.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from ..onnx_model import is_standard, node_graphs
from .scope import Scope, rewrite_graphs

_ANEW = frozenset(
    {"Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_LEFT = frozenset({"DequantizeLinear", "QuantizeLinear"})
_EITHER_WAY = frozenset({"Add", "And", "Equal", "Max", "Min", "Mul", "Or", "Xor"})

_Key = tuple[str, str, tuple[str, ...], tuple[bool, ...], tuple[bytes, ...]]


def share_work(model: ModelProto) -> int:
    """Rewrite in place and return how many nodes went."""
    return rewrite_graphs(model, _rewrite)


def _rewrite(scope: Scope) -> int:
    count = 0
    first: dict[_Key, NodeProto] = {}
    for node in scope.nodes:
        if not _repeatable(node):
            continue
        kept = first.setdefault(_key(node), node)
        if kept is node or any(reader is None for name in node.output for reader in scope.readers(name)):
            continue
        for old, new in zip(node.output, kept.output, strict=True):
            scope.replace_reads(old, new)
        scope.remove([node])
        count += 1
    return count


def _repeatable(node: NodeProto) -> bool:
    known = is_standard(node) or node.domain == "com.microsoft"
    return known and node.op_type not in _ANEW | _LEFT and not node_graphs(node) and any(node.output)


def _key(node: NodeProto) -> _Key:
    """What two nodes have in common that give the same."""
    inputs = list(node.input)
    if is_standard(node) and node.op_type in _EITHER_WAY and len(inputs) == 2:
        inputs.sort()
    attributes = sorted(bytes(each.SerializeToString(deterministic=True)) for each in node.attribute)
    domain = "" if is_standard(node) else node.domain
    return node.op_type, domain, tuple(inputs), tuple(map(bool, node.output)), tuple(attributes)
