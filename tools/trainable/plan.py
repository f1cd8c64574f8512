"""A graph made ready to be executed: each node with its function and its attributes, read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, helper

from ...contracts import ToolError
from ..onnx_model import DEFAULT_DOMAINS, node_graphs, quoted
from .call import DTYPES, Call
from .operators import LIMITS, OPERATORS
from .registry import Function, Key
from .weights import graphs_of, held_tensors, is_constant

_BODIES = {"If": ("then_branch", "else_branch"), "Loop": ("body",)}


@dataclass(frozen=True)
class Step:
    """One node. `reads`: every name it needs, those that its bodies take from around them included."""

    function: Function
    call: Call
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reads: frozenset[str]
    bodies: Mapping[str, Plan] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """One graph; `index` is its place in `weights.graphs_of`."""

    index: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]


def plan_of(model: ModelProto, double: bool = False) -> Plan:
    """Return the plan of the model's graph.

    Raises:
        ToolError: something in it is not computed with in torch; the message names all of it.
    """
    if lacking := unsupported(model):
        raise ToolError(f"not computed with in torch: {', '.join(lacking)}")
    return _plan(model.graph, _Reading(_versions(model), double, count()))


def unsupported(model: ModelProto) -> tuple[str, ...]:
    """Return what keeps the model from being executed in torch, in words that name operators; empty if nothing."""
    found = set[str]()
    versions = _versions(model)
    for graph in graphs_of(model):
        found.update(f"the sparse weight {quoted(each.values.name)}" for each in graph.sparse_initializer)
        for node in graph.node:
            if not is_constant(node) and (reason := _lack(node, versions)):
                found.add(reason)
    for held in held_tensors(model):
        if held.kind not in DTYPES:
            found.add(f"element type {held.kind} of {quoted(held.name)}")
    return tuple(sorted(found))


def _versions(model: ModelProto) -> dict[str, int]:
    return {_domain(each.domain): each.version for each in model.opset_import}


def _domain(name: str) -> str:
    return "" if name in DEFAULT_DOMAINS else name


def _key(node: NodeProto) -> Key:
    return _domain(node.domain), node.op_type


def _lack(node: NodeProto, versions: Mapping[str, int]) -> str | None:
    key = _key(node)
    label = quoted(node.op_type)[1:-1] if not key[0] else f"{quoted(node.op_type)[1:-1]} of {quoted(node.domain)}"
    if key not in OPERATORS:
        return label
    if any(node_graphs(node)) and node.op_type not in _BODIES:
        return f"{label} with a body"
    if any(each not in {a.name for a in node.attribute if a.HasField("g")} for each in _BODIES.get(node.op_type, ())):
        return f"{label} without its body"
    if key in LIMITS and (reason := LIMITS[key](_call(node, versions, False))):
        return f"{label}, of which {reason}"
    return None


def _call(node: NodeProto, versions: Mapping[str, int], double: bool) -> Call:
    named = [bool(name) for name in node.output]
    return Call(
        op=node.op_type,
        name=node.name,
        version=versions.get(_domain(node.domain), 1),
        outputs=max((index + 1 for index, each in enumerate(named) if each), default=0),
        given=tuple(bool(name) for name in node.input),
        attributes={
            each.name: helper.get_attribute_value(each)
            for each in node.attribute
            if each.type not in (AttributeProto.GRAPH, AttributeProto.GRAPHS)
        },
        double=double,
    )


@dataclass(frozen=True)
class _Reading:
    """What holds for all of a model; `places` counts graphs in the order of `weights.graphs_of`."""

    versions: Mapping[str, int]
    double: bool
    places: Iterator[int]


def _plan(graph: GraphProto, reading: _Reading) -> Plan:
    index = next(reading.places)
    steps = [_step(node, reading) for node in graph.node if not is_constant(node)]
    held = {each.name for each in graph.initializer}
    return Plan(
        index,
        tuple(each.name for each in graph.input if each.name not in held),
        tuple(each.name for each in graph.output),
        tuple(steps),
    )


def _step(node: NodeProto, reading: _Reading) -> Step:
    bodies = {each.name: _plan(each.g, reading) for each in node.attribute if each.type == AttributeProto.GRAPH}
    return Step(
        OPERATORS[_key(node)],
        _call(node, reading.versions, reading.double),
        tuple(node.input),
        tuple(node.output),
        frozenset(_reads(node)),
        bodies,
    )


def _reads(node: NodeProto) -> set[str]:
    """Names made inside are among them too, which does no harm: nothing outside is called so."""
    found = {name for name in node.input if name}
    for body in node_graphs(node):
        found.update(name for inner in body.node for name in _reads(inner))
        found.update(each.name for each in body.output)
    return found
