"""Walk ONNX models, external data and subgraphs included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set as AbstractSet
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it ships no types
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, numpy_helper

from ..contracts import ModelFileError
from . import weight_files

# protobuf cannot hold 2 GiB; above this, weights go to a file of their own.
LARGE_BYTES = 1_500_000_000

DEFAULT_DOMAINS = ("", "ai.onnx")
_TYPED_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
FOUR_BITS = frozenset({TensorProto.UINT4, TensorProto.INT4, TensorProto.FLOAT4E2M1})


def quoted(name: str) -> str:
    """Return a name that came from a model in quotes: cut to 80 characters, control codes escaped."""
    return repr(name if len(name) <= 80 else name[:77] + "...")


def load_structure(path: Path, name: str | None = None) -> ModelProto:
    """Read a model without its external data.

    Args:
        path: the model's file.
        name: what messages call it, where that is not the file's own name.

    Raises:
        ModelFileError: no such file, or it does not parse.
    """
    try:
        return ModelProto.FromString(path.read_bytes())
    except FileNotFoundError as missing:
        raise ModelFileError(f"there is no model at {str(path)!r}; give the path of an .onnx file") from missing
    except DecodeError as damaged:
        raise ModelFileError(
            f"{(name or path.name)!r} does not parse: it is damaged, truncated or not an ONNX model; "
            "copy or export it again"
        ) from damaged


def is_large(model: ModelProto) -> bool:
    """Tell whether the model is beyond what protobuf holds, with room to spare."""
    return are_large(weight_bytes(model))


def are_large(weights: int) -> bool:
    """Tell whether so many bytes of weights are beyond what protobuf holds, with room to spare."""
    return weights > LARGE_BYTES


def fits_protobuf(model: ModelProto) -> bool:
    """Tell whether protobuf can hold what of the model is in memory and not in files."""
    return sum(tensor_bytes(tensor) for tensor in iter_tensors(model) if _holds_values(tensor)) <= LARGE_BYTES


def _holds_values(tensor: TensorProto) -> bool:
    return tensor.HasField("raw_data") or any(len(getattr(tensor, name)) for name in _TYPED_FIELDS)


def one_line(text: str, limit: int = 300) -> str:
    """Return `text` on one printable line of at most `limit` characters."""
    flat = " ".join(text.split())
    plain = "".join(each if each.isprintable() else "?" for each in flat)
    return plain if len(plain) <= limit else plain[: limit - 3] + "..."


def iter_graphs(model: ModelProto | GraphProto) -> Iterator[GraphProto]:
    """Yield the main graph, then every graph inside an attribute of its nodes, at any depth."""
    pending = [model.graph if isinstance(model, ModelProto) else model]
    while pending:
        graph = pending.pop()
        yield graph
        pending.extend(reversed([inner for node in graph.node for inner in node_graphs(node)]))


def node_graphs(node: NodeProto) -> list[GraphProto]:
    """Return the graphs that are attributes of `node`, such as the branches of an `If`."""
    found: list[GraphProto] = []
    for attribute in node.attribute:
        if attribute.HasField("g"):
            found.append(attribute.g)
        found.extend(attribute.graphs)
    return found


def iter_nodes(model: ModelProto | GraphProto) -> Iterator[NodeProto]:
    """Yield every node, those inside subgraphs included."""
    for graph in iter_graphs(model):
        yield from graph.node


def iter_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every stored tensor: initializers, sparse ones, and attributes of nodes, in functions too."""
    for graph in iter_graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
        yield from _attribute_tensors(graph.node)
    for function in model.functions:
        yield from _attribute_tensors(function.node)
        for body in (body for node in function.node for body in node_graphs(node)):
            for inner in iter_graphs(body):
                yield from inner.initializer
                yield from _attribute_tensors(inner.node)


