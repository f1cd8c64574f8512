"""Compare a candidate with its original on the same samples: fidelity, accuracy, soundness."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...contracts import (
    DataView,
    Evaluation,
    Part,
    Progress,
    ProgressSink,
    RequestError,
    Session,
    ToolError,
    metric_kind,
)
from ..context import ToolAnswer, ToolContext, silent
from ..onnx_model import quoted
from ..sample_runs import counted
from .answers import ANSWERS_FILE, Answering, Recorded, Replayed
from .clear import Clear
from .data import open_data
from .fidelity import OutputError
from .labels import measured_in
from .logits import LogitsError, has_logits, open_exposed, paired_logits, same_answers
from .quality import Quality, measured, quality_of, truths
from .session import open_session, stock


def compare_models(
    original: Path,
    candidate: Path,
    view: DataView,
    part: str,
    limit: int | None = None,
    threads: int = 1,
    progress: ProgressSink = silent,
    *,
    known: Path | None = None,
    keep: Path | None = None,
    clear: Clear | None = None,
) -> Evaluation:
    """Run both models on the same samples of one part and compare what they answer.

    Samples are streamed. Fidelity is that of the worst output, states that are fed back included, unless the data name
    one.

    Args:
        original: a model file.
        candidate: what is compared with it.
        view: the data.
        part: of them.
        limit: how many feeds are taken, the first ones.
        threads: of each session.
        progress: told now and then.
        known: what the original answered to these samples, which then does not run again.
        keep: file that is to hold what it answers, unless that is too much.
        clear: bounds; no further samples are run once it is clear which side of them the candidate is on.

    Raises:
        RequestError: the models do not take the same inputs, so nothing can be fed to both.
        ToolError: a model does not load or run, or the outputs differ in name, number, type or fixed sizes.
    """
    started, before = time.perf_counter(), counted()
    first, second = (open_session(path, stock(threads)) for path in (original, candidate))
    _require_same_inputs(first, second)
    if first.output_names != second.output_names:
        raise ToolError(f"the candidate's outputs {list(second.output_names)} are not {list(first.output_names)}")
    names, shapes = first.output_names, {each.name: each.shape or () for each in first.output_specs}
    replayed = Replayed(known, lambda outputs: _reopened(original, first, outputs, threads)) if known else None
    sessions, pairs, tried = _with_logits((first, second), (original, candidate), view, part, threads, replayed)
    recorded = Recorded(sessions[0]) if keep else None
    sessions = (recorded or sessions[0], sessions[1])
    errors, logits = {name: OutputError() for name in names}, LogitsError(pairs)
    scored = _Scored(view, part, limit, quality_of(view.ref))
    samples = 0
    for ours, theirs in _answers(sessions, view, part, limit, progress):
        for name, error in errors.items():
            _require_alike(name, shapes[name], ours[name], theirs[name])
            error.add(ours[name], theirs[name])
        logits.add(ours, theirs)
        scored.add(samples, {name: (ours[name], theirs[name]) for name in names})
        samples += 1
        if clear and clear.is_told(samples, view, part, _worst(errors, view), logits.decibels):
            break
    if recorded and keep:
        recorded.save(keep)
    evaluation = _evaluation(part, samples, errors, scored.result(), view, time.perf_counter() - started)
    below = logits.decibels
    quantity = None if below is None else measured(below, "dB", samples)
    runs = max(counted() - before, samples * (1 if sessions[0] is replayed else 2) + tried)
    update = {"logits_fidelity": quantity, "has_logits": has_logits(original), "sample_runs": runs}
    return evaluation.model_copy(update=update)


def _reopened(original: Path, session: Session, outputs: Sequence[str], threads: int) -> Answering:
    """Return what answers for the original with the outputs that were kept."""
    logits = [name for name in outputs if name not in session.output_names]
    return open_exposed(original, logits, threads) if logits else session


def _with_logits(
    sessions: tuple[Session, Session],
    paths: tuple[Path, Path],
    view: DataView,
    part: str,
    threads: int,
    replayed: Replayed | None,
) -> tuple[tuple[Answering, Answering], list[tuple[str, str]], int]:
    """Return what gives out the logits too, the tensors that hold them, and the sample runs spent on that.

    A copy whose first answer is not the file's own runs other kernels; then the files themselves are compared, as
    they are where there are no logits. What the original answered before takes its place if it has all that is asked.
    """
    pairs = paired_logits(*paths)
    feeds = view.feeds(part, 1)
    wanted = {*sessions[0].output_names, *(ours for ours, _ in pairs)}
    recalled = replayed if replayed and wanted <= set(replayed.output_names) else None
    plain: tuple[Answering, Answering] = (recalled or sessions[0], sessions[1])
    if not pairs or not len(feeds):
        return plain, [], 0
    exposed: list[Answering] = [recalled] if recalled else []
    runs = 0
    for side in range(len(exposed), 2):
        try:
            opened = open_exposed(paths[side], [pair[side] for pair in pairs], threads)
        except ToolError:
            return plain, [], runs
        runs += 2
        if not same_answers(sessions[side].run(feeds[0]), opened.run(feeds[0])):
            return plain, [], runs
        exposed.append(opened)
    return (exposed[0], exposed[1]), pairs, runs


def _answers(
    sessions: tuple[Answering, Answering], view: DataView, part: str, limit: int | None, progress: ProgressSink
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield name → answer of each model to each feed; in a stream, each is fed its own last states."""
    feeds, starts, state = view.feeds(part, limit), view.starts(part, limit), view.ref.state
    own: tuple[Mapping[str, Any], ...] = ({}, {})
    for index, (feed, start) in enumerate(zip(feeds, starts, strict=True)):
        states = ({}, {}) if start else own
        outputs = [
            dict(zip(session.output_names, session.run({**feed, **mine}), strict=True))
            for session, mine in zip(sessions, states, strict=True)
        ]
        own = tuple({name: answer[output] for name, output in state.items()} for answer in outputs)
        yield outputs[0], outputs[1]
        if index % 64 == 63:
            progress(Progress(tool="evaluate", message=f"{index + 1} of {len(feeds)}", fraction=index / len(feeds)))


