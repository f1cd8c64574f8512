"""The tool that turns data from outside, or a model's specification, into canonical data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...contracts import DataError, DataRef, DataReport, Part, Progress, ProgressSink, ToolError
from ..context import ToolAnswer, ToolContext, silent
from .data import CanonicalData, CanonicalWriter, DataIndex
from .data_fit import Layout, class_index, fit, layout
from .data_source import read_source
from .data_split import SHARES, WITHOUT_CALIBRATION, Item, split
from .data_spool import Spool
from .score import check_labels, find_scores
from .session import open_session
from .synthesize import pinned_specs, synthesizer

SYNTHETIC_SAMPLES = 48
# Of large inputs fewer are made: they are slow to run, and each holds more values.
SYNTHETIC_SAMPLES_LARGE = 24
LARGE_FEED_BYTES = 256 * 2**10
MIN_ACCURACY_SAMPLES = 8
_PARTS: tuple[Part, ...] = ("calibration", "selection", "final")


class _Collected(NamedTuple):
    """Samples in the spool, dealt to their parts."""

    parts: Mapping[Part, list[int]]
    plan: Layout
    source: str
    notes: list[str]


def data_tool(context: ToolContext) -> ToolAnswer:
    """Read, check and split the data for role `model`; without a source, synthesise inputs.

    Params: `source`, `calibration_source`, `output`, `shape`, `working_directory`, `needs_accuracy`.

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
    collector = _Collector(model, params, seed, progress)
    with Spool(work / "spool") as spool:
        given = params.get("source") or params.get("calibration_source")
        collected = collector.given(spool) if given else collector.synthetic(spool)
        index = _write(folder, spool, collector.names, collected)
    ref = _reference(folder, index, seed, synthetic=not given)
    found = _check_scores(model, CanonicalData(folder, ref, index), index, params.get("output"))
    return DataReport(ref=ref.model_copy(update=found), source=collected.source, notes=tuple(collected.notes))


class _Collector:
    """Reads samples for one model into a spool."""

    def __init__(self, model: Path, params: Mapping[str, Any], seed: int, progress: ProgressSink) -> None:
        self._params = params
        self._seed = seed
        self._progress = progress
        self._shape = {name: tuple(dims) for name, dims in (params.get("shape") or {}).items()}
        self._session = open_session(model)
        self._specs = pinned_specs(self._session, self._shape)
        self.names = [spec.name for spec in self._specs]

    def synthetic(self, spool: Spool) -> _Collected:
        """Synthesise inputs: real shapes, made-up values."""
        if self._params.get("needs_accuracy"):
            raise DataError("an accuracy bound needs labelled data: give --data, or bound fidelity with --min-fidelity")
        make = synthesizer(self._session, self._seed, self._shape)
        large = sum(array.nbytes for array in make(0).values()) > LARGE_FEED_BYTES
        for index in range(SYNTHETIC_SAMPLES_LARGE if large else SYNTHETIC_SAMPLES):
            spool.add(make(index))
        if len({item.digest for item in spool.items()}) < len(_PARTS):
            why = "its inputs leave nothing to vary; give --data" if self.names else "it has no inputs"
            raise DataError(f"what the model answers cannot be judged: {why}")
        notes = ["inputs were synthesised: fidelity on made-up inputs is all that is known"]
        return _Collected(split(spool.items(), SHARES, self._seed), Layout((), 1), "synthesised", notes)

    def given(self, spool: Spool) -> _Collected:
        """Read `source`; `calibration_source`, where both are given, becomes the calibration part."""
        calibration = self._params.get("calibration_source")
        source = self._params.get("source") or calibration
        apart = calibration is not None and calibration != source
        notes: list[str] = []
        plan = self._read(str(source), spool, None, labelled=True)
        items = spool.items()
        if self._params.get("needs_accuracy"):
            _require_labels(items)
        parts = split(items, WITHOUT_CALIBRATION if apart else SHARES, self._seed)
        if apart:
            self._read(str(calibration), spool, plan, labelled=False)
            kept = _kept_apart(spool.items(), len(items), notes)
            parts |= split(kept, {"calibration": 1.0}, self._seed)
        return _Collected(_whole_batches(parts, plan.batch, notes), plan, str(source), notes)

    def _read(self, source: str, spool: Spool, plan: Layout | None, labelled: bool) -> Layout:
        """Append every sample of `source` to the spool, checked; labels must be on all or on none."""
        directory = self._params.get("working_directory")
        labels: bool | None = None
        for number, sample in enumerate(read_source(source, self.names, Path(directory) if directory else None), 1):
            plan = plan or layout(self._specs, sample)
            labels = (sample.label is not None) if labels is None else labels
            if sample.label is not None and not labels:
                raise DataError(f"{sample.where} has a label although others have none; label all samples or none")
            spool.add(fit(self._specs, plan, sample), class_index(sample) if labels and labelled else None)
            if number % 1000 == 0:
                self._progress(Progress(tool="data", message=f"{number} samples read"))
        if plan is None or labels is None:
            raise DataError(f"{source} holds no sample; give some, or no data at all to have inputs synthesised")
        return plan


