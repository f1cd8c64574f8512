"""Bound what a model's structure claims, before anything is computed from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from ..contracts import ModelFileError
from .onnx_model import (
    FOUR_BITS,
    elements,
    external_location,
    is_external,
    iter_graphs,
    iter_nodes,
    iter_tensors,
    node_graphs,
    quoted,
    tensor_bytes,
)

MAX_NODES = 200_000
MAX_TENSORS = 200_000
MAX_NESTING = 16
MAX_RANK = 32

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training", "com.microsoft"})
# Layouts that onnxruntime writes for the machine it optimized on.
MACHINE_DOMAINS = frozenset({"com.microsoft.nchwc", "com.ms.internal.nhwc"})

_COMPLEX = {TensorProto.COMPLEX64, TensorProto.COMPLEX128}
# Where a tensor keeps values that are not raw: type → field (onnx.proto, TensorProto).
_FIELD_OF: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.COMPLEX64: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.COMPLEX128: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.UINT64: "uint64_data",
    TensorProto.STRING: "string_data",
}


def check_structure(model: ModelProto, file_bytes: Mapping[str, int]) -> tuple[int, int]:
    """Check counts, nesting, operators and every tensor; return the numbers of nodes and tensors.

    Args:
        model: parsed without its external data.
        file_bytes: external-data file → its bytes.

    Raises:
        ModelFileError: one line about the first thing that is wrong.
    """
    if not model.HasField("graph") or not model.graph.node:
        raise ModelFileError("the model holds no operators; it is damaged or not ONNX, export it again")
    _check_nesting(model.graph)
    nodes = sum(1 for _ in iter_nodes(model)) + sum(len(each.node) for each in model.functions)
    tensors = list(iter_tensors(model))
    for what, count, limit in (("nodes", nodes, MAX_NODES), ("tensors", len(tensors), MAX_TENSORS)):
        if count > limit:
            raise ModelFileError(f"the model has {count:,} {what}, more than the limit of {limit:,}; simplify it first")
    check_operators(model)
    for tensor in tensors:
        _check_tensor(tensor, file_bytes)
    return nodes, len(tensors)


def check_text(model: ModelProto) -> None:
    """Refuse names that are not UTF-8, for which protobuf hands out bytes where text is declared.

    Raises:
        ModelFileError: such a name, wherever tools would read it.
    """
    if any(isinstance(text, bytes) for text in _texts(model)):
        raise ModelFileError("a name in the model is not readable text; it is damaged, copy or export it again")


def _texts(model: ModelProto) -> Iterator[object]:
    yield from (model.producer_name, model.producer_version, model.domain)
    yield from (each.domain for each in model.opset_import)
    for graph in iter_graphs(model):
        yield graph.name
        for value in (*graph.input, *graph.output, *graph.value_info):
            yield value.name
            yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
        yield from _node_texts(graph.node)
    for function in model.functions:
        yield from (function.domain, function.name, *function.input, *function.output)
        yield from _node_texts(function.node)
    for tensor in iter_tensors(model):
        yield tensor.name
        yield from (part for entry in tensor.external_data for part in (entry.key, entry.value))


def _node_texts(nodes: Iterable[NodeProto]) -> Iterator[object]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (each.name for each in node.attribute)


def _check_nesting(graph: GraphProto) -> None:
    level, depth = [graph], 0
    while level:
        depth += 1
        if depth > MAX_NESTING:
            raise ModelFileError(f"subgraphs are nested deeper than {MAX_NESTING} levels; simplify the model first")
        level = [inner for each in level for node in each.node for inner in node_graphs(node)]


def check_operators(model: ModelProto) -> None:
    """Refuse operators that no stock session on another machine has.

    Raises:
        ModelFileError: a custom operator, or one of a layout made for one machine.
    """
    own = {(each.domain, each.name) for each in model.functions}
    bodies = (node for function in model.functions for node in function.node)
    for node in (*iter_nodes(model), *bodies):
        if node.domain in MACHINE_DOMAINS:
            raise ModelFileError(
                f"operator {quoted(node.op_type)} is of {quoted(node.domain)}: the file was optimized for one machine; "
                "give the model that it was made from"
            )
        if node.domain not in STANDARD_DOMAINS and (node.domain, node.op_type) not in own:
            raise ModelFileError(
                f"operator {quoted(node.op_type)} of domain {quoted(node.domain)} is a custom operator, and operator "
                "libraries are not loaded; export the model with standard operators"
            )


def _check_tensor(tensor: TensorProto, file_bytes: Mapping[str, int]) -> None:
    name = f"tensor {quoted(tensor.name)}"
    if tensor.data_type not in TensorProto.DataType.values() or tensor.data_type == TensorProto.UNDEFINED:
        raise ModelFileError(f"{name} has the unknown element type {tensor.data_type}; export the model again")
    if len(tensor.dims) > MAX_RANK or any(size < 0 for size in tensor.dims):
        raise ModelFileError(f"{name} has an impossible shape; the model is damaged, export it again")
    if is_external(tensor):
        _check_external(tensor, name, file_bytes)
    else:
        _check_stored(tensor, name)


def _check_stored(tensor: TensorProto, name: str) -> None:
    if tensor.HasField("raw_data"):
        present, claimed, unit = len(tensor.raw_data), tensor_bytes(tensor), "bytes"
    else:
        field = _FIELD_OF.get(tensor.data_type, "int32_data")
        per_element = 2 if tensor.data_type in _COMPLEX else 1
        present, claimed, unit = len(getattr(tensor, field)), elements(tensor) * per_element, "values"
        if tensor.data_type in FOUR_BITS:
            claimed = (claimed + 1) // 2
    if present != claimed:
        raise ModelFileError(f"{name} claims {claimed:,} {unit} and holds {present:,}; the model is damaged")


def _check_external(tensor: TensorProto, name: str, file_bytes: Mapping[str, int]) -> None:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    claimed = tensor_bytes(tensor)
    available = file_bytes[external_location(tensor)]
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", claimed))
    except ValueError as error:
        raise ModelFileError(f"{name} has an external offset or length that is no number; export it again") from error
    if offset < 0 or length != claimed or offset + length > available:
        raise ModelFileError(
            f"{name} claims {claimed:,} bytes at {offset:,} of an external file of {available:,} bytes; "
            "the data are truncated or belong to another model"
        )
