"""Put nodes after what they read: converters append casts at the end of the list, for onnxruntime sorts at load."""

from __future__ import annotations

import heapq

from onnx import GraphProto, ModelProto, NodeProto

from ...contracts import ModelFileError
from ..onnx_model import iter_graphs, node_graphs, quoted, read_names


def sort_nodes(model: ModelProto) -> str | None:
    """Sort every graph in place, moving no node that need not move; return a note, or None where all were sorted.

    Raises:
        ModelFileError: nodes that wait for each other.
    """
    moved = 0
    for graph in iter_graphs(model):
        order = _order(graph)
        if order != sorted(order):
            nodes = [graph.node[index] for index in order]
            moved += sum(place != index for place, index in enumerate(order))
            del graph.node[:]
            graph.node.extend(nodes)
    return f"{moved} nodes put after what they read" if moved else None


def _order(graph: GraphProto) -> list[int]:
    """Return the positions of the nodes in an order in which each comes after what it reads."""
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    waits = [{makers[name] for name in _reads(node) if name in makers} for node in graph.node]
    readers: list[list[int]] = [[] for _ in graph.node]
    for index, sources in enumerate(waits):
        for source in sources:
            readers[source].append(index)
    left = [len(sources) for sources in waits]
    ready = [index for index, count in enumerate(left) if not count]
    order: list[int] = []
    while ready:
        order.append(heapq.heappop(ready))
        for reader in readers[order[-1]]:
            left[reader] -= 1
            if not left[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(left):
        stuck = next(graph.node[index] for index, count in enumerate(left) if count)
        raise ModelFileError(
            f"node {quoted(stuck.name or stuck.op_type)} waits for its own answer: the graph has a cycle, "
            "so it cannot be run; export the model again"
        )
    return order


def _reads(node: NodeProto) -> set[str]:
    """Return the names that a node reads, those that its subgraphs take from outside included."""
    return {*node.input, *(name for inner in node_graphs(node) for name in read_names(inner))}
