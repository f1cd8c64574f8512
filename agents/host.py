"""Know the machine: measured once, kept in the ledger, given by hand, or assumed where measuring fails."""

from __future__ import annotations

import threading
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from ..contracts import Effort, Hardware, HostProbe, OptimizationError, RequestError, Settings, ToolError, WorkerError
from ..contracts.settings import PROBE_VARIABLE
from ..memory.ledger import Ledger
from ..tools.hardware import this_machine
from .execute import Execution

# A probe that failed or was too noisy to tell everything is made again after so long.
RETRY_S = 3600.0
MAX_PROBE_BYTES = 2**16
# Runs that begin together in one process, as those of a batch do, wait for one measurement.
_MEASURING = threading.Lock()


def runtime_label() -> str:
    """Return name and version of the runtime as a probe quotes them, without importing it."""
    return f"onnxruntime {version('onnxruntime')}"


def known_host(settings: Settings, ledger: Ledger, hardware: Hardware | None = None) -> HostProbe | None:
    """Return the probe that the user gave, or the one that was kept; None where the machine is to be measured.

    The machine is one of `hardware`, or this one.

    Raises:
        RequestError: the file that was given is no probe.
    """
    if settings.host_probe is not None:
        return _given(settings.host_probe)
    found = ledger.probes.find((hardware or this_machine()).fingerprint, runtime_label())
    if found is None or (found[0].note and found[1] > RETRY_S):
        return None
    return found[0]


def probe_host(settings: Settings, ledger: Ledger, execute: Execution) -> tuple[HostProbe, Effort]:
    """Return what this machine is, and the work that finding it out took.

    Raises:
        RequestError: the file that was given is no probe.
    """
    with _MEASURING:
        known = known_host(settings, ledger, execute.hardware)
        return (known, Effort()) if known is not None else _measured(ledger, execute)


def _measured(ledger: Ledger, execute: Execution) -> tuple[HostProbe, Effort]:
    effort = Effort()
    try:
        done = execute("probe", HostProbe)
        host, effort = done.report, done.effort
    except WorkerError as error:  # perhaps it was cancelled, which says nothing of the machine
        return _unmeasured(error, execute.hardware), effort
    except ToolError as error:
        host = _unmeasured(error, execute.hardware)
    ledger.probes.keep(host)
    return host, effort


def _unmeasured(error: OptimizationError, hardware: Hardware) -> HostProbe:
    return assumed_host(f"the machine could not be measured: {error.message}", hardware)


def assumed_host(note: str, hardware: Hardware) -> HostProbe:
    """Return what the processor's instruction sets alone let expect."""
    return HostProbe(
        fingerprint=hardware.fingerprint,
        runtime=runtime_label(),
        vnni=hardware.vnni,
        source="assumed",
        note=note,
    )


def _given(path: Path) -> HostProbe:
    try:
        with path.open("rb") as file:
            body = file.read(MAX_PROBE_BYTES + 1)
        probe = HostProbe.model_validate_json(body)
    except OSError as error:
        raise RequestError(f"{PROBE_VARIABLE}: {str(path)!r} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise RequestError(
            f"{PROBE_VARIABLE}: {str(path)!r} is no probe; `shipfit doctor --json` prints one under `host`"
        ) from error
    return probe.model_copy(update={"source": "given"})
