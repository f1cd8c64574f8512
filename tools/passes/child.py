"""The process in which onnxoptimizer and onnxslim work, whose passes may loop or crash on odd graphs.

`python child.py FOLDER` reads `task.json` (`passes`: pairs of carrier and name) and `model.onnx`, applies pass after
pass and writes a line to `progress` before and after each: `begin NAME`, then `same NAME` or `done NAME`, where
`NNN.onnx` holds the result, NNN the number of the pass. It imports nothing of shipfit, so that it starts quickly.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import onnx

# onnxslim's passes that are no patterns but stages of it.
_STAGES = ("dead_node_elimination", "subexpression_elimination", "weight_tying")


def _optimize(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    import onnxoptimizer  # type: ignore[import-untyped]

    idle = _unread(model.graph)
    made: onnx.ModelProto = onnxoptimizer.optimize(model, [name])
    _tidy(made.graph, idle)
    return made


def _unread(graph: onnx.GraphProto) -> set[str]:
    read = {name for inner in _graphs(graph) for node in inner.node for name in node.input}
    read.update(each.name for inner in _graphs(graph) for each in inner.output)
    return {name for node in graph.node for name in node.output} - read


def _tidy(graph: onnx.GraphProto, idle: set[str]) -> None:
    """Drop what a fusion replaced and left as dead ends; those that were `idle` before are another pass's business."""
    while dead := _unread(graph) - idle:
        nodes = [node for node in graph.node if not dead.issuperset(node.output)]
        if len(nodes) == len(graph.node):
            return
        kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(kept)


def _slim(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    import onnxslim  # type: ignore[import-untyped]
    from onnxslim.core.pattern.registry import DEFAULT_FUSION_PATTERNS  # type: ignore[import-untyped]

    kept = name if name in _STAGES else "graph_fusion"
    stages = [each for each in ("constant_folding", "graph_fusion", *_STAGES) if each != kept]
    patterns: list[str] = [each for each in DEFAULT_FUSION_PATTERNS if each != name]
    options: dict[str, Any] = {"skip_optimizations": stages, "skip_fusion_patterns": patterns}
    return cast("onnx.ModelProto", onnxslim.slim(model, **options))


_CARRIERS: dict[str, Callable[[onnx.ModelProto, str], onnx.ModelProto]] = {
    "onnxoptimizer": _optimize,
    "onnxslim": _slim,
}


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)


def _shape(model: onnx.ModelProto) -> tuple[Counter[Any], Counter[Any]]:
    """Operators with their numbers of inputs and outputs, and types and sizes of the initializers."""
    nodes = (
        (node.domain, node.op_type, len(node.input), len(node.output))
        for graph in _graphs(model.graph)
        for node in graph.node
    )
    tensors = ((tensor.data_type, *tensor.dims) for graph in _graphs(model.graph) for tensor in graph.initializer)
    return Counter(nodes), Counter(tensors)


def main(folder: Path) -> None:
    """Apply the passes of the task."""
    model = onnx.load(folder / "model.onnx")
    with (folder / "progress").open("w", buffering=1) as progress:
        for number, (carrier, name) in enumerate(json.loads((folder / "task.json").read_text())["passes"]):
            progress.write(f"begin {name}\n")
            given = onnx.ModelProto.FromString(model.SerializeToString())
            changed = _CARRIERS[carrier](given, name)
            if _shape(changed) == _shape(model):
                progress.write(f"same {name}\n")
                continue
            model = changed
            (folder / f"{number:03}.onnx").write_bytes(model.SerializeToString())
            progress.write(f"done {name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
