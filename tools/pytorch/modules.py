"""Turn the calls of an exported program back into modules, which libraries that work on modules need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule, Node
from torch.utils import _pytree as pytree

from .editor import Call
from .feeds import Calls, input_names

aten = torch.ops.aten

_CONVOLUTIONS: Mapping[Any, type[nn.Module]] = {
    aten.conv1d.default: nn.Conv1d,
    aten.conv2d.default: nn.Conv2d,
    aten.conv3d.default: nn.Conv3d,
}
_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
_DEFAULTS: tuple[Any, ...] = ([1], [0], [1], 1)


def modular(program: ExportedProgram) -> GraphModule:
    """Return a module that computes what `program` does, whose convolutions, linear layers and norms are modules.

    They are named like the calls; their parameters are copies.
    """
    graph_module: Any = program.module(check_guards=False)
    for node in list(graph_module.graph.nodes):
        made = _module(graph_module, node) if node.op == "call_function" else None
        if made is None:
            continue
        graph_module.add_submodule(node.name, made)
        with graph_module.graph.inserting_before(node):
            call = graph_module.graph.call_module(node.name, (node.args[0],))
        call.meta = dict(node.meta)
        node.replace_all_uses_with(call)
        graph_module.graph.erase_node(node)
    graph_module.graph.eliminate_dead_code()
    # A new one, because modules made from programs refuse to change between training and evaluation.
    return GraphModule(graph_module, graph_module.graph)


def _module(owner: GraphModule, node: Call) -> nn.Module | None:
    """Return the module of one call; None where it stays a call."""
    if node.target in _CONVOLUTIONS:
        return _convolution(owner, node)
    if node.target is aten.linear.default:
        weight, bias = _values(owner, node.args[1:3])
        if weight is None:
            return None
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        return _filled(layer, weight=weight, bias=bias)
    return _norm(owner, node) if node.target is aten.batch_norm.default else None


def _convolution(owner: GraphModule, node: Call) -> nn.Module | None:
    weight, bias = _values(owner, (*node.args[1:3], None)[:2])
    if weight is None:
        return None
    given: list[Any] = [*node.args[3:], *_DEFAULTS[len(node.args[3:]) :]]
    stride, padding, dilation, groups = given
    sizes = [tuple(each) * (weight.ndim - 2 if len(each) == 1 else 1) for each in (stride, padding, dilation)]
    made: Any = _CONVOLUTIONS[node.target]
    layer = made(weight.shape[1] * groups, weight.shape[0], tuple(weight.shape[2:]), *sizes, groups, bias is not None)
    return _filled(layer, weight=weight, bias=bias)


def _norm(owner: GraphModule, node: Call) -> nn.Module | None:
    _, gamma, beta, mean, variance, training, _, epsilon, *_ = node.args
    values = _values(owner, (gamma, beta, mean, variance))
    fake = node.args[0].meta.get("val")
    if training or values[2] is None or values[3] is None or not isinstance(fake, torch.Tensor):
        return None
    layer = _NORMS[fake.ndim](values[2].numel(), eps=float(epsilon), affine=values[0] is not None)
    return _filled(layer, weight=values[0], bias=values[1], running_mean=values[2], running_var=values[3])


def _values(owner: GraphModule, nodes: tuple[Any, ...]) -> list[torch.Tensor | None]:
    return [_value(owner, node) if isinstance(node, Node) and node.op == "get_attr" else None for node in nodes]


def _value(owner: GraphModule, node: Call) -> torch.Tensor:
    value: Any = owner
    for part in str(node.target).split("."):
        value = getattr(value, part)
    return value.detach()


def _filled(layer: nn.Module, **values: torch.Tensor | None) -> nn.Module:
    with torch.no_grad():
        for name, value in values.items():
            if value is not None:
                getattr(layer, name).copy_(value)
    return layer.eval()


def free_axes(program: ExportedProgram) -> dict[str, tuple[int, ...]]:
    """Return input name → its axes of free size."""
    names = set(input_names(program))
    return {
        node.name: tuple(axis for axis, size in enumerate(node.meta["val"].shape) if isinstance(size, torch.SymInt))
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in names and isinstance(node.meta.get("val"), torch.Tensor)
    }


def exported_again(module: nn.Module, program: ExportedProgram) -> ExportedProgram:
    """Export `module`, made from `program`, with the same axes free."""
    assert program.example_inputs is not None
    axes = [free_axes(program).get(name, ()) for name in input_names(program)]
    flat, spec = pytree.tree_flatten(program.example_inputs)
    long = [grown(value, free) for value, free in zip(flat, axes, strict=True)]
    args, kwargs = pytree.tree_unflatten(long, spec)
    shapes = pytree.tree_unflatten([dict.fromkeys(free, Dim.AUTO) for free in axes], spec)
    given = shapes[0] if not kwargs else _by_name(module, shapes)
    return torch.export.export(module, tuple(args), dict(kwargs), dynamic_shapes=given)


def grown(value: Any, axes: tuple[int, ...]) -> Any:
    """Return `value` with those of `axes` longer that have size one: export takes one for fixed."""
    for axis in axes:
        if value.shape[axis] == 1:
            value = value.repeat_interleave(2, axis)
    return value


def _by_name(module: Any, shapes: Any) -> dict[str, Any]:
    names = [node.target for node in module.graph.nodes if node.op == "placeholder"]
    args, kwargs = shapes
    return {**dict(zip(names, args, strict=False)), **kwargs}


def batched(program: ExportedProgram, calls: Calls, size: int) -> Calls:
    """Return fewer calls with up to `size` samples each, where every input's first axis is free; else `calls`."""
    if not calls or not all(0 in axes for axes in free_axes(program).values()):
        return calls
    joined: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    for start in range(0, len(calls), size):
        part = [pytree.tree_flatten(call) for call in calls[start : start + size]]
        try:
            rows = [torch.cat(values) for values in zip(*(flat for flat, _ in part), strict=True)]
        except RuntimeError:  # samples of different lengths
            return calls
        args, kwargs = pytree.tree_unflatten(rows, part[0][1])
        joined.append((args, kwargs))
    return joined
