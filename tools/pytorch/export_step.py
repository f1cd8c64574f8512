"""The step that turns an exported program into ONNX."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...contracts import (
    DataError,
    DataView,
    ExportStep,
    Limits,
    MissingExtraError,
    ModelFileError,
    StepReport,
    ToolError,
)
from ..measure.session import open_onnx
from ..measure.synthesize import synthesizer
from ..measure.torch_session import TorchSession
from ..onnx_model import model_bytes, one_line
from .export import missing_operator, program_to_onnx, shown, worst, write
from .program import open_program
from .quiet import quiet

_SAMPLES = 2


def export(step: ExportStep, source: Path, target: Path, data: DataView | None, limits: Limits) -> StepReport:
    """Write the program at `source` as ONNX to `target`, and compare the two on a few samples.

    Raises:
        ToolError: an operator that has no ONNX form, named, or a model that answers differently.
        MissingExtraError: the exporter needs onnxscript.
    """
    del limits
    started = time.perf_counter()
    program = open_program(source)
    session = TorchSession(program)
    try:
        with quiet():
            model = program_to_onnx(program, session.input_names, session.output_names, step.opset)
    except MissingExtraError:
        raise
    except Exception as error:  # exporters raise anything, down to bare assertions
        raise _failed(error) from error
    write(model, target)
    decibels = _compared(session, target, _feeds(session, data))
    return StepReport(
        step=step,
        changed=True,
        notes=(f"exported to ONNX opset {step.opset}, {_words(decibels)}",),
        size_bytes=model_bytes(target),
        seconds=time.perf_counter() - started,
    )


def _failed(error: Exception) -> ToolError:
    operator = missing_operator(error)
    if operator is not None:
        return ToolError(
            f"export failed at {operator}, which has no ONNX form; replace it, or keep the model in torch with "
            "--runtime torch"
        )
    lines = str(error).strip().splitlines() or ["no message"]
    return ToolError(f"export failed: {one_line(f'{type(error).__name__}: {lines[0]}')}; try --runtime torch")


def _feeds(session: TorchSession, data: DataView | None) -> Sequence[Mapping[str, Any]]:
    if data is not None:
        return data.feeds("calibration", _SAMPLES)
    try:
        make = synthesizer(session, seed=0)
    except DataError:
        return ()
    return [make(index) for index in range(_SAMPLES)]


def _compared(session: TorchSession, target: Path, feeds: Sequence[Mapping[str, Any]]) -> float | None:
    exported = open_onnx(target)
    try:
        found = [worst("the program", session.run(feed), exported.run(feed)) for feed in feeds]
    except ModelFileError as error:
        raise ToolError(f"export failed: {error.message}") from error
    return min(found, default=None)


def _words(decibels: float | None) -> str:
    return "not compared" if decibels is None else f"{shown(decibels)} from the program"
