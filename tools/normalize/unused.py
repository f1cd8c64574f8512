"""Drop initializers that nothing reads, such as the sources of folded weights."""

from __future__ import annotations

from onnx import ModelProto

from ..onnx_model import delete_named, item_name, iter_graphs, read_names


def drop_unused(model: ModelProto) -> str | None:
    """Drop in place; return a note, or None where every initializer is read."""
    count = 0
    for graph in iter_graphs(model):
        read = read_names(graph)
        for stored in (graph.initializer, graph.sparse_initializer):
            count += delete_named(stored, {item_name(each) for each in stored} - read)
    return f"{count} unused initializers dropped" if count else None
