"""How much each unit alone damages the outputs in one form: a pass per unit over a few selection samples.

A unit is a node for `static` and `dynamic` compute and an initializer for `int8` and `fp16` storage. The heaviest
units come first and a time limit ends the work, so that what is left unmeasured matters least to size.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from ...contracts import Progress, ProgressSink, RequestError, SensitivityTable, UnitDamage
from ..context import TABLE_FILE, ToolAnswer, ToolContext, silent
from ..measure.data import open_data
from ..measure.fidelity import OutputError
from ..onnx_model import load, quoted
from .calibrate import Feeds
from .trial import opened, run
from .units import FORMS, Form, Trial, trials

DEFAULT_SAMPLES = 8
FIRST_SAMPLES = 2
CALIBRATION_SAMPLES = 32
TIME_LIMIT_S = 20.0
REPORTED = 128
REFERENCE_BYTES = 256 * 2**20


def sensitivity_tool(context: ToolContext) -> ToolAnswer:
    """Measure role `model` on role `data`. Params: `form`, `samples`, `seconds`, `op_types`.

    The answer's table is the whole one, the report its 128 most damaged units.
    """
    job = context.job
    if job.data is None:
        raise ValueError("a sensitivity job carries the reference of its data")
    view = open_data(context.inputs["data"], job.data)
    params = job.params
    form, op_types = _form(str(params.get("form", "int8"))), tuple(params.get("op_types", ()))
    samples, seconds = int(params.get("samples", DEFAULT_SAMPLES)), float(params.get("seconds", TIME_LIMIT_S))
    if context.model().suffix == ".pt2":
        from ..pytorch.sensitivity import measure_program

        table = measure_program(context.model(), form, view, samples, op_types, seconds, context.progress)
    else:
        table = measure_sensitivity(
            context.model(),
            form,
            view.feeds("selection", samples),
            view.feeds("calibration", CALIBRATION_SAMPLES),
            op_types,
            seconds,
            context.progress,
        )
    folder = context.work / "table"
    folder.mkdir()
    (folder / TABLE_FILE).write_text(table.model_dump_json(), encoding="utf-8")
    worst = table.model_copy(update={"units": table.units[:REPORTED]})
    return ToolAnswer(report=worst, outputs={"table": folder})


def _form(name: str) -> Form:
    known: dict[str, Form] = {each: each for each in FORMS}
    if name not in known:
        raise RequestError(f"there is no form {quoted(name)}; choose one of {', '.join(FORMS)}")
    return known[name]


def measure_sensitivity(
    model: Path,
    form: Form,
    feeds: Feeds,
    calibration: Feeds = (),
    op_types: Sequence[str] = (),
    seconds: float = TIME_LIMIT_S,
    progress: ProgressSink = silent,
) -> SensitivityTable:
    """Return the damage of each unit, the most damaged first.

    Args:
        model: a model file.
        form: `static`, `dynamic`, `int8` or `fp16`.
        feeds: samples to measure on; fewer are used where their outputs take more than 256 MB. All units are
            measured on two of them before any is on the others.
        calibration: samples for the ranges that `static` needs.
        op_types: operators whose nodes are units; empty for all that the form is advisable for.
        seconds: time after which no further unit is begun; the heaviest is always measured.
        progress: told after each unit.

    Raises:
        DataError: `static` without calibration samples.
        ToolError: the model does not load, or does not run on the samples.
    """
    started = time.perf_counter()
    work = trials(load(model), form, calibration, op_types)
    gauges = [_Gauge(trial) for trial in work.units]
    with opened(work.reference) as session:
        references = list(_references(session, feeds))
        pairs = list(zip(feeds, references, strict=False))
        for number, gauge in _turns(gauges, deadline=started + seconds):
            gauge.measure(session, pairs[:FIRST_SAMPLES] if number < len(gauges) else pairs[FIRST_SAMPLES:])
            share = (number + 1) / (2 * len(gauges))
            progress(Progress(tool="sensitivity", message=f"{gauge.samples} samples of a unit", fraction=share))
    measured = [gauge for gauge in gauges if gauge.samples]
    return SensitivityTable(
        form=form,
        samples=min((gauge.samples for gauge in measured), default=0),
        units=tuple(sorted((each.damage(form) for each in measured), key=lambda each: (each.damage_db, each.name))),
        total_units=len(gauges),
        sample_runs=len(references) + sum(gauge.samples for gauge in measured),
        seconds=time.perf_counter() - started,
    )


def _turns(gauges: Sequence[_Gauge], deadline: float) -> Iterator[tuple[int, _Gauge]]:
    """Yield every unit twice, until the time is over: all on few samples before any on more.

    A unit that is not measured counts as harmless further on, which a coarse figure for each does not.
    """
    for number, gauge in enumerate([*gauges, *gauges]):
        if number and time.perf_counter() > deadline:
            return
        yield number, gauge


class _Gauge:
    """Adds up what one unit alone does to each output."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._errors: list[OutputError] = []
        self.samples = 0

    def measure(self, reference: Any, pairs: Sequence[tuple[Any, Sequence[Any]]]) -> None:
        """Run the unit's model on some samples and their reference outputs."""
        trial = self._trial
        if not pairs:
            return
        with nullcontext(reference) if trial.model is None else opened(trial.model()) as session:
            for feed, wanted in pairs:
                self._errors = self._errors or [OutputError() for _ in wanted]
                answers = run(session, {**feed, **trial.overrides})
                for error, value, answer in zip(self._errors, wanted, answers, strict=True):
                    error.add(value, answer)
                self.samples += 1

    def damage(self, form: Form) -> UnitDamage:
        """Return what was found out, at the worst output."""
        return UnitDamage(
            name=self._trial.name,
            op_type=self._trial.op_type,
            form=form,
            damage_db=min(error.decibels for error in self._errors),
            weight_bytes=self._trial.weight_bytes,
        )


def _references(session: Any, feeds: Feeds) -> Iterator[list[Any]]:
    """Yield the outputs of as many samples as fit in memory, at least one."""
    held = 0
    for feed in feeds:
        if held > REFERENCE_BYTES:
            return
        outputs = run(session, feed)
        held += sum(int(each.nbytes) for each in outputs if isinstance(each, np.ndarray))
        yield outputs
