"""Compare a candidate with its original on the same samples: fidelity, accuracy, soundness."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...contracts import DataView, Evaluation, Progress, ProgressSink, RequestError, Session, ToolError
from ..context import ToolAnswer, ToolContext, silent
from ..onnx_model import quoted
from ..sample_runs import counted
from .answers import ANSWERS_FILE, Answering, Recorded, Replayed
from .clear import Clear
from .data import open_data
from .differences import Differences
from .labels import measured_in
from .logits import has_logits, open_exposed, paired_logits, same_answers
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
    first, second = _opened(original, candidate, threads)
    replayed = Replayed(known, lambda outputs: _reopened(original, first, outputs, threads)) if known else None
    sessions, pairs, tried = _with_logits((first, second), (original, candidate), view, part, threads, replayed)
    recorded = Recorded(sessions[0]) if keep else None
    found = Differences(first, pairs, view, part, limit)
    for ours, theirs in _answers((recorded or sessions[0], sessions[1]), view, part, limit, progress):
        found.add(ours, theirs)
        if clear and found.are_clear(clear):
            break
    if recorded and keep:
        recorded.save(keep)
    runs = max(counted() - before, found.samples * (1 if sessions[0] is replayed else 2) + tried)
    update = {"has_logits": has_logits(original), "sample_runs": runs, "seconds": time.perf_counter() - started}
    return found.evaluation().model_copy(update=update)


def _opened(original: Path, candidate: Path, threads: int) -> tuple[Session, Session]:
    """Return stock sessions of two models that can be compared."""
    first, second = (open_session(path, stock(threads)) for path in (original, candidate))
    _require_same_inputs(first, second)
    if first.output_names != second.output_names:
        raise ToolError(f"the candidate's outputs {list(second.output_names)} are not {list(first.output_names)}")
    return first, second


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
