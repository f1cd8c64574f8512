"""Rewrite the graph of an exported program: the step `optimize_graph` for torch.

The product stays a plain exported program. Code compiled ahead of time (AOTInductor) would be faster still, but holds
machine code of one processor, and a product is for any.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from ...contracts import DataView, Layout, Limits, NoOpError, OptimizeGraphStep, RequestError, StepReport, ToolError
from .clear import clear
from .editor import ProgramEditor, load_program, save_program
from .feeds import Calls, part_calls
from .fold import fold_constants, share_equal
from .fuse import fuse_norms
from .layout import apply_layout, choose_layout
from .quiet import quiet

_TIMED_FEEDS = 4
_CHECKED_FEEDS = 4
# Rounding of a folded normalization, relative to the largest answer; what is beyond is another function.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Rewritten:
    """A rewritten program, the step with every choice made, and what changed."""

    program: ExportedProgram
    step: OptimizeGraphStep
    counts: dict[str, int]
    gains: dict[str, float]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, one line each."""
        words = {
            "cleared": "calls that change nothing were cleared",
            "folded": "calls of constants were folded",
            "shared": "tensors were found twice and are held once",
            "fused": "normalizations were folded into weights",
            "laid_out": f"convolutions took the layout {self.step.layout}",
        }
        tried = ", ".join(f"{name} {gain:.2f} ×" for name, gain in self.gains.items())
        lines = [f"{self.counts[name]} {text}" for name, text in words.items() if self.counts[name]]
        return (*lines, *([f"layouts tried: {tried}"] if tried else []))


def optimize_graph(
    step: OptimizeGraphStep, source: Path, target: Path, data: DataView | None, limits: Limits
) -> StepReport:
    """Write the optimized program to `target`; the report's step names the layout that was chosen.

    Raises:
        NoOpError: what `step` allows changes nothing in this program.
        ToolError: the program cannot be opened, or the result answers differently.
    """
    started = time.perf_counter()
    with quiet():
        program = load_program(source)
        done = rewrite(step, program, part_calls(program, data, "calibration", _TIMED_FEEDS))
        ensure_same(load_program(source), done.program, part_calls(program, data, "calibration", _CHECKED_FEEDS))
        save_program(done.program, target)
    return StepReport(
        step=done.step,
        changed=True,
        notes=done.notes,
        details={**done.counts, "layout": done.step.layout, "layout_gains": done.gains},
        size_bytes=target.stat().st_size,
        seconds=time.perf_counter() - started,
    )


def rewrite(step: OptimizeGraphStep, program: ExportedProgram, calls: Calls) -> Rewritten:
    """Run the passes that `step` allows; `program` is used up.

    Raises:
        NoOpError: nothing changed.
        RequestError: passes are named, which are onnx's.
    """
    if step.passes is not None:
        raise RequestError("passes by name are those of onnx graphs; torch programs have the switches of families")
    editor = ProgramEditor(program)
    counts = {"cleared": clear(editor) if step.elimination else 0, "folded": 0, "shared": 0, "fused": 0, "laid_out": 0}
    if step.constant_folding:
        counts["folded"] = fold_constants(editor)
        counts["shared"] = share_equal(editor)
    if step.fusion:
        counts["fused"] = fuse_norms(editor)
    program = editor.finish()
    layout, gains = _layout(step, program, calls)
    if layout != "keep":
        editor = ProgramEditor(program)
        counts["laid_out"] = apply_layout(editor, layout)
        program = editor.finish()
    if not any(counts.values()):
        raise NoOpError("the program is as good as these passes make it: nothing changed")
    return Rewritten(program, step.model_copy(update={"layout": layout}), counts, gains)


def _layout(step: OptimizeGraphStep, program: ExportedProgram, calls: Calls) -> tuple[Layout, dict[str, float]]:
    if not step.layer_optimization:
        return "keep", {}
    return choose_layout(program, calls) if step.layout == "auto" else (step.layout, {})


def ensure_same(before: ExportedProgram, after: ExportedProgram, calls: Calls) -> None:
    """Check that `after` answers as `before`, up to rounding.

    Raises:
        ToolError: it does not.
    """
    first, second = before.module(), after.module()
    with torch.inference_mode():
        for args, kwargs in calls:
            for old, new in zip(answers(first(*args, **kwargs)), answers(second(*args, **kwargs)), strict=True):
                _ensure_close(old, new)


def answers(given: Any) -> Sequence[torch.Tensor]:
    """Return the tensors among what a call answers, in order."""
    return [each for each in pytree.tree_leaves(given) if isinstance(each, torch.Tensor)]


def _ensure_close(old: torch.Tensor, new: torch.Tensor) -> None:
    if old.shape != new.shape or old.dtype != new.dtype:
        raise ToolError(f"an answer changed from {old.dtype} {list(old.shape)} to {new.dtype} {list(new.shape)}")
    if not old.is_floating_point():
        if not torch.equal(old, new):
            raise ToolError("the rewritten program answers differently")
        return
    finite = torch.isfinite(old)
    scale = float(old[finite].abs().max()) if bool(finite.any()) else 0.0
    if not torch.allclose(old, new, rtol=_TOLERANCE, atol=_TOLERANCE * scale, equal_nan=True):
        raise ToolError("the rewritten program answers differently")
