"""Give every node a name of its own, subgraphs included; sensitivity tables and `keep` lists tell nodes apart by it."""

from __future__ import annotations

from onnx import ModelProto

from ..onnx_model import iter_nodes


def name_nodes(model: ModelProto) -> str | None:
    """Name in place, keeping the first use of every name; return a note, or None where all were unique."""
    taken = {node.name for node in iter_nodes(model)}
    seen: set[str] = set()
    renamed = 0
    for index, node in enumerate(iter_nodes(model)):
        if not node.name or node.name in seen:
            node.name = _fresh(node.name or f"{node.op_type}_{index}", taken)
            taken.add(node.name)
            renamed += 1
        seen.add(node.name)
    return f"{renamed} nodes named" if renamed else None


def _fresh(base: str, taken: set[str]) -> str:
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    return name
