"""What every transformation must leave intact: the signature, a file that loads, answers that are numbers."""

from __future__ import annotations

import filecmp
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from ...contracts import DataError, NoOpError, QuantizeStep, Session, StepReport, TensorSpec, ToolError
from ...contracts.errors import ErrorType
from ..context import TORCH_SUFFIX
from ..onnx_model import external_files, iter_graphs, load_structure, model_bytes, quoted, weight_bytes
from .session import open_briefly
from .synthesize import synthesizer

Shape = tuple[int | str, ...] | None

_MAY_DO_NOTHING = frozenset({"normalize", "tune_runtime"})
_FAULTS: dict[str, ErrorType] = {"quantize": "quantization", "prune": "pruning"}


def ensure_sound(source: Path, target: Path, report: StepReport) -> None:
    """Check the product of a transformation against what it was made from.

    Inputs are synthesised for the check; a model for which that is impossible is only loaded.

    Raises:
        NoOpError: nothing changed where the step may not leave a model alone, whatever `report` says: the files are
            the same byte for byte, or but for names and remarks; or storing weights made the file no smaller.
        ToolError: no file, it does not load, its inputs or outputs changed, or it answers with NaN or
            infinity where the source does not.
    """
    fault = _FAULTS.get(report.step.kind, "runtime")
    if not target.is_file():
        raise ToolError(f"the step {report.step.kind!r} wrote no model", fault)
    if _is_left_alone(report) and _same_files(source, target):
        return  # the source was checked when it was made or admitted
    before, after = open_briefly(source, target)
    _ensure_change(source, target, report, fault)
    _ensure_signature(before, after, fault)
    try:
        feed = synthesizer(before, seed=0)(0)
    except DataError:
        return
    _ensure_finite(before, after, feed, fault)


def _is_left_alone(report: StepReport) -> bool:
    return not report.changed and report.step.kind in _MAY_DO_NOTHING


def _ensure_change(source: Path, target: Path, report: StepReport, fault: ErrorType) -> None:
    if _is_left_alone(report):
        return
    if not report.changed or _same_files(source, target) or _same_graphs(source, target):
        raise NoOpError(f"the step {report.step.kind!r} changed nothing in the model", fault)
    step = report.step
    if isinstance(step, QuantizeStep) and not step.compute and not {*step.nodes.values()} - {"fp32"}:
        before, after = (_bytes(path) for path in (source, target))
        if after >= before:
            raise NoOpError(f"storing weights made the file no smaller: {after:,} bytes of {before:,}", fault)


def _bytes(model: Path) -> int:
    return model.stat().st_size if model.suffix == TORCH_SUFFIX else model_bytes(model)


def _same_graphs(source: Path, target: Path) -> bool:
    """Compare what two ONNX files compute with: their graphs without remarks, shapes and names of nodes."""
    if TORCH_SUFFIX in (source.suffix, target.suffix) or source.suffix != target.suffix:
        return False
    models: list[ModelProto] = []
    for path in (source, target):
        models.append(load_structure(path))
        if external_files(models[-1]) or weight_bytes(models[-1]) != weight_bytes(models[0]):
            return False
    first, second = (_bare(model) for model in models)
    return first == second


def _bare(model: ModelProto) -> bytes:
    """Return the graph as bytes, without what changes no answer and no size of note."""
    for graph in iter_graphs(model):
        graph.ClearField("doc_string")
        graph.ClearField("metadata_props")
        graph.ClearField("name")
        del graph.value_info[:]
        for node in graph.node:
            node.ClearField("doc_string")
            node.ClearField("metadata_props")
            node.ClearField("name")
        for tensor in graph.initializer:
            tensor.ClearField("doc_string")
    return model.graph.SerializeToString(deterministic=True)


def _same_files(source: Path, target: Path) -> bool:
    """Compare the model and whatever lies beside the target, which is a folder of its own."""
    beside = [file.name for file in target.parent.iterdir() if file.is_file() and file != target]
    return _same(source, target) and all(
        (source.parent / name).is_file() and _same(source.parent / name, target.parent / name) for name in beside
    )


def _same(first: Path, second: Path) -> bool:
    """Tell whether two files hold the same; one that has two names does."""
    return first.samefile(second) or filecmp.cmp(first, second, shallow=False)


def _ensure_signature(before: Session, after: Session, fault: ErrorType) -> None:
    for kind, old, new in (
        ("inputs", before.input_specs, after.input_specs),
        ("outputs", before.output_specs, after.output_specs),
    ):
        if [item.name for item in old] != [item.name for item in new]:
            names = ", ".join(quoted(item.name) for item in new)
            raise ToolError(f"the step changed the model's {kind}: they are now {names}", fault)
        for was, now in zip(old, new, strict=True):
            if was.dtype != now.dtype or not _compatible(was.shape, now.shape, narrower=kind == "outputs"):
                raise ToolError(f"the step changed {quoted(was.name)} from {_text(was)} to {_text(now)}", fault)


def _text(spec: TensorSpec) -> str:
    return f"{spec.dtype} {list(spec.shape or ())}"


def _compatible(was: Shape, now: Shape, narrower: bool) -> bool:
    """Fixed dimensions must agree; only `narrower` shapes may fix what was free, as shape inference does to outputs."""
    if not was or not now:
        return True  # a scalar and an unknown rank look alike
    return len(was) == len(now) and all(
        old == new if isinstance(old, int) and isinstance(new, int) else narrower or not isinstance(new, int)
        for old, new in zip(was, now, strict=True)
    )


def _ensure_finite(before: Session, after: Session, feed: dict[str, np.ndarray], fault: ErrorType) -> None:
    pairs = zip(after.output_names, before.run(feed), after.run(feed), strict=True)
    for name, old, new in pairs:
        if _finite(old) and not _finite(new):
            raise ToolError(f"after the step, output {quoted(name)} is NaN or infinite", fault)


def _finite(value: Any) -> bool:
    return not isinstance(value, np.ndarray) or value.dtype.kind != "f" or bool(np.isfinite(value).all())
