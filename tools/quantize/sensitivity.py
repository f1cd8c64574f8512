"""How much each unit alone damages the answers in one form: a pass per unit over a few selection samples.

A unit is a node for the forms of compute and an initializer for those of storage. Damage is told at the logits where an
output has some, which a Softmax or Sigmoid after them would hide. The heaviest units come first and a time limit ends
the work, so that what is left unmeasured matters least to size.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ...contracts import (
    DataView,
    Progress,
    ProgressSink,
    QuantizedForm,
    QuantizeStep,
    RequestError,
    SensitivityTable,
    SensitivityTables,
    ToolError,
    UnitDamage,
)
from ..context import TABLE_FILE, ToolAnswer, ToolContext, silent
from ..measure.data import open_data
from ..measure.fidelity import OutputError
from ..model_files import load
from ..onnx_model import quoted
from ..sample_runs import counted
from ..stopwatch import Stopwatch
from .calibrate import Feeds
from .capture import Captures
from .streams import Fed, Streams
from .trial import copy_model, enough, opened, run
from .units import FORMS, Making, Trial, Trials, trials
from .watched import Watched, watch

DEFAULT_SAMPLES = 4
FIRST_SAMPLES = 2
CALIBRATION_SAMPLES, LEAST_CALIBRATION_SAMPLES = 16, 4
TIME_LIMIT_S = 20.0
REPORTED = 128
# Fields of a step that say how a form is made.
_ASKED = ("calibration", "percentile", "rounding", "block", "clip_recurrent")
REFERENCE_BYTES = 256 * 2**20

# A feed, whether it begins a stream, and what the model itself gives out where damage is told.
_Call = tuple[Mapping[str, Any], bool, list[Any]]


def sensitivity_tool(context: ToolContext) -> ToolAnswer:
    """Measure role `model` on role `data` in several forms.

    Params: `forms`, form → how it is made: `calibration` and `percentile` for `static`; `clip_recurrent` for `dynamic`;
    `rounding` and `block` for storage, where 4 bits are rounded with error feedback unless told otherwise; `units`,
    names of those that are asked for. `samples`, `seconds` of each form, `op_types`, `calibration_samples`.
    The answer's tables, in roles `table_<form>`, are whole ones; the report has the 128 most damaged units of each.

    Raises:
        ToolError: no form can be measured.
    """
    tables, failed = list[SensitivityTable](), dict[QuantizedForm, str]()
    outputs: dict[str, Path] = {}
    captures = Captures()
    for name, asked in dict(context.job.params["forms"]).items():
        form = _form(str(name))
        try:
            table = _measured(context, form, {**context.job.params, **asked}, captures)
        except ToolError as error:
            failed[form] = error.message
            continue
        folder = outputs[f"table_{form}"] = context.work / f"table_{form}"
        folder.mkdir()
        (folder / TABLE_FILE).write_text(table.model_dump_json(), encoding="utf-8")
        tables.append(table.model_copy(update={"units": table.units[:REPORTED]}))
    if failed and not tables:
        raise ToolError(next(iter(failed.values())), "quantization")
    runs = sum(table.sample_runs for table in tables)
    return ToolAnswer(SensitivityTables(tables=tuple(tables), failed=failed, sample_runs=runs), outputs)


def _measured(
    context: ToolContext, form: QuantizedForm, params: Mapping[str, Any], captures: Captures
) -> SensitivityTable:
    job = context.job
    if job.data is None:
        raise ValueError("a sensitivity job carries the reference of its data")
    view = open_data(context.inputs["data"], job.data)
    op_types, only = tuple(params.get("op_types", ())), frozenset(params.get("units", ()))
    samples, seconds = int(params.get("samples", DEFAULT_SAMPLES)), float(params.get("seconds", TIME_LIMIT_S))
    if context.model().suffix == ".pt2":
        from ..pytorch.sensitivity import measure_program, program_form

        return measure_program(
            context.model(), program_form(form), view, samples, op_types, seconds, context.progress, only
        )
    return measure_sensitivity(
        context.model(),
        form,
        Streams.of(view, "selection", len(enough(view.feeds("selection", samples), samples))),
        replace(_making(form, params, view), captures=captures),
        op_types,
        seconds,
        context.progress,
        told=view.ref.named_output,
        only=only,
    )


def _form(name: str) -> QuantizedForm:
    known: dict[str, QuantizedForm] = {each: each for each in FORMS}
    if name not in known:
        raise RequestError(f"there is no form {quoted(name)}; choose one of {', '.join(FORMS)}")
    return known[name]


def _making(form: QuantizedForm, params: Mapping[str, Any], view: DataView) -> Making:
    """Read how the form is made, with the checks and defaults of a step."""
    asked = {name: params[name] for name in _ASKED if name in params}
    if form == "int4":
        # Round to nearest is lossless on some models and ruins others: it would mislead whoever chooses.
        asked = {"rounding": "error_feedback"} | asked
    try:
        step = QuantizeStep.model_validate(asked)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    most = int(params.get("calibration_samples", CALIBRATION_SAMPLES))
    feeds = enough(view.feeds("calibration", most), most, LEAST_CALIBRATION_SAMPLES)
    return Making(feeds, step.calibration, step.percentile, step.rounding, step.block, step.clip_recurrent)


def measure_sensitivity(
    model: Path,
    form: QuantizedForm,
    samples: Feeds | Streams,
    making: Making | None = None,
    op_types: Sequence[str] = (),
    seconds: float = TIME_LIMIT_S,
    progress: ProgressSink = silent,
    told: str | None = None,
    only: Collection[str] = (),
) -> SensitivityTable:
    """Return the damage of each unit, the most damaged first.

    Args:
        model: a model file.
        form: of compute or of storage.
        samples: to measure on; fewer are used where their outputs take more than 256 MB. All units are measured on
            two of them before any is on the others. In streams each unit's model is fed its own last states, through
            which its errors build up as they will in use.
        making: how the form is made, and from which calibration samples.
        op_types: operators whose nodes are units; empty for all that the form is advisable for.
        seconds: of work after which no further unit is begun; the heaviest is always measured.
        progress: told after each unit.
        told: the output that damage is told at; the worst of all without it.
        only: names of the units to measure; empty for all.

    Raises:
        DataError: `static` without calibration samples.
        ToolError: the model does not load, or does not run on the samples.
    """
    started, before = time.perf_counter(), counted()
    streams = samples if isinstance(samples, Streams) else Streams(samples)
    watched = watch(load(model), streams.state, told)
    work = trials(watched.model, form, making or Making(), op_types, only)
    gauges = [_Gauge(trial, watched) for trial in work.units]
    with _opened(work, watched, streams) as (session, alone):
        references = list(_references(session, streams, watched))
        first = streams.end_of(FIRST_SAMPLES)
        for number, gauge in _turns(gauges, seconds, Stopwatch()):
            gauge.measure(session, references[:first] if number < len(gauges) else references[first:], alone)
            share = (number + 1) / (2 * len(gauges))
            progress(Progress(tool="sensitivity", message=f"{gauge.samples} samples of a unit", fraction=share))
    measured = [gauge for gauge in gauges if gauge.samples]
    return SensitivityTable(
        form=form,
        samples=min((gauge.samples for gauge in measured), default=0),
        units=tuple(sorted((each.damage(form) for each in measured), key=lambda each: (each.damage_db, each.name))),
        total_units=len(gauges),
        sample_runs=counted() - before,
        seconds=time.perf_counter() - started,
    )


@contextmanager
def _opened(work: Trials, watched: Watched, streams: Streams) -> Generator[tuple[Any, bool]]:
    """Give the session that references come from, and whether each unit is to be run as a model of its own.

    Weights that are fed cost time in each call, other models the time of loading them.
    """
    if work.plain is None or not work.units:
        with opened(work.reference) as session:
            yield session, False
        return
    started = time.perf_counter()
    with opened(copy_model(work.plain)) as plain:
        loading = time.perf_counter() - started
        with opened(work.reference) as session:
            slower = _seconds(session, streams) - _seconds(plain, streams)
            alone = slower * len(streams.feeds) > 2 * loading
            yield (plain if alone else session), alone


def _seconds(session: Any, streams: Streams) -> float:
    """Return what a call takes, to plan by."""
    started = time.perf_counter()
    for feed, _ in itertools.islice(streams.begun(), 1):
        run(session, feed)
    return time.perf_counter() - started


def _turns(gauges: Sequence[_Gauge], seconds: float, watch: Stopwatch) -> Iterator[tuple[int, _Gauge]]:
    """Yield every unit twice, until the time is over: all on few samples before any on more.

    A unit that is not measured counts as harmless further on, which a coarse figure for each does not.
    """
    for number, gauge in enumerate([*gauges, *gauges]):
        if number and watch.seconds() > seconds:
            return
        yield number, gauge


class _Gauge:
    """Adds up what one unit alone does to each output."""

    def __init__(self, trial: Trial, watched: Watched) -> None:
        self._trial = trial
        self._watched = watched
        self._errors: list[OutputError] = []
        self.samples = 0

    def measure(self, reference: Any, calls: Sequence[_Call], alone: bool) -> None:
        """Run the unit's model on some samples and their reference outputs, its own where it is to be `alone`."""
        trial = self._trial
        if not calls:
            return
        own = trial.model if alone or not trial.overrides else None
        besides = {} if own else trial.feed()
        with nullcontext(reference) if own is None else opened(own()) as session:
            fed = Fed(session, self._watched.state)
            for feed, starts, wanted in calls:
                self._errors = self._errors or [OutputError() for _ in wanted]
                answers = self._watched.heard(fed.answer({**feed, **besides}, starts))
                for error, value, answer in zip(self._errors, wanted, answers, strict=True):
                    error.add(value, answer)
                self.samples += 1

    def damage(self, form: QuantizedForm) -> UnitDamage:
        """Return what was found out, at the worst output."""
        return UnitDamage(
            name=self._trial.name,
            op_type=self._trial.op_type,
            form=form,
            damage_db=min(error.decibels for error in self._errors),
            weight_bytes=self._trial.weight_bytes,
        )


def _references(session: Any, streams: Streams, watched: Watched) -> Iterator[_Call]:
    """Yield as many samples as fit in memory, at least one, with what the model itself gives out."""
    held, fed = 0, Fed(session, watched.state)
    for feed, starts in streams.begun():
        if held > REFERENCE_BYTES:
            return
        outputs = watched.heard(fed.answer(feed, starts))
        held += sum(int(each.nbytes) for each in outputs if isinstance(each, np.ndarray))
        yield feed, starts, outputs