def _require_labels(items: Sequence[Item]) -> None:
    if any(item.label is None for item in items):
        raise DataError(
            "an accuracy bound needs class indices: add an integer array `labels`, or bound fidelity (--min-fidelity)"
        )
    if len(items) < MIN_ACCURACY_SAMPLES:
        raise DataError(
            f"an accuracy bound needs at least {MIN_ACCURACY_SAMPLES} samples, and the data have {len(items)}; "
            "give more, or bound fidelity with --min-fidelity"
        )


def _kept_apart(items: Sequence[Item], judged: int, notes: list[str]) -> list[Item]:
    """Return the calibration samples (all after the first `judged`) that the judge's data do not hold."""
    known = {item.digest for item in items[:judged]}
    kept = [item for item in items[judged:] if item.digest not in known]
    if not kept:
        raise DataError("every calibration sample is also in the data; give others, or leave --calibration-data out")
    if len(kept) < len(items) - judged:
        notes.append(f"{len(items) - judged - len(kept)} calibration samples are also in the data and were left out")
    return kept


def _whole_batches(parts: Mapping[Part, list[int]], batch: int, notes: list[str]) -> dict[Part, list[int]]:
    """Cut every part to a multiple of `batch`, because a fixed batch cannot be fed in part."""
    whole: dict[Part, list[int]] = {part: indices[: len(indices) // batch * batch] for part, indices in parts.items()}
    for part, indices in parts.items():
        if not whole[part]:
            raise DataError(
                f"the {part} part has {len(indices)} samples, fewer than the batch of {batch}; give at least "
                f"{4 * batch} samples"
            )
        if len(whole[part]) < len(indices):
            notes.append(f"{len(indices) - len(whole[part])} samples of the {part} part do not fill a batch of {batch}")
    return whole


def _write(folder: Path, spool: Spool, names: Sequence[str], collected: _Collected) -> DataIndex:
    writer = CanonicalWriter(folder, names, collected.plan)
    for part in _PARTS:
        indices = collected.parts[part]
        writer.add_part(part, spool.rows(indices), spool.labels(indices))
    return writer.close()


def _reference(folder: Path, index: DataIndex, seed: int, synthetic: bool) -> DataRef:
    counts: dict[Part, int] = {part: len(places) for part, places in index.parts.items()}
    return DataRef(
        id=folder_digest(folder),
        samples=sum(counts.values()),
        parts=counts,
        labelled=bool(index.labels),
        synthetic=synthetic,
        seed=seed,
    )


def _check_scores(model: Path, data: CanonicalData, index: DataIndex, wanted: str | None) -> dict[str, Any]:
    """Run the model on one feed: it must accept it, and name the classes that the labels speak of.

    Returns:
        `output` and `classes` of the reference, where there are labels or an output was asked for.
    """
    session = open_session(model)
    try:
        outputs = session.run(data.feeds("selection", 1)[0])
    except ToolError as error:
        raise DataError(f"the model does not accept the data: {error.message}") from error
    _require_numbers(outputs, data.ref.synthetic)
    scores = find_scores(dict(zip(session.output_names, outputs, strict=True)), index.batch, wanted)
    labels = [label for part in index.labels.values() for label in part]
    if not labels and wanted is None:
        return {}
    if scores is None:
        raise DataError("the data have labels, but no output carries class scores; remove the array `labels`")
    if labels:
        check_labels(labels, scores)
    return scores._asdict()


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