def _attribute_tensors(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        sparse = list(attribute.sparse_tensors)
        if attribute.HasField("sparse_tensor"):
            sparse.append(attribute.sparse_tensor)
        for each in sparse:
            yield each.values
            yield each.indices


def is_external(tensor: TensorProto) -> bool:
    """Tell whether the tensor's bytes are in another file."""
    return tensor.data_location == TensorProto.EXTERNAL


def external_location(tensor: TensorProto) -> str:
    """Return the file name that an external tensor refers to, relative to the model's folder."""
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def external_files(model: ModelProto) -> list[str]:
    """Return the names of all external-data files, sorted."""
    return sorted({external_location(tensor) for tensor in iter_tensors(model) if is_external(tensor)})


def model_bytes(path: Path) -> int:
    """Return every byte needed to load the model: the file and each external-data file it references."""
    files = external_files(load_structure(path))
    return path.stat().st_size + sum((path.parent / name).stat().st_size for name in files)


def is_large_file(path: Path) -> bool:
    """Tell whether the ONNX model at `path`, with its external data, is beyond what protobuf holds.

    What is wrong with a broken one is for whoever loads it to say.
    """
    try:
        return are_large(model_bytes(path))
    except (ModelFileError, OSError):
        return False


def elements(tensor: TensorProto) -> int:
    """Return the number of elements; a scalar has one."""
    return prod(tensor.dims)


def tensor_bytes(tensor: TensorProto) -> int:
    """Return the bytes that the tensor's values take when stored raw, wherever they are stored."""
    if tensor.data_type == TensorProto.STRING:
        return sum(len(each) for each in tensor.string_data)
    if tensor.data_type in FOUR_BITS:
        return (elements(tensor) + 1) // 2
    return elements(tensor) * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def weight_bytes(model: ModelProto) -> int:
    """Return the bytes of all stored tensors."""
    return sum(tensor_bytes(tensor) for tensor in iter_tensors(model))


def core_bytes(model: ModelProto) -> int:
    """Return the bytes of all stored tensors and nodes: what a file takes but for what it says of shapes."""
    return weight_bytes(model) + sum(map(_bare_bytes, iter_nodes(model)))


def _bare_bytes(node: NodeProto) -> int:
    """Bytes of a node without the tensors and graphs in it."""
    held = (AttributeProto.TENSOR, AttributeProto.GRAPH, AttributeProto.TENSORS, AttributeProto.GRAPHS)
    return node.ByteSize() - sum(each.ByteSize() for each in node.attribute if each.type in held)


def to_array(tensor: TensorProto) -> np.ndarray:
    """Return the tensor's values; the model must have been loaded by `load`. A scalar has shape ()."""
    extent = weight_files.extent_of(tensor)
    return numpy_helper.to_array(tensor) if extent is None else weight_files.values_of(tensor, extent)


def to_tensor(array: np.ndarray, name: str) -> TensorProto:
    """Return `array` as a tensor of the same type and shape; a 0-d array stays a scalar."""
    return weight_files.settle(numpy_helper.from_array(np.asarray(array), name))


def opset(model: ModelProto) -> int:
    """Return the version of the default operator set, 0 where none is imported."""
    return max((each.version for each in model.opset_import if each.domain in DEFAULT_DOMAINS), default=0)


def is_standard(node: NodeProto) -> bool:
    """Tell whether the node's operator is of the default domain."""
    return node.domain in DEFAULT_DOMAINS


def read_names(graph: GraphProto) -> set[str]:
    """Return every name that is read in `graph` or in a subgraph of it, or given out by one of them."""
    names: set[str] = set()
    for inner in iter_graphs(graph):
        names.update(name for node in inner.node for name in node.input)
        names.update(each.name for each in inner.output)
    return names


def delete_named(repeated: Any, names: AbstractSet[str]) -> int:
    """Delete the items with these names from a repeated protobuf field, in place; return how many went."""
    indices = [index for index, item in enumerate(repeated) if item_name(item) in names]
    for index in reversed(indices):
        del repeated[index]
    return len(indices)


def item_name(item: Any) -> str:
    """Return the name of a tensor, sparse tensor, value or node."""
    return str(item.values.name if isinstance(item, SparseTensorProto) else item.name)
