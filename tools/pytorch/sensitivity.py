"""How much each unit of an exported program alone damages the answers in one form."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch.export import ExportedProgram

from ...contracts import (
    DataView,
    Progress,
    ProgressSink,
    QuantizedForm,
    QuantizeStep,
    RequestError,
    SensitivityTable,
    UnitDamage,
    WeightForm,
)
from ..measure.fidelity import OutputError
from .editor import ProgramEditor, copy_program, load_program
from .feeds import Calls, part_calls
from .fuse import fuse_norms
from .graph import answers
from .lower import lower
from .observe import Observed, observe
from .quantize import wanted
from .quiet import quiet
from .storage import EMBEDDING, store, tables
from .units import FORMS, chosen, units

CALIBRATION_SAMPLES = 32
Form = Literal["static", "dynamic", "int8", "fp16"]
_Trial = tuple[str, str, int, Callable[[ProgramEditor], object]]


def program_form(form: QuantizedForm) -> Form:
    """Return a form that programs can take.

    Raises:
        RequestError: they cannot take this one.
    """
    known: dict[str, Form] = {each: each for each in get_args(Form)}
    if form not in known:
        raise RequestError(f"torch programs do not take the form {form!r}; they take {', '.join(known)}")
    return known[form]


def measure_program(
    model: Path,
    form: Form,
    data: DataView,
    samples: int,
    op_types: Sequence[str],
    seconds: float,
    progress: ProgressSink,
    only: Collection[str] = (),
) -> SensitivityTable:
    """Return the damage of each unit, the most damaged first; the heaviest are measured first.

    Args:
        model: a `.pt2` file.
        form: `static` and `dynamic` compute have calls as units, `int8` and `fp16` storage lookups in tables.
        data: whose selection part is measured on, and whose calibration part gives ranges.
        samples: selection samples at most.
        op_types: operators whose calls are units; empty for all.
        seconds: time after which no further unit is begun.
        progress: told after each unit.
        only: names of the units to measure; empty for all.

    Raises:
        DataError: `static` without calibration samples.
    """
    started = time.perf_counter()
    with quiet():
        editor = ProgramEditor(load_program(model))
        fuse_norms(editor)
        program = editor.finish()
        measured_on = part_calls(program, data, "selection", samples)
        ranges = part_calls(program, data, "calibration", CALIBRATION_SAMPLES)
        asked = [trial for trial in _trials(program, form, op_types, ranges) if not only or trial[0] in only]
        trials = sorted(asked, key=lambda trial: -trial[2])
        references = _run(program, measured_on)
        found: list[UnitDamage] = []
        for trial in trials:
            if found and time.perf_counter() - started > seconds:
                break
            found.append(_damage(program, trial, form, measured_on, references))
            message = f"{len(found)} of {len(trials)} units"
            progress(Progress(tool="sensitivity", message=message, fraction=len(found) / len(trials)))
    return SensitivityTable(
        form=form,
        samples=len(measured_on),
        units=tuple(sorted(found, key=lambda unit: (unit.damage_db, unit.name))),
        total_units=len(trials),
        sample_runs=len(measured_on) * (len(found) + 1),
        seconds=time.perf_counter() - started,
    )


def _trials(program: ExportedProgram, form: Form, op_types: Sequence[str], ranges: Calls) -> Iterator[_Trial]:
    """Yield name, operator, weight bytes of each unit, and what gives it its form in a copy of the program."""
    editor = ProgramEditor(copy_program(program))
    if form in ("int8", "fp16"):
        names = [node.name for node in tables(editor)]
        for node in tables(editor):
            others: dict[str, WeightForm] = {name: "fp32" for name in names if name != node.name}
            step = QuantizeStep(storage=form, stored=others)
            yield node.name, EMBEDDING, editor.tensor(node.args[0]).nbytes, _storing(step)
        return
    found = units(editor)
    types = [name for name, forms in FORMS.items() if form in forms and (not op_types or name in op_types)]
    step = QuantizeStep(compute=dict.fromkeys(types, form))
    forms, _ = chosen(found, step)
    if not forms:
        return
    observed = observe(program, wanted(found, forms, editor), step, ranges)
    for unit in found:
        if unit.name in forms:
            alone = {unit.name: forms[unit.name]}
            yield unit.name, unit.op_type, unit.weight_bytes, _lowering(alone, observed)


def _storing(step: QuantizeStep) -> Callable[[ProgramEditor], object]:
    return lambda copy: store(copy, step)


def _lowering(forms: Mapping[str, str], observed: Mapping[str, Observed]) -> Callable[[ProgramEditor], object]:
    return lambda copy: lower(copy, units(copy), forms, observed)


def _damage(
    program: ExportedProgram, trial: _Trial, form: Form, calls: Calls, references: list[list[Any]]
) -> UnitDamage:
    name, op_type, weight_bytes, change = trial
    editor = ProgramEditor(copy_program(program))
    change(editor)
    errors = [OutputError() for _ in references[0]]
    for known, given in zip(references, _run(editor.finish(), calls), strict=True):
        for error, old, new in zip(errors, known, given, strict=True):
            error.add(old, new)
    decibels = min(error.decibels for error in errors)
    return UnitDamage(name=name, op_type=op_type, form=form, damage_db=decibels, weight_bytes=weight_bytes)


def _run(program: ExportedProgram, calls: Calls) -> list[list[Any]]:
    module = program.module()
    with torch.inference_mode():
        return [[each.numpy() for each in answers(module(*args, **kwargs))] for args, kwargs in calls]
