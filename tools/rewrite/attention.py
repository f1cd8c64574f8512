"""Write attention of several heads as the one operator that the runtime has for it.

Before: `Softmax(Q·Kᵀ · scale + mask) · V` for each head, heads split and joined by whatever moves elements (`Reshape`,
`Transpose`, `Split`, `Gather` …), the scale anywhere on the way. After: `MultiHeadAttention` of `com.microsoft` on Q, K
and V of three dimensions, after a `Split` where they come out of one product. A mask must broadcast to (batch, heads,
queries, keys); it may be added, or put numbers in the place of scores that are low enough for a sum to be the same.
Zeros in the place of what is no number, where a mask leaves no key, are put into the result instead.

On the CPU (1.32) it saves passes over memory and a dozen nodes a layer: 1.02 to 1.1 times the speed on encoders of 192
to 768 channels and 16 to 1,024 tokens, and up to 1.14 once their products are int8; none became slower.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, helper

from ..onnx_model import iter_nodes
from ..quantize.graphs import int_attribute
from .attention_masks import Mask, Masks, masked
from .heads import Heads, Joined, heads_of, joined_heads
from .inferred_dims import Dims, inferred_dims
from .known_shapes import sweep_shapes
from .numbered import Path
from .pattern import Pattern
from .scope import Scope, rewrite_graphs

MICROSOFT, OPERATOR = "com.microsoft", "MultiHeadAttention"


def fuse_attention(model: ModelProto) -> int:
    """Rewrite in place and return how many there were; only the main graph is looked at."""
    if not any(node.op_type == "Softmax" for node in model.graph.node):
        return 0
    rule = partial(_rewrite, dims=inferred_dims(model, declared=True), graph=model.graph)
    count = rewrite_graphs(model, rule)
    if count:
        import_microsoft(model)
    return count


def import_microsoft(model: ModelProto) -> None:
    """Let the model import the domain of onnxruntime's own operators."""
    if not any(each.domain == MICROSOFT for each in model.opset_import):
        used = any(node.domain == MICROSOFT for node in iter_nodes(model))
        model.opset_import.extend([helper.make_opsetid(MICROSOFT, 1)] if used else [])


@dataclass(frozen=True)
class _Core:
    """The part between heads: names of the two products' operands, the mask, and the nodes that go.

    Attributes:
        scale: of the scores, as far as it is applied to them and not to Q or K.
        guarded: whether zeros take the place of what is no number.
        last: makes what the heads give.
    """

    query: str
    key: str
    value: str
    mask: Mask | None
    scale: float
    guarded: bool
    nodes: tuple[NodeProto, ...]
    last: NodeProto


def _rewrite(scope: Scope, dims: Mapping[str, Dims], graph: GraphProto) -> int:
    if scope.graph is not graph:
        return 0
    masks = Masks(dims)
    paths: list[Path] = []
    for node in scope.nodes:
        if scope.has(node) and node.op_type == "MatMul" and (heads := _fuse(scope, node, masks)) is not None:
            paths += heads.paths
    for _ in range(2 if paths else 0):  # what splits heads may be read for its shape alone
        sweep_shapes(scope)
        _sweep(scope, paths)
    if paths:
        sweep_shapes(scope)
    return len(paths) // 3


def _fuse(scope: Scope, node: NodeProto, masks: Masks) -> Heads | None:
    """Rewrite the attention whose second product `node` is, and return its heads."""
    core = _core(scope, node, masks.dims)
    if core is None:
        return None
    heads = heads_of(scope, masks.dims, (core.query, core.key, core.value))
    joined = None if heads is None else joined_heads(scope, masks.dims, core.last, heads)
    if heads is None or joined is None or (core.mask is not None and not masks.fits(core.mask, heads)):
        return None
    _write(scope, core, heads, joined, masks)
    return heads


