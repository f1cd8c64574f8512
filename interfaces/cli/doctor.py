"""`shipfit doctor`: what this machine offers, which protections are active, and whether a job can run."""

from __future__ import annotations

import base64
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from . import options as opt

if TYPE_CHECKING:
    from ...contracts import HostProbe, Settings

PACKAGES = ("onnx", "onnxruntime", "torch", "numpy", "langgraph", "chromadb", "pydantic", "scikit-learn")
LITTLE_SPACE_BYTES = 2 * 10**9
# y = Relu(x) on four numbers, opset 17: the smallest model that shows that a job can be run.
_PROBE = base64.b64decode(
    "CAg6QQoOCgF4EgF5IgRSZWx1OgASBXByb2JlWhMKAXgSDgoMCAESCAoCCAEKAggEYhMKAXkSDgoMCAESCAoCCAEKAggEQgQKABAR"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `ok` is absent where it is only a fact."""

    group: str
    name: str
    text: str
    ok: bool | None = None


def doctor(json: opt.Json = False) -> int:
    """Look at versions, hardware, protections, disk and the worker; exit with 1 when a job cannot be run.

    A machine that was not measured yet is measured now, which takes two seconds.
    """
    from ...contracts import load_settings
    from .console import print_json

    settings = load_settings()
    host, speeds = _host(settings)
    findings = [*_versions(), *_hardware(), *speeds, *_protections(), *_state(settings), _job(settings)]
    broken = any(finding.ok is False and finding.group in ("state", "worker") for finding in findings)
    if json:
        probe = host.model_dump(mode="json") if host else None
        print_json({"ok": not broken, "findings": [asdict(finding) for finding in findings], "host": probe})
    else:
        _print(findings)
    return 1 if broken else 0


def _versions() -> list[Finding]:
    from ... import __version__

    found = [Finding("versions", "shipfit", __version__), Finding("versions", "python", sys.version.split()[0])]
    for name in PACKAGES:
        try:
            found.append(Finding("versions", name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append(Finding("versions", name, "not installed", ok=False))
    return found


def _hardware() -> list[Finding]:
    from ...tools.hardware import describe, fingerprint, has_vnni

    vnni = has_vnni()
    words = "yes: int8 compute is fast" if vnni else "no: int8 compute gains little here, int8 storage still does"
    facts = [Finding("hardware", name.replace("_", " "), text) for name, text in describe().items()]
    return [*facts, Finding("hardware", "fingerprint", fingerprint()), Finding("hardware", "int8 dot product", words)]


def _host(settings: Settings) -> tuple[HostProbe | None, list[Finding]]:
    """Return what the machine is, with how fast int8 is on it in words, or why that cannot be told."""
    from ...agents.standalone import find_host
    from ...contracts import OptimizationError
    from ..host import bandwidth_text, int8_rows

    try:
        host = find_host(settings)
    except OptimizationError as error:
        return None, [Finding("int8 speed", "probe", error.message, ok=False)]
    rows = [Finding("int8 speed", name, f"{text} of fp32") for name, text in int8_rows(host)]
    rows.append(Finding("int8 speed", "memory", bandwidth_text(host)))
    how = f"{host.source} with {host.runtime}" + (f": {host.note}" if host.note else "")
    return host, [*rows, Finding("int8 speed", "probe", how, ok=False if host.note else None)]


def _protections() -> list[Finding]:
    from ...tools.worker.protections import protections

    words = {True: "active", False: "not available here"}
    return [
        Finding("protections", name, how if isinstance(how, str) else words[how], ok=bool(how))
        for name, how in protections().items()
    ]


def _state(settings: Settings) -> list[Finding]:
    import shutil

    from ...contracts import units

    home = settings.home
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".shipfit-", dir=nearest):
            writable = Finding("state", "folder", str(home), ok=True)
        free = shutil.disk_usage(nearest).free
    except OSError as error:
        return [Finding("state", "folder", f"{home} cannot be written: {error.strerror}; set SHIPFIT_HOME", ok=False)]
    return [writable, Finding("state", "free disk", units.format_bytes(free), ok=free > LITTLE_SPACE_BYTES)]


def _job(settings: Settings) -> Finding:
    """Admit, load and run a tiny model in child processes, as every run does."""
    from ...agents.standalone import check_model
    from ...contracts import OptimizationError, units

    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="shipfit-doctor-") as folder:
            path = Path(folder) / "probe.onnx"
            path.write_bytes(_PROBE)
            report = check_model(settings, str(path))
    except OptimizationError as error:
        return Finding("worker", "a job", error.message, ok=False)
    except OSError as error:
        return Finding("worker", "a job", f"no temporary file can be written: {error.strerror}", ok=False)
    if not report.compatible:
        return Finding("worker", "a job", "; ".join(report.problems) or "the probe model does not run", ok=False)
    seconds = units.format_seconds(time.monotonic() - started)
    return Finding("worker", "a job", f"admitted, loaded and ran a tiny model in {seconds}", ok=True)


def _print(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from ..text import clean
    from .console import results

    console = results()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    marks = {True: Text("✓", style="green"), False: Text("!", style="yellow"), None: Text(" ")}
    group = ""
    for finding in findings:
        heading = Text(finding.group if finding.group != group else "", style="bold")
        group = finding.group
        table.add_row(heading, marks[finding.ok], Text(finding.name), Text(clean(finding.text)))
    console.print(table)
