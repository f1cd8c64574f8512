"""Trace a live module into an exported program that answers the same."""

from __future__ import annotations

from pathlib import Path

import torch

from ...contracts import ModelFileError, ToolError
from ..measure.session import open_session
from ..onnx_model import one_line
from .export import shown, to_program, worst
from .live import LiveModel
from .program import save_program
from .quiet import quiet


def trace_module(live: LiveModel, target: Path) -> str:
    """Write `live` as an exported program to `target`, its batch axis free where that holds; say how it compares.

    Raises:
        ModelFileError: `torch.export` cannot, or what it made answers differently.
    """
    live.answer()
    refusals: list[BaseException] = []
    for free in (True, False):
        traced = live.doubled() if free else live
        if traced is None:
            continue
        try:
            with quiet():
                program = to_program(traced, free)
                # What is saved as example is what the user gave.
                program.example_inputs = live.call()
            save_program(program, target)
            decibels = min(compare_program(each, target) for each in ((live, traced) if free else (live,)))
        except Exception as error:  # noqa: BLE001 - torch.export raises anything, down to bare assertions
            refusals.append(error)
        else:
            return f"exported by torch.export, {shown(decibels)} from the module"
    raise _refused(live.name, refusals)


def compare_program(live: LiveModel, path: Path) -> float:
    """Return the SQNR in dB at the worst output of the program at `path` against the module, on its example inputs.

    Raises:
        ModelFileError: other outputs, or more noise than rounding.
    """
    session = open_session(path)
    tensors = {name: each.numpy() for name, each in live.tensors.items()}
    try:
        answers = session.run(dict(zip(session.input_names, tensors.values(), strict=True)))
    except (ToolError, ValueError) as error:
        raise ModelFileError(
            f"{live.name}: the exported program does not run on the example inputs: {error}"
        ) from error
    return worst(live.name, [each.numpy() for each in live.answer().values()], answers)


def _refused(name: str, refusals: list[BaseException]) -> ModelFileError:
    ours = next((each for each in refusals if isinstance(each, ModelFileError)), None)
    if ours is not None:
        return ours
    last = refusals[-1]
    lines = [line.strip() for line in str(last).splitlines() if line.strip()]
    what = f"{type(last).__name__}: {lines[0] if lines else 'no message'}"
    hint = "torch.export needs a forward whose control flow does not depend on values"
    return ModelFileError(f"{name}: export failed with torch {torch.__version__}: {one_line(what)}; {hint}")
