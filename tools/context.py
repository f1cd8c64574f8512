"""What a tool is given and what it gives back, inside a child process or called directly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..contracts import Contract, Job, Progress, ProgressSink

MODEL_FILE = "model.onnx"
TORCH_SUFFIX = ".pt2"
TORCH_FILE = f"model{TORCH_SUFFIX}"
TABLE_FILE = "table.json"


def silent(_: Progress) -> None:
    """Swallow progress where nobody looks."""


def model_file(folder: Path) -> Path:
    """Return the model's file in an artifact's or product's folder: an exported torch program, or an ONNX model."""
    program = folder / TORCH_FILE
    return program if program.is_file() else folder / MODEL_FILE


@dataclass(frozen=True)
class ToolContext:
    """One call of a tool.

    Attributes:
        job: what is asked.
        inputs: role → artifact folder, read only. A model's file is `model_file` of it, a table's `TABLE_FILE`.
        work: empty folder for everything that the tool writes.
        progress: where to tell how far it is.
    """

    job: Job
    inputs: Mapping[str, Path]
    work: Path
    progress: ProgressSink = silent

    def model(self, role: str = "model") -> Path:
        """Return the path of the model file in `role`."""
        return model_file(self.inputs[role])


@dataclass(frozen=True)
class ToolAnswer:
    """A tool's report, and the artifact folders it made (role → folder inside `work`)."""

    report: Contract
    outputs: Mapping[str, Path] = field(default_factory=dict[str, Path])
