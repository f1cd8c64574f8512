"""Run the passes of onnxoptimizer and onnxslim, keep what answers as before, and leave out the rest by name.

All passes run one after the other in one process (`child.py`), which keeps what each that changed anything made. If
the last result is sound, all are. If not, they are looked at in order: the first bad one is left out, and a new process
goes on after it. The same happens where the process dies, raises or does not come back: what was done is kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from onnx import ModelProto, TensorProto

from ...contracts import GRAPH_PASSES
from ..graph_changes import Check, counts, difference, fault
from ..normalize.shapes import infer_shapes
from ..onnx_model import fits_protobuf, is_external, iter_graphs, iter_tensors, load_structure, one_line
from ..without_weights import with_weights_of, without_large_weights
from .relevance import relevant

_CHILD = Path(__file__).with_name("child.py")
_LEAST_SECONDS = 0.5
CARRIERS = ("onnxoptimizer", "onnxslim")


@dataclass
class Applied:
    """What came of it.

    Attributes:
        model: the result; the given model itself where nothing changed.
        changes: pass → operator → how many there are more (or fewer, below zero) after it.
        left_out: pass → why its result was not taken.
    """

    model: ModelProto
    changes: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    left_out: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class _Step:
    """A pass that changed something: its number in the task, and the file that holds the result."""

    number: int
    name: str
    path: Path


@dataclass(frozen=True)
class _Session:
    """What one process did: the passes that changed something, and the one that broke it, with its last words.

    The number of the latter is −1 where it broke before any pass began.
    """

    steps: tuple[_Step, ...]
    broken: tuple[int, str] | None


def apply_passes(model: ModelProto, names: Sequence[str], check: Check, seconds: float) -> Applied:
    """Return what the passes `names` of the two libraries make of `model`, which is left as it is.

    Args:
        model: with all its weights.
        names: in the order in which they run; those of other carriers are passed over.
        check: raises `ToolError` on a model that is not sound.
        seconds: time limit of all together; a pass that takes half of it is left out.
    """
    applied = Applied(model)
    queue = [name for name in names if GRAPH_PASSES[name].carrier in CARRIERS and relevant(name, model)]
    obstacle = _obstacle(model) if queue else ""
    if obstacle:
        applied.left_out |= dict.fromkeys(queue, obstacle)
        return applied
    deadline = time.monotonic() + seconds
    while queue:
        left = deadline - time.monotonic()
        if left < _LEAST_SECONDS:
            applied.left_out |= dict.fromkeys(queue, "no time was left for it")
            break
        queue = _go_on(queue, applied, model, check, min(left, seconds / 2))
    return applied


def _go_on(queue: Sequence[str], applied: Applied, original: ModelProto, check: Check, seconds: float) -> list[str]:
    """Run one process, take what is sound, and return the passes after the one that was left out, if any."""
    with TemporaryDirectory(prefix="shipfit-") as folder:
        done = _run(applied.model, queue, Path(folder), seconds)
        bad = _take(done.steps, applied, original, check) or done.broken
    if bad is None:
        return []
    number, reason = bad
    if number < 0:  # it broke before any pass began
        applied.left_out |= dict.fromkeys(queue, reason)
        return []
    applied.left_out[queue[number]] = reason
    return list(queue[number + 1 :])


def _obstacle(model: ModelProto) -> str:
    """Return what these libraries would lose or cannot hold, or nothing."""
    if not fits_protobuf(model) or any(map(is_external, _inner_tensors(model))):
        return "the model is beyond what protobuf holds"
    if model.functions or model.training_info:
        return "the model has functions or training information, which would get lost"
    if any(graph.sparse_initializer or graph.quantization_annotation for graph in iter_graphs(model)):
        return "the model has sparse weights or quantization annotations, which would get lost"
    return ""


def _inner_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield the stored tensors that are no initializers of the main graph."""
    tensors = list(iter_tensors(model))  # held, so that nothing else gets their identities
    outer = {id(each) for each in model.graph.initializer}
    return (each for each in tensors if id(each) not in outer)


def _run(model: ModelProto, queue: Sequence[str], folder: Path, seconds: float) -> _Session:
    inferred, _ = infer_shapes(without_large_weights(model))
    (folder / "model.onnx").write_bytes(inferred.SerializeToString())
    passes = [(GRAPH_PASSES[name].carrier, name) for name in queue]
    (folder / "task.json").write_text(json.dumps({"passes": passes}))
    try:
        ended = subprocess.run(
            [sys.executable, "-P", str(_CHILD), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
        words = "" if ended.returncode == 0 else _words(ended.returncode, ended.stderr)
    except subprocess.TimeoutExpired:
        words = f"it took over {seconds:.0f} s"
    return _session(folder, words)


def _words(status: int, errors: bytes) -> str:
    if status < 0:
        return f"its library crashed (signal {-status})"
    lines = errors.decode(errors="replace").strip().splitlines()
    return f"its library failed: {one_line(lines[-1], 120)}" if lines else f"its library failed with status {status}"


def _session(folder: Path, words: str) -> _Session:
    """Read the progress of a process that ended, with its last words if it broke."""
    progress = folder / "progress"
    lines = progress.read_text().splitlines() if progress.exists() else []
    begun = [line.split(" ", 1)[1] for line in lines if line.startswith("begin ")]
    done = {line.split(" ", 1)[1] for line in lines if line.startswith("done ")}
    steps = tuple(
        _Step(number, name, folder / f"{number:03}.onnx") for number, name in enumerate(begun) if name in done
    )
    return _Session(steps, (len(begun) - 1, words) if words else None)


def _take(steps: Sequence[_Step], applied: Applied, original: ModelProto, check: Check) -> tuple[int, str] | None:
    """Take the results up to the first that is not sound; return its number and what is wrong with it."""
    if steps and not fault(_read(steps[-1], original), check):
        for step in steps:
            _accept(step, _read(step, original), applied)
        return None
    for step in steps:
        made = _read(step, original)
        if reason := fault(made, check):
            return step.number, reason
        _accept(step, made, applied)
    return None


def _read(step: _Step, original: ModelProto) -> ModelProto:
    """Return a result with the interface of the original: libraries drop inputs that nothing reads."""
    made = with_weights_of(load_structure(step.path), original)
    for name in ("input", "output"):
        given = getattr(original.graph, name)
        if [each.name for each in getattr(made.graph, name)] != [each.name for each in given]:
            made.graph.ClearField(name)
            getattr(made.graph, name).extend(given)
    return made


def _accept(step: _Step, made: ModelProto, applied: Applied) -> None:
    applied.changes[step.name] = difference(counts(applied.model), counts(made))
    applied.model = made
