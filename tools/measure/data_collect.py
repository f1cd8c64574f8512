"""Read the samples for one model into a spool, check them against it, and deal them to their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ...contracts import (
    DEFAULT_METRIC,
    DataError,
    MetricKind,
    Part,
    Preprocess,
    Progress,
    ProgressSink,
    metric_kind,
)
from .data_fit import Layout, class_index, fit, layout, target_of
from .data_split import SHARES, WITHOUT_CALIBRATION, Item, split
from .data_spool import Spool
from .data_stream import check_state, first_states, per_call, roll, unroll
from .session import open_briefly
from .sources import read_source
from .sources.sample import MAX_SAMPLES, RawSample, Target, Wanted
from .synthesize import pinned_specs, synthesizer

SYNTHETIC_SAMPLES = 48
# Of large inputs fewer are made: they are slow to run, and each holds more values.
SYNTHETIC_SAMPLES_LARGE = 24
LARGE_FEED_BYTES = 256 * 2**10
SYNTHETIC_CALLS = 4
MIN_ACCURACY_SAMPLES = 8
PARTS: tuple[Part, ...] = ("calibration", "selection", "final")


class Collected(NamedTuple):
    """Samples in the spool, dealt to their parts."""

    parts: Mapping[Part, list[int]]
    plan: Layout
    source: str


@dataclass
class _Answers:
    """What the samples of one source turned out to be answered by; all must be answered the same way.

    Attributes:
        kind: what the metric compares; `code` takes targets, or labels where there are none.
        asked: a metric was named, so there must be something to score by.
    """

    kind: MetricKind
    asked: bool
    by: Literal["label", "target", "nothing"] | None = None
    per_call: bool | None = None

    def of(self, sample: RawSample, calls: int | None) -> tuple[int | None, Target | None]:
        """Return (label, target) of a sample, of which at most one is given; `calls` is the length of a stream.

        Raises:
            DataError: it is answered another way than the samples before it, or by nothing that the metric compares.
        """
        self.by = self.by or self._first(sample)
        if self.by == "target":
            return None, self._target(sample, calls)
        if self.by == "label":
            return self._label(sample, calls)
        if sample.label is not None:
            raise DataError(f"{sample.where} has a label although others have none; label all samples or none")
        return None, None

    def _first(self, sample: RawSample) -> Literal["label", "target", "nothing"]:
        if sample.target is not None and self.kind != "classes":
            return "target"
        if sample.label is not None and self.kind in ("classes", "code"):
            return "label"
        if sample.target is not None:
            raise DataError(
                f"{sample.where} has a target, which needs a metric of its own: give --metric mae, r2, wer, cer or "
                "module:function, or store class indices as `labels`"
            )
        if self.asked:
            what = {"classes": "a class index (`labels`)", "code": "`labels` or `targets`"}
            raise DataError(f"{sample.where} lacks what the metric compares: {what.get(self.kind, '`targets`')}")
        return "nothing"

    def _target(self, sample: RawSample, calls: int | None) -> Target:
        target = target_of(sample.target, self.kind, sample.where)
        self._agree(not isinstance(target, str) and calls is not None and per_call(target, calls), sample.where)
        return target

    def _label(self, sample: RawSample, calls: int | None) -> tuple[int | None, Target | None]:
        label = sample.label
        if calls is None or label is None or label.ndim == 0:
            self._agree(False, sample.where)
            return class_index(label, sample.where), None
        if label.shape != (calls,) or label.dtype.kind not in "iu":
            raise DataError(
                f"{sample.where}: labels of shape {list(label.shape)} and type {label.dtype} for {calls} calls; give "
                "a class index for each, or one for the whole stream"
            )
        self._agree(True, sample.where)
        return None, label

    def _agree(self, per_call: bool, where: str) -> None:
        if self.per_call not in (None, per_call):
            raise DataError(f"{where} is answered once, and others for each call; answer all streams the same way")
        self.per_call = per_call


@dataclass
class Collector:
    """Reads samples for one model into a spool.

    Attributes:
        notes: what was decided or left out, for people.
        scored: whether every sample has what the metric compares.
        per_call: whether streams are answered call by call; None without streams or answers.
    """

    model: Path
    params: Mapping[str, Any]
    seed: int
    progress: ProgressSink
    notes: list[str] = field(default_factory=list[str])
    scored: bool = False
    per_call: bool | None = None

    def __post_init__(self) -> None:
        self._shape = {name: tuple(dims) for name, dims in (self.params.get("shape") or {}).items()}
        self.state: dict[str, str] = dict(self.params.get("state") or {})
        (self.session,) = open_briefly(self.model)
        self.specs = pinned_specs(self.session, self._shape)
        self.states = check_state(self.state, self.specs, self.session)
        self._given = [spec for spec in self.specs if spec.name not in self.state]
        self.metric = str(self.params.get("metric") or DEFAULT_METRIC)

    @property
    def names(self) -> list[str]:
        """Names of the model's inputs, in order."""
        return [spec.name for spec in self.specs]

    def synthetic(self, spool: Spool) -> Collected:
        """Synthesise inputs: real shapes, made-up values."""
        if self.params.get("needs_accuracy"):
            raise DataError("an accuracy bound needs labelled data: give --data, or bound fidelity with --min-fidelity")
        make = synthesizer(self.session, self.seed, self._shape)
        large = sum(array.nbytes for array in make(0).values()) > LARGE_FEED_BYTES
        count = SYNTHETIC_SAMPLES_LARGE if large else SYNTHETIC_SAMPLES
        if self.state:
            for first in range(0, count, SYNTHETIC_CALLS):
                spool.add(self._synthetic_stream([make(first + call) for call in range(SYNTHETIC_CALLS)]))
        else:
            for index in range(count):
                spool.add(make(index))
        if len({item.digest for item in spool.items()}) < len(PARTS):
            why = "its inputs leave nothing to vary; give --data" if self.names else "it has no inputs"
            raise DataError(f"what the model answers cannot be judged: {why}")
        self.notes.append("inputs were synthesised: fidelity on made-up inputs is all that is known")
        return Collected(split(spool.items(), SHARES, self.seed), Layout((), 1), "synthesised")

    def _synthetic_stream(self, feeds: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        calls = [{name: array for name, array in feed.items() if name not in self.state} for feed in feeds]
        return roll(calls) | first_states(self.states, {}, "a synthesised stream")

    def given(self, spool: Spool) -> Collected:
        """Read `source`; `calibration_source`, where both are given, becomes the calibration part."""
        calibration = self.params.get("calibration_source")
        source = self.params.get("source") or calibration
        apart = calibration is not None and calibration != source
        plan = self._read(str(source), spool, None, labelled=bool(self.params.get("scored", True)))
        items = spool.items()
        if self.params.get("needs_accuracy"):
            self._require_answers(len(items))
        parts = split(items, WITHOUT_CALIBRATION if apart else SHARES, self.seed)
        if apart:
            self._read(str(calibration), spool, plan, labelled=False)
            kept = _kept_apart(spool.items(), len(items), self.notes)
            parts |= split(kept, {"calibration": 1.0}, self.seed)
        return Collected(_whole_batches(parts, plan.batch, self.notes), plan, str(source))

    def _read(self, source: str, spool: Spool, plan: Layout | None, labelled: bool) -> Layout:
        """Append every sample of `source` to the spool, checked; labels must be on all or on none."""
        kind = metric_kind(self.metric)
        answers = _Answers(kind, asked=labelled and self.params.get("metric") is not None)
        wanted = self._wanted(kind)
        fed = 0
        for number, sample in enumerate(read_source(source, wanted), 1):
            calls = unroll(self._given, sample) if self.state else [sample]
            fed += len(calls)
            if fed > MAX_SAMPLES:
                raise DataError(f"{source} holds more than {MAX_SAMPLES:,} calls; give fewer or shorter streams")
            plan = plan or self._layout(calls[0])
            label, target = answers.of(sample, len(calls) if self.state else None) if labelled else (None, None)
            spool.add(self._rows(calls, plan, sample), label, target)
            if number % 1000 == 0:
                self.progress(Progress(tool="data", message=f"{number} samples read"))
        if plan is None:
            raise DataError(f"{source} holds no sample; give some, or no data at all to have inputs synthesised")
        self.notes += [note for note in wanted.notes if note not in self.notes]
        if labelled:
            self.scored = answers.by != "nothing"
            self.per_call = answers.per_call if self.state else None
        return plan

    def _wanted(self, kind: MetricKind) -> Wanted:
        directory = self.params.get("working_directory")
        return Wanted(
            specs=tuple(self._given),
            states=tuple(self.states),
            base=Path(directory) if directory else Path.cwd(),
            preprocess=Preprocess.model_validate(self.params.get("preprocess") or {}),
            texts=kind == "texts",
        )

    def _layout(self, first: RawSample) -> Layout:
        plan = layout(self._given, first)
        if self.state and plan.batch != 1:
            raise DataError(f"streams are fed one by one, and the model takes batches of {plan.batch}")
        return plan

    def _rows(self, calls: Sequence[RawSample], plan: Layout, sample: RawSample) -> dict[str, np.ndarray]:
        fitted = [fit(self._given, plan, call) for call in calls]
        return roll(fitted) | first_states(self.states, sample.once, sample.where) if self.state else fitted[0]

    def _require_answers(self, count: int) -> None:
        if not self.scored:
            raise DataError(
                "an accuracy bound needs class indices: add an integer array `labels`, or `targets` and --metric, or "
                "bound fidelity (--min-fidelity)"
            )
        if count < MIN_ACCURACY_SAMPLES:
            raise DataError(
                f"an accuracy bound needs at least {MIN_ACCURACY_SAMPLES} samples, and the data have {count}; "
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
