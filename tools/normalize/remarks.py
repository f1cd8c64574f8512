"""Drop what exporters noted beside the graph: stack traces, class hierarchies, documentation of nodes and tensors.

Nothing reads them at run time, and they can be a quarter of a file. What is said of the model as a whole stays,
because applications keep class names and the like there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onnx import ModelProto

from ..onnx_model import iter_graphs

_FIELDS = ("doc_string", "metadata_props")


def drop_remarks(model: ModelProto) -> str | None:
    """Drop in place; return a note, or None where there was nothing to drop."""
    dropped = 0
    for part in _parts(model):
        for name in _FIELDS:
            dropped += _bytes(getattr(part, name))
            part.ClearField(name)
    return f"{dropped} bytes of exporter's remarks dropped" if dropped else None


def _parts(model: ModelProto) -> Iterator[Any]:
    for graph in iter_graphs(model):
        yield graph
        yield from (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
        yield from graph.node


def _bytes(field: Any) -> int:
    if isinstance(field, str):
        return len(field.encode())
    return sum(each.ByteSize() for each in field)
