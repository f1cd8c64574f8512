"""Admit torch models: exported programs by copy, and what the user's own code makes by exporting it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...contracts import AdmitReport, ModelFileError, ToolError
from ..context import MODEL_FILE, TORCH_FILE
from ..external_data import copy_bounded
from ..measure.session import open_session
from .archive import check_archive
from .export import export_module
from .factory import call_factory
from .trace import trace_module


def admit_program(source: Path, folder: Path, max_bytes: int, load: bool = True) -> AdmitReport:
    """Copy the program at `source` to `folder` and check the copy before torch opens it.

    Args:
        source: a `.pt2` file.
        folder: empty; receives `model.pt2`.
        max_bytes: bound on its size.
        load: whether torch must be able to load it.

    Raises:
        ModelFileError: one line that says what is wrong with it.
    """
    target = folder / TORCH_FILE
    with source.open("rb") as stream:
        digest, size = copy_bounded(stream, target, max_bytes, max_bytes)
    model = check_archive(target, source.name)
    if load:
        try:
            open_session(target)
        except ToolError as error:
            raise ModelFileError(f"{source.name!r} cannot run: {error.message}") from error
    graph = model.get("graph_module", {}).get("graph", {})
    return AdmitReport(
        source=str(source),
        files={TORCH_FILE: digest},
        size_bytes=size,
        nodes=len(graph.get("nodes", ())),
        tensors=len(graph.get("tensor_values", ())),
    )


def admit_factory(source: str, folder: Path, work: Path, params: Mapping[str, Any]) -> AdmitReport:
    """Export what `package.module:factory` returns and admit it as if it had come as a file.

    Args:
        source: `package.module:factory`; it runs in this process, which is a job's child.
        folder: empty; receives the model: a program where `runtime` is `torch`, else ONNX.
        work: existing; receives the export before it is checked.
        params: of the tool: `working_directory`, `data`, `max_bytes`, `runtime`.

    Raises:
        ModelFileError: the factory cannot be used, or its module cannot be exported.
    """
    from ..admit import admit

    base = Path(params.get("working_directory") or Path.cwd())
    live = call_factory(source, base, params.get("data"))
    in_torch = params.get("runtime") == "torch"
    exported = work / "exported" / (TORCH_FILE if in_torch else MODEL_FILE)
    exported.parent.mkdir()
    note = (trace_module if in_torch else export_module)(live, exported)
    report = admit(exported, folder, int(params["max_bytes"]))
    return report.model_copy(update={"source": source, "notes": (note,)})
