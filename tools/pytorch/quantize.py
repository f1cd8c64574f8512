"""Quantize an exported program: the step `quantize` for torch.

8-bit compute runs in torch's own integer operators, which need no compiler. The recurrent operators have dynamic
forms as well, but those are slower than floating point (0.8 ×, measured) and are not offered.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from torch.export import ExportedProgram
from torch.fx import Node

from ...contracts import DataView, LayerForm, Limits, NoOpError, QuantizeStep, RequestError, StepReport
from ..onnx_model import quoted
from .editor import ProgramEditor, load_program, save_program
from .feeds import Calls, part_calls
from .fuse import fuse_norms
from .lower import MOVES, aten, lower
from .observe import Wanted, observe
from .quiet import quiet
from .storage import store, tables
from .units import RELUS, Unit, chosen, units

MAX_LAYERS = 512
_ADDS = (aten.add.Tensor, aten.add_.Tensor)


@dataclass(frozen=True)
class Quantized:
    """A quantized program and what became of each unit."""

    program: ExportedProgram
    layers: tuple[LayerForm, ...]
    notes: tuple[str, ...]
    samples: int


def quantize(step: QuantizeStep, source: Path, target: Path, data: DataView | None, limits: Limits) -> StepReport:
    """Give the program at `source` the forms that `step` names and write it to `target`.

    Raises:
        NoOpError: nothing could take the form asked for; the message says why.
        RequestError: a name that the program does not have, or a type that torch does not compute with.
        MissingExtraError: torchao is not installed.
        DataError: `static` without calibration samples.
    """
    started = time.perf_counter()
    with quiet():
        program = load_program(source)
        calls = part_calls(program, data, "calibration", step.samples) if data is not None else []
        done = quantize_program(step, program, calls)
        save_program(done.program, target)
    return StepReport(
        step=step,
        changed=True,
        notes=done.notes,
        layers=tuple(sorted(done.layers, key=lambda each: -(each.weight_bytes or 0))[:MAX_LAYERS]),
        details={"calibration_samples": done.samples, **Counter(each.form for each in done.layers)},
        size_bytes=target.stat().st_size,
        seconds=time.perf_counter() - started,
    )


def quantize_program(step: QuantizeStep, program: ExportedProgram, calls: Calls) -> Quantized:
    """Quantize `program`, which is used up, with ranges from `calls`.

    Raises:
        NoOpError: nothing could take the form asked for.
    """
    _check_types(step)
    editor = ProgramEditor(program)
    fused = fuse_norms(editor)
    program = editor.finish()
    editor = ProgramEditor(program)
    found = units(editor)
    _check_names(step, found, editor)
    forms, left = chosen(found, step)
    asked = wanted(found, forms, editor)
    if forms:
        lower(editor, found, forms, observe(program, asked, step, calls))
    stored = store(editor, step)
    if not forms and not stored:
        raise NoOpError(f"nothing was quantized: {_reasons(step, left)}", "quantization")
    layers = [_layer(unit, forms, left) for unit in found if unit.name in forms or unit.name in left]
    notes = [f"{fused} normalizations were folded first"] if fused else []
    counts = Counter(each.form for each in (*layers, *stored))
    notes += [f"{count} × {form}" for form, count in counts.most_common()]
    samples = len(calls) if asked.static else 0
    return Quantized(editor.finish(), (*layers, *stored), tuple(notes), samples)


def _layer(unit: Unit, forms: dict[str, str], left: dict[str, str]) -> LayerForm:
    form = f"int8 {forms[unit.name]}" if unit.name in forms else "fp32"
    why = left.get(unit.name, "")
    return LayerForm(name=unit.name, op_type=unit.op_type, form=form, why=why, weight_bytes=unit.weight_bytes)


def _check_types(step: QuantizeStep) -> None:
    if (step.activations, step.weights) != ("uint8", "int8"):
        raise RequestError("torch computes with uint8 activations and int8 weights; other types are not served")
    if step.rounding != "nearest" or step.recovery or step.clip_recurrent is not None:
        raise RequestError("torch programs are rounded to nearest, without recovery; the onnx runtime has these")


def _check_names(step: QuantizeStep, found: list[Unit], editor: ProgramEditor) -> None:
    known = {node.name for node in editor.calls()}
    lookups = {node.name for node in tables(editor)}
    for names, have, what in ((step.nodes, known, "call"), (step.stored, lookups, "table")):
        missing = [name for name in names if name not in have]
        if missing:
            raise RequestError(f"the program has no {what} named {quoted(missing[0])}")


def _reasons(step: QuantizeStep, left: dict[str, str]) -> str:
    if left:
        return "; ".join(sorted(set(left.values())))
    asked = ", ".join(sorted(step.compute)) or "weight storage"
    return f"the program has nothing that {asked} speaks of"


def wanted(found: list[Unit], forms: dict[str, str], editor: ProgramEditor) -> Wanted:
    """Return what to observe: the units, and sums of what they answer."""
    static = [unit.name for unit in found if forms.get(unit.name) == "static"]
    dynamic = [unit.name for unit in found if forms.get(unit.name) == "dynamic"]
    last = {unit.name: unit.last.name for unit in found if unit.name in static}
    quantized = {unit.last for unit in found if unit.name in static}
    answers: list[str] = []
    for node in editor.calls(*_ADDS):
        if all(_origin(side) in quantized for side in node.args[:2]) and len(node.args) == 2 and not node.kwargs:
            readers = list(node.users)
            relu = readers[0] if len(readers) == 1 and readers[0].target in RELUS else node
            answers.append(node.name)
            last[node.name] = relu.name
            quantized.add(relu)
    return Wanted(static, dynamic, answers, last)


def _origin(node: object) -> object:
    while isinstance(node, Node) and node.target in MOVES:
        node = node.args[0]
    return node
