"""Store equal weights once.

Before: initializers of equal type, shape and bytes, in one graph or in several, such as the weight that both branches
of an `If` hold. After: one of them, in the main graph when several graphs read it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto

from .. import weight_files
from ..onnx_model import delete_named, iter_graphs, tensor_bytes, to_array

# Below this a name of its own costs as much as the values.
MIN_BYTES = 1024

T = TypeVar("T")
Key = tuple[str, tuple[int, ...], bytes]


def content_key(array: np.ndarray) -> Key:
    """Return what two equal arrays have in common: type, shape and a digest of the values."""
    return str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).digest()


def equal_ones(items: Iterable[T], tensor_of: Callable[[T], TensorProto]) -> Iterator[list[T]]:
    """Yield those of `items` whose tensors are equal, in groups of two or more.

    Most weights differ in type, shape or their first values, so that few have to be read as a whole.
    """
    for alike in _groups(items, lambda each: _first_look(tensor_of(each))):
        yield from _groups(alike, lambda each: content_key(to_array(tensor_of(each))))


def _groups(items: Iterable[T], key: Callable[[T], Hashable]) -> Iterator[list[T]]:
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for each in items:
        groups[key(each)].append(each)
    return (group for group in groups.values() if len(group) > 1)


def _first_look(tensor: TensorProto) -> Hashable:
    extent = weight_files.extent_of(tensor)
    start = weight_files.start_of(extent, MIN_BYTES) if extent else tensor.raw_data[:MIN_BYTES]
    return tensor.data_type, tuple(tensor.dims), start if extent or tensor.HasField("raw_data") else None


def share_equal(model: ModelProto) -> str | None:
    """Rewrite in place; return a note, or None where no two initializers are equal."""
    found: list[tuple[GraphProto, TensorProto]] = []
    for graph in iter_graphs(model):
        public = {each.name for inner in iter_graphs(graph) for each in (*inner.input, *inner.output)}
        for tensor in graph.initializer:
            if tensor.name not in public and tensor_bytes(tensor) >= MIN_BYTES:
                found.append((graph, tensor))
    taken = {each for graph in iter_graphs(model) for each in _defined(graph)}
    equal = list(equal_ones(found, lambda each: each[1]))
    for group in equal:
        _merge(model.graph, group, taken)
    count = sum(len(group) - 1 for group in equal)
    return f"{count} weights that were stored twice are shared" if count else None


def _merge(main: GraphProto, group: list[tuple[GraphProto, TensorProto]], taken: set[str]) -> None:
    home, kept = next(((graph, tensor) for graph, tensor in group if graph is main), group[0])
    name = kept.name
    if home is not main:
        name = _fresh(kept.name, taken)
        moved = main.initializer.add()
        moved.CopyFrom(kept)
        moved.name = name
    for graph, tensor in group:
        old = tensor.name
        if graph is main and old == name:
            continue
        _rename_reads(graph, old, name)
        delete_named(graph.initializer, {old})


def _rename_reads(graph: GraphProto, old: str, new: str) -> None:
    for inner in iter_graphs(graph):
        for node in inner.node:
            for index, name in enumerate(node.input):
                if name == old:
                    node.input[index] = new


def _defined(graph: GraphProto) -> set[str]:
    names = {each.name for each in (*graph.initializer, *graph.input, *graph.output)}
    names.update(name for node in graph.node for name in node.output)
    return names


def _fresh(base: str, taken: set[str]) -> str:
    count = 1
    while (name := f"{base}_shared{count}") in taken:
        count += 1
    taken.add(name)
    return name
