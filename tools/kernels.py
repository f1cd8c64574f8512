"""Which operators the installed onnxruntime can run on the CPU, from its own registry of kernels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import onnx
from onnx import ModelProto, NodeProto

from .onnx_model import is_standard, iter_nodes, opset

_PROVIDER = "CPUExecutionProvider"

# (domain, operator) → (first version, last version) of each kernel.
_Kernels = dict[tuple[str, str], list[tuple[int, int]]]


@cache
def _registry() -> tuple[_Kernels, int]:
    """Return the kernels of the CPU, and the newest version of the default operator set."""
    state: Any = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    kernels: _Kernels = defaultdict(list)
    for each in state.get_all_opkernel_def():
        if each.provider == _PROVIDER:
            kernels[each.domain, each.op_name].append(each.version_range)
    newest = max(each.since_version for each in state.get_all_operator_schema() if not each.domain)
    return dict(kernels), int(newest)


def newest_opset() -> int:
    """Return the newest version of the default operator set that the runtime knows."""
    return _registry()[1]


def unsupported_operators(model: ModelProto) -> tuple[str, ...]:
    """Return the operators that have no CPU kernel at the model's versions, as `Name` or `domain:Name`.

    Operators that the model or the specification defines as functions of others are not counted; a kernel that
    lacks only a type shows when the model is loaded.
    """
    own = {(each.domain, each.name) for each in model.functions}
    versions = {each.domain: each.version for each in model.opset_import} | {"": opset(model)}
    foreign = (node for node in iter_nodes(model) if (node.domain, node.op_type) not in own)
    return tuple(sorted({_label(node) for node in foreign if not _runs(node, versions)}))


def _label(node: NodeProto) -> str:
    return node.op_type if is_standard(node) else f"{node.domain}:{node.op_type}"


def _runs(node: NodeProto, versions: dict[str, int]) -> bool:
    if node.op_type == "Constant" and is_standard(node):
        return True  # becomes an initializer when the model is loaded
    domain = "" if is_standard(node) else node.domain
    ranges = _registry()[0].get((domain, node.op_type), [])
    since = _since(node.op_type, domain, versions.get(domain, 1))
    if since is None:
        return bool(ranges)  # an operator of the runtime's own, which the specification does not know
    return any(first <= since <= last for first, last in ranges) or _is_function(node.op_type, domain, since)


def _since(op_type: str, domain: str, version: int) -> int | None:
    try:
        return int(onnx.defs.get_schema(op_type, version, domain).since_version)
    except onnx.defs.SchemaError:
        return None


def _is_function(op_type: str, domain: str, version: int) -> bool:
    schema: Any = onnx.defs.get_schema(op_type, version, domain)
    return bool(schema.has_function or schema.has_context_dependent_function)


def kernel_types(op_type: str, domain: str = "") -> Iterator[str]:
    """Yield the element types for which the newest kernel of an operator exists, such as `float`."""
    state: Any = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    for each in state.get_all_opkernel_def():
        if (each.provider, each.domain, each.op_name) == (_PROVIDER, domain, op_type):
            for types in each.type_constraints.values():
                yield from (name.removeprefix("tensor(").removesuffix(")") for name in types)
