"""The tool that turns data from outside, or a model's specification, into canonical data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...contracts import DataError, DataRef, DataReport, Part, ProgressSink, ToolError, metric_kind
from ..context import ToolAnswer, ToolContext, silent
from .data import CanonicalData, CanonicalWriter, DataIndex
from .data_collect import PARTS, Collected, Collector
from .data_fit import Layout
from .data_spool import Spool
from .data_stream import Recorder
from .quality import try_metric
from .score import check_labels, find_output, require_output, scoring_of


def data_tool(context: ToolContext) -> ToolAnswer:
    """Read, check and split the data for role `model`; without a source, synthesise inputs.

    Params: `source`, `calibration_source`, `output`, `shape`, `working_directory`, `needs_accuracy`, `metric`,
    `preprocess`, `state`, `scored` (false: labels and targets are left aside).

    Raises:
        DataError: the data are missing, damaged or do not fit the model.
    """
    job = context.job
    report = build_data(context.model(), context.work, job.params, job.seed, context.progress)
    return ToolAnswer(report=report, outputs={"data": context.work / "data"})


def build_data(
    model: Path, work: Path, params: Mapping[str, Any], seed: int = 0, progress: ProgressSink = silent
) -> DataReport:
    """Make canonical data for `model` in `work/data`; `params` are those of the tool.

    Raises:
        DataError: the data are missing, damaged or do not fit the model.
    """
    folder = work / "data"
    folder.mkdir()
    collector = Collector(model, params, seed, progress)
    with Spool(work / "spool") as spool, Spool(work / "calls") as calls:
        given = params.get("source") or params.get("calibration_source")
        collected = collector.given(spool) if given else collector.synthetic(spool)
        index = (
            _write_streams(folder, spool, calls, collector, collected)
            if collector.state
            else _write(folder, spool, collector.names, collected.plan, collected.parts)
        )
    ref = _reference(folder, index, seed, collector, synthetic=not given)
    ref = _checked(collector, ref, CanonicalData(folder, ref, index), index)
    return DataReport(ref=ref, source=collected.source, notes=tuple(collector.notes))


def _write(
    folder: Path,
    spool: Spool,
    names: Sequence[str],
    plan: Layout,
    parts: Mapping[Part, list[int]],
    streams: Mapping[Part, list[int]] | None = None,
) -> DataIndex:
    writer = CanonicalWriter(folder, names, plan)
    for part in PARTS:
        indices = parts[part]
        lengths = (streams or {}).get(part)
        writer.add_part(part, spool.rows(indices), spool.labels(indices), spool.texts(indices), lengths)
    return writer.close()


def _write_streams(folder: Path, spool: Spool, calls: Spool, collector: Collector, collected: Collected) -> DataIndex:
    """Write streams call by call, with the states that the original reaches."""
    by_label = collector.per_call is True and metric_kind(collector.metric) == "classes"
    recorder = Recorder(collector.session, collector.specs, collected.plan, collector.state, labels=by_label)
    parts, streams = recorder.record(spool, collected.parts, calls)
    return _write(folder, calls, collector.names, collected.plan, parts, streams)


def _reference(folder: Path, index: DataIndex, seed: int, collector: Collector, *, synthetic: bool) -> DataRef:
    counts: dict[Part, int] = {part: len(places) for part, places in index.parts.items()}
    return DataRef(
        id=folder_digest(folder),
        samples=sum(counts.values()),
        parts=counts,
        labelled=collector.scored,
        synthetic=synthetic,
        seed=seed,
        state=collector.state,
        scores_streams=collector.per_call is False,
    )


def _checked(collector: Collector, ref: DataRef, data: CanonicalData, index: DataIndex) -> DataRef:
    """Run the model on one feed: it must accept it, and answer with something that the metric can score.

    Returns:
        `ref` with the output that was asked for, and where there is something to score by with the one that is
        scored, its classes and by what.
    """
    try:
        outputs = collector.session.run(data.feeds("selection", 1)[0])
    except ToolError as error:
        raise DataError(f"the model does not accept the data: {error.message}") from error
    _require_numbers(outputs, data.ref.synthetic)
    wanted = collector.params.get("output")
    named = dict(zip(collector.session.output_names, outputs, strict=True))
    require_output(wanted, named)
    ref = ref.model_copy(update={"named_output": wanted})
    if not collector.scored:
        return ref
    scoring, targets = scoring_of(collector.metric, collector.params), data.targets("selection", 1)
    found = find_output(named, index.batch, scoring, wanted, targets[0] if targets else None)
    labels = [label for part in index.labels.values() for label in part]
    if labels and metric_kind(scoring.metric) == "classes":
        check_labels(labels, found)
    ref = ref.model_copy(update={"scoring": scoring, "output": found.output, "classes": found.classes or None})
    if metric_kind(scoring.metric) == "code":
        try_metric(collector.session, data, ref)
    return ref


def _require_numbers(outputs: Sequence[Any], synthetic: bool) -> None:
    """Refuse a model that answers nothing but NaN and infinity, which every candidate would match."""
    floats = [output for output in outputs if isinstance(output, np.ndarray) and output.dtype.kind == "f"]
    values = [output for output in floats if output.size > 0]
    if values and len(floats) == len(outputs) and not any(np.isfinite(output).any() for output in values):
        fed = "made-up inputs; give --data" if synthetic else "the data; mend one of them"
        raise DataError(f"the model answers nothing but NaN or infinity to {fed}")


def folder_digest(folder: Path) -> str:
    """Return the artifact id of a folder: sha256 of its sorted lines `sha256  name`."""
    lines = [f"{_file_digest(file)}  {file.name}" for file in folder.iterdir()]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _file_digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