class _Scored:
    """Hands to the metric what it can score: every answer, or the last one of each stream (all of them, for texts)."""

    def __init__(self, view: DataView, part: str, limit: int | None, quality: Quality) -> None:
        self._truths = truths(view, view.ref, part, limit)
        self._output = str(view.ref.output)
        self._quality = quality
        starts = view.starts(part, limit)
        self._streams = view.ref.scores_streams
        self._texts = metric_kind(view.ref.scoring.metric) == "texts"
        self._last = [position + 1 == len(starts) or starts[position + 1] for position in range(len(starts))]
        self._stream: list[tuple[Any, Any]] = []
        self._number = np.cumsum(starts).tolist() if view.ref.state else None
        self._count = 0

    def add(self, index: int, pair: Mapping[str, tuple[Any, Any]]) -> None:
        if self._truths is None:
            return
        answer = pair[self._output]
        if self._streams:
            self._stream = [*self._stream, answer] if self._texts else [answer]
            if not self._last[index]:
                return
            answer = _joined(self._stream)
            self._stream = []
        self._count += 1
        self._quality.add(*answer, self._truths[index], self._number[index] if self._number else None)

    def result(self) -> dict[str, Any]:
        return self._quality.result() if self._count else {}


def _joined(stream: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Return the answers of a stream as one; symbols stand on the last axis, so every other one is time."""
    if len(stream) == 1:
        return stream[0]
    first, second = (
        np.concatenate([np.asarray(pair[side]).reshape(-1, np.shape(pair[side])[-1]) for pair in stream])
        for side in (0, 1)
    )
    return first, second


def _require_alike(name: str, shape: Sequence[int | str], known: Any, answer: Any) -> None:
    """Answers must be of one element type and rank, and of the sizes that the original fixes and keeps."""
    if not (isinstance(known, np.ndarray) and isinstance(answer, np.ndarray)):
        return
    if known.dtype != answer.dtype:
        raise ToolError(f"the candidate's output {quoted(name)} is {answer.dtype}, the original's is {known.dtype}")
    fixed = [axis for axis, size in enumerate(shape) if size in known.shape[axis : axis + 1]]
    if known.ndim != answer.ndim or any(known.shape[axis] != answer.shape[axis] for axis in fixed):
        raise ToolError(
            f"the candidate's output {quoted(name)} is of shape {[*answer.shape]}, the original's is {[*known.shape]}"
        )


def _require_same_inputs(first: Session, second: Session) -> None:
    both = (sorted(each.input_specs, key=lambda item: item.name) for each in (first, second))
    ours, theirs = ([(item.name, item.dtype, list(item.shape or ())) for item in inputs] for inputs in both)
    if len(ours) == len(theirs) and all(_same_input(*pair) for pair in zip(ours, theirs, strict=True)):
        return
    old, new = (", ".join(f"{quoted(name)} {kind} {dims}" for name, kind, dims in each) for each in (ours, theirs))
    raise RequestError(f"the models do not take the same inputs ({old} against {new}); give two that do")


def _same_input(old: tuple[str, str, list[Any]], new: tuple[str, str, list[Any]]) -> bool:
    """Names and types must be equal, and so must the dimensions that both fix (none: a scalar, or any rank)."""
    ranks = {len(dims) for dims in (old[2], new[2]) if dims}
    if old[:2] != new[:2] or len(ranks) > 1:
        return False
    return all(a == b for a, b in zip(old[2], new[2], strict=False) if isinstance(a, int) and isinstance(b, int))


def _evaluation(
    part: str,
    samples: int,
    errors: Mapping[str, OutputError],
    quality: Mapping[str, Any],
    view: DataView,
    seconds: float,
) -> Evaluation:
    decibels = {name: error.decibels for name, error in errors.items()}
    fields: dict[str, Any] = {"samples": samples, **quality}
    if part != "final":
        fields.pop("class_drops", None)
    return Evaluation(
        part=cast(Part, part),
        **fields,
        fidelity=measured(_worst(errors, view), "dB", samples),
        output_fidelity_db=decibels,
        finite=all(error.finite for error in errors.values()),
        constant=any(error.constant for error in errors.values()),
        synthetic=view.ref.synthetic,
        seconds=seconds,
    )


def _worst(errors: Mapping[str, OutputError], view: DataView) -> float:
    """Return the SQNR in dB of the worst output, or of the one that the data name."""
    named = view.ref.named_output
    return min(each.decibels for each in errors.values()) if named is None else errors[named].decibels


def evaluate_tool(context: ToolContext) -> ToolAnswer:
    """Compare role `candidate` with role `original` on role `data`. Params: `part`, `limit`, `clear`.

    The answer's table is what the original answered; given in role `answers`, it does not run again.
    """
    job = context.job
    if job.data is None:
        raise ValueError("an evaluate job carries the reference of its data")
    view = open_data(context.inputs["data"], job.data)
    part, limit = job.params.get("part", "selection"), job.params.get("limit")
    original, candidate = context.model("original"), context.model("candidate")
    known, keep = context.inputs.get("answers"), context.work / "table" / ANSWERS_FILE
    bounds = job.params.get("clear")
    report = compare_models(
        original,
        candidate,
        view,
        part,
        limit,
        job.threads,
        context.progress,
        clear=Clear(**bounds) if bounds else None,
        known=known / ANSWERS_FILE if known else None,
        keep=None if known or limit else keep,
    )
    outputs = {"table": keep.parent} if keep.exists() else dict[str, Path]()
    return ToolAnswer(report=measured_in(report, candidate), outputs=outputs)
