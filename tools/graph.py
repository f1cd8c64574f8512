"""Rewrite the graph with passes that hold on any machine, and save the result.

There is one pipeline: the passes that the step's switches and names leave over, in the order of the catalogue
(`contracts.graph_passes`). onnxruntime's come first, then what onnxoptimizer and onnxslim carry, checked pass by pass
where it has to be, then ours (`rewrite`), each checked and some timed. What each changed is in the report, whose step
names the passes that were kept where timing decided, so that it replays without.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
from onnx import ModelProto, TensorProto

from ..contracts import (
    GRAPH_PASSES,
    DataView,
    Limits,
    ModelFileError,
    NoOpError,
    OptimizeGraphStep,
    StepReport,
    ToolError,
)
from .bounds import check_operators
from .context import MODEL_FILE
from .default_attributes import drop_defaults
from .graph_changes import Check, difference
from .inspect import stores_small
from .measure.synthesize import synthesize_feeds
from .model_files import load, save, save_briefly
from .normalize.domains import unify_domains
from .normalize.equivalence import Equivalence
from .normalize.names import name_nodes
from .onnx_model import core_bytes, is_standard, iter_graphs, iter_nodes, model_bytes, opset, quoted, to_array
from .passes.library import Applied, apply_passes
from .passes.runtime import run_in_session
from .rewrite.run import Timer, apply_rewrites
from .rewrite.state_shapes import state_shapes
from .rewrite.timing import time_rewrite
from .weight_files import extent_of

_GROWTH = 1.02
# What rewriting may make of a file for speed, relative to the one that it was given.
_WIDEST = 1.01
_SLACK_BYTES = 2048
# What moves weights into each other rounds differently, and no more than that. A pass that does more is left out.
_SAME_DB = 100.0
_PASS_SECONDS = 60.0
_FEEDS = 4
_SHOWN = 4


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
    names = list(step.chosen)
    if stores_small(original) and (folding := _folding(names)):
        names = [name for name in names if name not in folding]
        notes.append("constants are not folded: that would unfold the weights that are stored small")
    rewritten = run_in_session(original, names)
    if (folding := _folding(names)) and _grown(rewritten, original):
        notes.append("constants are not folded: that would grow the file")
        names = [name for name in names if name not in folding]
        rewritten = run_in_session(original, names)
    applied = _mended(rewritten, original, names, data, min(limits.time_s / 4, _PASS_SECONDS))
    speeds = _rewritten(applied, original, names, step, data)
    model = _finished(applied, original)
    details = _difference(original, model)
    _ensure(original, model)
    Equivalence(source, data).check(model)
    save(model, target)
    return StepReport(
        step=_performed(step, speeds, applied),
        changed=True,
        notes=(*notes, *_words(applied), f"{details['nodes_before']} nodes became {details['nodes']}"),
        details={**details, "passes": applied.changes, "left_out": applied.left_out, "speeds": speeds},
        size_bytes=model_bytes(target),
        seconds=time.perf_counter() - started,
    )


def _folding(names: Collection[str]) -> set[str]:
    return {name for name in names if GRAPH_PASSES[name].family == "constant_folding"}


def _grown(model: ModelProto, original: ModelProto) -> bool:
    return core_bytes(model) > _GROWTH * core_bytes(original) + _SLACK_BYTES


def _mended(
    rewritten: ModelProto, original: ModelProto, names: Sequence[str], data: DataView | None, seconds: float
) -> Applied:
    """Let the libraries go on from what the runtime made, each pass checked against that."""
    with _checks(rewritten, original, data) as check:
        applied = apply_passes(rewritten, names, check, seconds)
    by_runtime = difference(_by_type(original), _by_type(rewritten))
    applied.changes = {**({"onnxruntime": by_runtime} if by_runtime else {}), **applied.changes}
    return applied


@contextmanager
def _checks(base: ModelProto, original: ModelProto, data: DataView | None) -> Generator[Check]:
    """Yield the check of a result: as portable as `original`, no larger, and equal to `base` but for rounding."""
    with TemporaryDirectory(prefix="shipfit-") as folder:
        path = Path(folder) / MODEL_FILE
        save_briefly(base, path)
        equivalence = Equivalence(path, data)

        def check(model: ModelProto) -> None:
            if _grown(model, original):
                raise ToolError("it would grow the file")
            _ensure(original, model)
            equivalence.check(model, _SAME_DB)

        yield check


def _rewritten(
    applied: Applied, original: ModelProto, names: Collection[str], step: OptimizeGraphStep, data: DataView | None
) -> dict[str, float]:
    """Let our own passes go on; return the speed that each has given that was timed."""
    with _checks(applied.model, original, data) as check:
        most = _WIDEST * core_bytes(original)
        done = apply_rewrites(applied.model, names, check, _timer(step, original, data), most)
    applied.model = done.model
    applied.changes |= done.changes
    applied.left_out |= done.left_out
    return done.speeds


def _timer(step: OptimizeGraphStep, original: ModelProto, data: DataView | None) -> Timer | None:
    """Return what times a rewrite, or None where the step has decided already."""
    if step.decided:
        return None

    def timer(before: ModelProto, after: ModelProto) -> tuple[float, float]:
        with TemporaryDirectory(prefix="shipfit-") as folder:
            path = Path(folder) / MODEL_FILE
            save_briefly(original, path)
            feeds = synthesize_feeds(path, _FEEDS, seed=0) if data is None else data.feeds("calibration", _FEEDS)
            return time_rewrite(before, after, feeds)

    return timer


def _performed(step: OptimizeGraphStep, speeds: Mapping[str, float], applied: Applied) -> OptimizeGraphStep:
    """Return the step as it was performed: where timing decided, exactly the passes that were kept."""
    if not speeds:
        return step
    kept = tuple(name for name in step.chosen if name not in speeds or name in applied.changes)
    return step.model_copy(update={"passes": kept})


def _finished(applied: Applied, original: ModelProto) -> ModelProto:
    """Put back what is beside the graph."""
    model = ModelProto()
    model.CopyFrom(applied.model)
    unify_domains(model, opset(model))
    drop_defaults(model)
    name_nodes(model)
    if not any(graph.value_info for graph in iter_graphs(original)):
        for graph in iter_graphs(model):
            graph.ClearField("value_info")
        if "state_shapes" in applied.changes:
            state_shapes(model)
    for name in ("producer_name", "producer_version", "doc_string"):
        setattr(model, name, getattr(original, name))
    model.ClearField("metadata_props")
    model.metadata_props.extend(original.metadata_props)
    return model


def _by_type(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in iter_nodes(model))


def _words(applied: Applied) -> list[str]:
    """Say what each pass changed, the largest numbers first, and which were left out."""
    made = [f"{name}: {_most(changes)}" for name, changes in applied.changes.items()]
    return made + [f"{name} is left out: {reason}" for name, reason in applied.left_out.items()]


def _most(changes: Mapping[str, int]) -> str:
    ranked = sorted(changes.items(), key=lambda item: (-abs(item[1]), item[0]))
    more = f" and {len(ranked) - _SHOWN} more" if len(ranked) > _SHOWN else ""
    return ", ".join(f"{count:+d} {name}" for name, count in ranked[:_SHOWN]) + more or "rewired"


def _difference(original: ModelProto, model: ModelProto) -> dict[str, Any]:
    """Count nodes before and after.

    Raises:
        NoOpError: operators and weights are the same as before.
    """
    before, after = _operators(original), _operators(model)
    if before == after and _same_weights(original, model):
        raise NoOpError("the graph is as good as these passes make it: nothing changed")
    fused = sum(count for (domain, _), count in after.items() if domain == "com.microsoft")
    return {"nodes_before": before.total(), "nodes": after.total(), "fused_operators": fused}


def _operators(model: ModelProto) -> Counter[tuple[str, str]]:
    return Counter((node.domain, node.op_type) for node in iter_nodes(model))


def _same_weights(original: ModelProto, model: ModelProto) -> bool:
    """Tell whether both hold the same values; those that lie in one place of a file are not read for it."""
    before, after = _by_place(original), _by_place(model)
    moved, new = before.keys() - after.keys(), after.keys() - before.keys()
    if any(len(before[place]) != len(after[place]) for place in before.keys() & after.keys()):
        return False
    return _values(before, moved) == _values(after, new)


def _by_place(model: ModelProto) -> dict[bytes, list[TensorProto]]:
    found: dict[bytes, list[TensorProto]] = {}
    for tensor in (tensor for graph in iter_graphs(model) for tensor in graph.initializer):
        extent = extent_of(tensor)
        place = _digest(tensor) if extent is None else repr((tensor.data_type, *tensor.dims, extent)).encode()
        found.setdefault(place, []).append(tensor)
    return found


def _values(by_place: Mapping[bytes, Sequence[TensorProto]], places: Collection[bytes]) -> Counter[bytes]:
    return Counter(_digest(tensor) for place in places for tensor in by_place[place])


def _digest(tensor: TensorProto) -> bytes:
    found = hashlib.sha256(repr((tensor.data_type, *tensor.dims)).encode())
    found.update(to_array(tensor).tobytes())
    return found.digest()


def _ensure(original: ModelProto, model: ModelProto) -> None:
    """Check that any machine's stock session can run the result, by the same interface.

    Raises:
        ToolError: it cannot.
    """
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
