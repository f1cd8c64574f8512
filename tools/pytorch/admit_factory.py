"""Admit a model that the user's own code makes: call it, export it, and take in what came out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...contracts import AdmitReport
from ..context import MODEL_FILE
from .export import export_module
from .factory import call_factory


def admit_factory(source: str, folder: Path, work: Path, params: Mapping[str, Any]) -> AdmitReport:
    """Export what `package.module:factory` returns and admit it as if it had come as a file.

    Args:
        source: `package.module:factory`; it runs in this process, which is a job's child.
        folder: empty; receives the model.
        work: existing; receives the export before it is checked.
        params: of the tool: `working_directory`, `data`, `max_bytes`.

    Raises:
        ModelFileError: the factory cannot be used, or its module cannot be exported.
    """
    from ..admit import admit

    base = Path(params.get("working_directory") or Path.cwd())
    live = call_factory(source, base, params.get("data"))
    exported = work / "exported" / MODEL_FILE
    exported.parent.mkdir()
    note = export_module(live, exported)
    report = admit(exported, folder, int(params["max_bytes"]))
    return report.model_copy(update={"source": source, "notes": (note,)})