def _core(scope: Scope, node: NodeProto, dims: Mapping[str, Dims]) -> _Core | None:
    softmax, guard = _softmax(scope, node.input[0])
    if softmax is None or not _over_keys(scope, softmax, dims):
        return None
    total = scope.part(softmax.input[0])
    options = [] if total is None else masked(scope, total)
    for name, mask in [(softmax.input[0], None), *options]:
        pattern = Pattern(scope)
        scale, factors = pattern.factors(name)
        product = scope.part(factors[0]) if len(factors) == 1 else None
        if product is not None and product.op_type == "MatMul" and scale:
            between = [total] if mask is not None and total is not None else []
            nodes = (node, softmax, *guard, *between, *pattern.nodes, product)
            return _Core(product.input[0], product.input[1], node.input[1], mask, scale, bool(guard), nodes, node)
    return None


def _softmax(scope: Scope, name: str) -> tuple[NodeProto | None, tuple[NodeProto, ...]]:
    """Return the softmax that makes a value, and the nodes after it that put zeros where it gives no numbers."""
    node = scope.part(name)
    if node is not None and node.op_type == "Softmax":
        return node, ()
    if node is None or node.op_type != "Where" or scope.scalar(node.input[1]) != 0:
        return None, ()
    test, softmax = scope.part(node.input[0]), scope.producer(node.input[2])
    if test is None or test.op_type != "IsNaN" or softmax is None or softmax.op_type != "Softmax":
        return None, ()
    alone = list(test.input) == [node.input[2]] and len(scope.readers(node.input[2])) == 2
    return (softmax, (node, test)) if alone else (None, ())


def _over_keys(scope: Scope, softmax: NodeProto, dims: Mapping[str, Dims]) -> bool:
    axis = int_attribute(softmax, "axis", -1 if scope.version >= 13 else 1)
    return axis in (-1, len(dims.get(softmax.input[0], ())) - 1)


def _write(scope: Scope, core: _Core, heads: Heads, joined: Joined, masks: Masks) -> None:
    last = joined.last
    names = heads.inputs(scope, last)
    if core.mask is not None:
        names += ["", "", masks.input(scope, core.mask, heads, names, last)]
    scope.remove([each for each in (*core.nodes, *joined.nodes) if each is not last])
    if core.guarded or joined.apart or joined.turned:
        whole = scope.fresh(f"{last.output[0]}_joined")
        made = helper.make_node(OPERATOR, names, [whole], whole, domain=MICROSOFT)
        scope.insert(last, made)
        _finish(scope, core, heads, joined, whole)
    else:
        scope.become(last, OPERATOR, names, MICROSOFT)
        made = last
    made.attribute.extend(
        [helper.make_attribute("num_heads", heads.count), helper.make_attribute("scale", core.scale * heads.scale)]
    )


def _finish(scope: Scope, core: _Core, heads: Heads, joined: Joined, name: str) -> None:
    """Put zeros where the operator gives no numbers, queries before the batch, and heads apart."""
    steps = [("Where", core.guarded), ("Transpose", joined.turned), ("Reshape", joined.apart)]
    asked = [op_type for op_type, wanted in steps if wanted]
    for op_type in asked:
        inputs, attributes = [name], list[AttributeProto]()
        if op_type == "Where":
            test, zero = scope.fresh(f"{name}_empty"), scope.store(np.array(0, np.float32), "zero")
            scope.insert(joined.last, helper.make_node("IsNaN", [name], [test], test))
            inputs = [test, zero, name]
        elif op_type == "Transpose":
            attributes.append(helper.make_attribute("perm", [1, 0, 2]))
        else:
            inputs.append(scope.store(np.array([0, 0, heads.count, heads.value_size], np.int64), "heads"))
        if op_type == asked[-1]:
            scope.become(joined.last, op_type, inputs)
            made = joined.last
        else:
            name = scope.fresh(f"{name}_{op_type.lower()}")
            made = helper.make_node(op_type, inputs, [name], name)
            scope.insert(joined.last, made)
        made.attribute.extend(attributes)


def _sweep(scope: Scope, paths: Sequence[Path]) -> None:
    """Remove what split the heads and is read no more."""
    for path in paths:
        for node, _ in path.steps:
            if scope.has(node) and not any(len(scope.readers(name)) for name in node.output):
                scope.remove([node])
