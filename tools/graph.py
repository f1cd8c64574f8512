"""Rewrite the graph with onnxruntime's passes that hold on any machine, and save the result.

Only levels `basic` and `extended` are used; what the runtime lays out for one machine's vector width is level
`layout`, which never reaches a file. See https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto

from ..contracts import DataView, Limits, ModelFileError, NoOpError, OptimizeGraphStep, StepReport, ToolError
from .bounds import check_operators
from .context import MODEL_FILE
from .default_attributes import drop_defaults
from .graph_passes import CONSTANT_PASSES, FUSION_PASSES, LEFT_TO_THE_RUNTIME
from .hard_swish import fuse_hard_swish
from .inspect import stores_small
from .normalize.domains import unify_domains
from .normalize.equivalence import Equivalence
from .normalize.names import name_nodes
from .normalize.unused import drop_unused
from .onnx_model import (
    LARGE_BYTES,
    external_files,
    is_standard,
    iter_graphs,
    iter_nodes,
    load,
    load_structure,
    model_bytes,
    opset,
    quoted,
    save,
    to_array,
    weight_bytes,
)
from .session import open_session, session_options

_GROWTH = 1.02
_SLACK_BYTES = 2048


def optimize_graph(
    step: OptimizeGraphStep, source: Path, target: Path, data: DataView | None, limits: Limits
) -> StepReport:
    """Write the optimized model to `target`.

    Weights that are stored small stay so, and folding that would grow the file is left out.

    Raises:
        NoOpError: the passes that `step` allows change nothing in this model.
        ToolError: the runtime cannot optimize the model, or the result answers differently.
    """
    started, original, notes = time.perf_counter(), load(source), list[str]()
    folding = step.constant_folding
    if folding and stores_small(original):
        folding = False
        notes.append("constants are not folded: that would unfold the weights that are stored small")
    model = _optimized(step, source, original, folding)
    if folding and weight_bytes(model) > _GROWTH * weight_bytes(original) + _SLACK_BYTES:
        notes.append("constants are not folded: that would grow the file")
        model = _optimized(step, source, original, folding=False)
    details = _difference(original, model)
    _ensure(original, model, source, data)
    save(model, target)
    notes.append(f"{details['nodes_before']} nodes became {details['nodes']}")
    return StepReport(
        step=step,
        changed=True,
        notes=tuple(notes),
        details=details,
        size_bytes=model_bytes(target),
        seconds=time.perf_counter() - started,
    )


def _disabled(step: OptimizeGraphStep, folding: bool) -> list[str]:
    passes = set(LEFT_TO_THE_RUNTIME)
    if not step.fusion:
        passes |= FUSION_PASSES
    if not folding:
        passes |= CONSTANT_PASSES
    return sorted(passes)


def _optimized(step: OptimizeGraphStep, source: Path, original: ModelProto, folding: bool) -> ModelProto:
    """Let the runtime rewrite the model, and put back what it changes beside the graph."""
    levels = ort.GraphOptimizationLevel
    with TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        if external_files(load_structure(source)):
            # The runtime's file would refer to external data beside the source, from another folder.
            source = Path(folder) / MODEL_FILE
            save(original, source)
        options = session_options()
        options.optimized_model_filepath = str(path)
        options.graph_optimization_level = (
            levels.ORT_ENABLE_EXTENDED if step.layer_optimization else levels.ORT_ENABLE_BASIC
        )
        if model_bytes(source) > LARGE_BYTES:
            options.add_session_config_entry(
                "session.optimized_model_external_initializers_file_name", "optimized.data"
            )
            options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
        open_session(source, options, _disabled(step, folding))
        model = load(path)
    if step.fusion and fuse_hard_swish(model):
        drop_unused(model)
    unify_domains(model, opset(model))
    drop_defaults(model)
    name_nodes(model)
    if not any(graph.value_info for graph in iter_graphs(original)):
        for graph in iter_graphs(model):
            graph.ClearField("value_info")
    for name in ("producer_name", "producer_version", "doc_string"):
        setattr(model, name, getattr(original, name))
    model.ClearField("metadata_props")
    model.metadata_props.extend(original.metadata_props)
    return model


def _difference(original: ModelProto, model: ModelProto) -> dict[str, int]:
    """Count nodes before and after.

    Raises:
        NoOpError: operators and weights are the same as before.
    """
    before, after = _operators(original), _operators(model)
    if before == after and _weights(original) == _weights(model):
        raise NoOpError("the graph is as good as these passes make it: nothing changed")
    fused = sum(count for (domain, _), count in after.items() if domain == "com.microsoft")
    return {"nodes_before": before.total(), "nodes": after.total(), "fused_operators": fused}


def _operators(model: ModelProto) -> Counter[tuple[str, str]]:
    return Counter((node.domain, node.op_type) for node in iter_nodes(model))


def _weights(model: ModelProto) -> Counter[bytes]:
    return Counter(_digest(tensor) for graph in iter_graphs(model) for tensor in graph.initializer)


def _digest(tensor: TensorProto) -> bytes:
    return hashlib.sha256(repr((tensor.data_type, *tensor.dims)).encode() + to_array(tensor).tobytes()).digest()


def _ensure(original: ModelProto, model: ModelProto, source: Path, data: DataView | None) -> None:
    """Check that any machine's stock session can run the result, and that it answers as before."""
    try:
        check_operators(model)
    except ModelFileError as error:
        raise ToolError(f"the optimized graph is not portable: {error.message}") from error
    for node in iter_nodes(model):
        if is_standard(node) and not onnx.defs.has(node.op_type, opset(model), ""):
            raise ToolError(f"the optimized graph is not portable: {quoted(node.op_type)} is no standard operator")
    for name in ("input", "output"):
        if [each.name for each in getattr(original.graph, name)] != [each.name for each in getattr(model.graph, name)]:
            raise ToolError(f"graph optimization changed the {name}s of the model")
    Equivalence(source, data).check(model)
