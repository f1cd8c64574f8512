"""Write attention of several heads as the one operator that the runtime has for it.

Before: `Softmax(Q·Kᵀ · scale + mask) · V` for each head, heads split and joined by whatever moves elements (`Reshape`,
`Transpose`, `Split`, `Gather` …), the scale anywhere on the way. After: `MultiHeadAttention` of `com.microsoft` on Q, K
and V of three dimensions, after a `Split` where they come out of one product. A mask that is added must broadcast to
(batch, heads, queries, keys); it is spread over the queries once for all layers.

On the CPU (1.32) it saves passes over memory and a dozen nodes a layer: 1.02 to 1.1 times the speed on encoders of 192
to 768 channels and 16 to 197 tokens; none became slower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, helper

from ..onnx_model import iter_nodes
from ..quantize.graphs import int_attribute
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
        last: makes what the heads give.
    """

    query: str
    key: str
    value: str
    mask: str
    scale: float
    nodes: tuple[NodeProto, ...]
    last: NodeProto


@dataclass
class _Shared:
    """What several layers read: masks spread over the queries, by mask and sizes."""

    dims: Mapping[str, Dims]
    masks: dict[tuple[str, int | str, int | str], str] = field(
        default_factory=dict[tuple[str, int | str, int | str], str]
    )


def _rewrite(scope: Scope, dims: Mapping[str, Dims], graph: GraphProto) -> int:
    if scope.graph is not graph:
        return 0
    shared = _Shared(dims)
    count = sum(_fuse(scope, node, shared) for node in scope.nodes if scope.has(node) and node.op_type == "MatMul")
    if count:
        sweep_shapes(scope)
    return count


def _fuse(scope: Scope, node: NodeProto, shared: _Shared) -> bool:
    """Rewrite the attention whose second product `node` is."""
    core = _core(scope, node, shared.dims)
    if core is None:
        return False
    heads = heads_of(scope, shared.dims, (core.query, core.key, core.value))
    joined = None if heads is None else joined_heads(scope, shared.dims, core.last, heads)
    if heads is None or joined is None or not _broadcasts(core.mask, heads, shared.dims):
        return False
    _write(scope, core, heads, joined, shared)
    return True


def _core(scope: Scope, node: NodeProto, dims: Mapping[str, Dims]) -> _Core | None:
    softmax = scope.part(node.input[0])
    if softmax is None or softmax.op_type != "Softmax" or not _over_keys(scope, softmax, dims):
        return None
    pattern = Pattern(scope)
    pattern.nodes += [node, softmax]
    mask, total = "", pattern.scope.part(softmax.input[0])
    names = [softmax.input[0]]
    if total is not None and total.op_type == "Add":
        names = list(total.input)
        pattern.nodes.append(total)
    for name in names:
        mark = len(pattern.nodes)
        scale, factors = pattern.factors(name)
        product = scope.part(factors[0]) if len(factors) == 1 else None
        if product is not None and product.op_type == "MatMul" and scale:
            mask = "" if len(names) == 1 else names[1 - names.index(name)]
            nodes = (*pattern.nodes, product)
            return _Core(product.input[0], product.input[1], node.input[1], mask, scale, nodes, node)
        del pattern.nodes[mark:]
    return None


def _over_keys(scope: Scope, softmax: NodeProto, dims: Mapping[str, Dims]) -> bool:
    axis = int_attribute(softmax, "axis", -1 if scope.version >= 13 else 1)
    return axis in (-1, len(dims.get(softmax.input[0], ())) - 1)


def _broadcasts(mask: str, heads: Heads, dims: Mapping[str, Dims]) -> bool:
    """Tell whether a mask fits, as far as the kernel does not see to that itself."""
    if not mask:
        return True
    own = dims.get(mask)
    if own is None or len(own) > 4 or not own:
        return False
    batch, count, queries, _ = (1,) * (4 - len(own)) + own
    return batch in (1, heads.batch) and count in (1, heads.count) and queries in (1, heads.queries)


def _write(scope: Scope, core: _Core, heads: Heads, joined: Joined, shared: _Shared) -> None:
    last = joined.last
    names = heads.inputs(scope, last)
    if core.mask:
        names += ["", "", _spread(scope, core.mask, heads, names, last, shared)]
    scope.remove([each for each in (*core.nodes, *joined.nodes) if each is not last])
    if joined.apart:
        whole = scope.fresh(f"{last.output[0]}_joined")
        made = helper.make_node(OPERATOR, names, [whole], whole, domain=MICROSOFT)
        scope.insert(last, made)
        target = scope.store(np.array([0, 0, heads.count, heads.value_size], np.int64), "heads")
        scope.become(last, "Reshape", [whole, target])
    else:
        scope.become(last, OPERATOR, names, MICROSOFT)
        made = last
    made.attribute.extend(
        [helper.make_attribute("num_heads", heads.count), helper.make_attribute("scale", core.scale * heads.scale)]
    )
    _sweep(scope, heads.paths)


def _sweep(scope: Scope, paths: tuple[Path, ...]) -> None:
    """Remove what split the heads and is read no more."""
    for path in paths:
        for node, _ in path.steps:
            if scope.has(node) and not any(len(scope.readers(name)) for name in node.output):
                scope.remove([node])


def _spread(scope: Scope, mask: str, heads: Heads, names: list[str], before: NodeProto, shared: _Shared) -> str:
    """Return the mask with as many queries and keys as there are, which the kernel asks for."""
    own = shared.dims[mask]
    if len(own) == 4 and own[2:] == (heads.queries, heads.keys):
        return mask
    key = (mask, heads.queries, heads.keys)
    if key not in shared.masks:
        spread = scope.fresh(f"{mask}_spread")
        target = _target(scope, heads, names, before)
        scope.insert(before, helper.make_node("Expand", [mask, target], [spread], spread))
        shared.masks[key] = spread
    return shared.masks[key]


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
