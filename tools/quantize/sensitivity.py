"""How much each unit alone damages the outputs in one form: a pass per unit over a few selection samples.

A unit is a node for `static` and `dynamic` compute and an initializer for `int8` and `fp16` storage. The heaviest
units come first and a time limit ends the work, so that what is left unmeasured is what matters least to size.
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
    table = measure_sensitivity(
        context.model(),
        _form(str(params.get("form", "int8"))),
        view.feeds("selection", int(params.get("samples", DEFAULT_SAMPLES))),
        view.feeds("calibration", CALIBRATION_SAMPLES),
        tuple(params.get("op_types", ())),
        float(params.get("seconds", TIME_LIMIT_S)),
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
        feeds: samples to measure on; fewer are used where their outputs take more than 256 MB.
        calibration: samples for the ranges that `static` needs.
        op_types: operators whose nodes are units; empty for all that the form is advisable for.
        seconds: time after which no further unit is begun; the first is always measured.
        progress: told after each unit.

    Raises:
        DataError: `static` without calibration samples.
        ToolError: the model does not load, or does not run on the samples.
    """
    started = time.perf_counter()
    work = trials(load(model), form, calibration, op_types)
    damages: list[UnitDamage] = []
    with opened(work.reference, optimize=False) as session:
        references = list(_references(session, feeds))
        used = feeds[: len(references)]
        for index, trial in enumerate(work.units):
            if index and time.perf_counter() - started > seconds:
                break
            damages.append(_damage(trial, form, session, used, references))
            share = (index + 1) / len(work.units)
            progress(Progress(tool="sensitivity", message=f"{index + 1} of {len(work.units)} units", fraction=share))
    return SensitivityTable(
        form=form,
        samples=len(used),
        units=tuple(sorted(damages, key=lambda each: (each.damage_db, each.name))),
        total_units=len(work.units),
        sample_runs=len(used) * (len(damages) + 1),
        seconds=time.perf_counter() - started,
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


def _damage(trial: Trial, form: Form, reference: Any, feeds: Feeds, wanted: Sequence[Sequence[Any]]) -> UnitDamage:
    errors = [OutputError() for _ in wanted[0]] if wanted else []
    made = nullcontext(reference) if trial.model is None else opened(trial.model(), optimize=False)
    with made as session:
        for feed, outputs in zip(feeds, wanted, strict=True):
            for error, reference, answer in zip(
                errors, outputs, run(session, {**feed, **trial.overrides}), strict=True
            ):
                error.add(reference, answer)
    worst = min((error.decibels for error in errors), default=float("inf"))
    return UnitDamage(
        name=trial.name, op_type=trial.op_type, form=form, damage_db=worst, weight_bytes=trial.weight_bytes
    )
