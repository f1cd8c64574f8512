"""Memory and load time: fresh processes that load and run a model, against one that only imports the runtime."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...contracts import (
    Footprint,
    Interval,
    MemoryMetrics,
    Progress,
    ProgressSink,
    Quantity,
    RuntimeSettings,
    ToolError,
    Unit,
    WorkerTimeout,
)
from ..context import silent
from ..hardware import fingerprint
from ..onnx_model import one_line
from .labels import measured_in
from .session import check_settings, runtime_label, runtime_of

PROCESSES = 3
# A third process is left out where the peaks of two differ by less than this share: they hardly ever do.
ALIKE = 0.01
# A process that imports torch takes seconds, and its peak hardly varies.
TORCH_PROCESSES = 2
_TIMEOUT_S = 120.0
_CHILD = Path(__file__).with_name("footprint_child.py")


class _Sample(NamedTuple):
    """What one process measured of itself: bytes resident at most, on average while running, seconds to load."""

    peak: int
    average: float
    load_s: float


def measure_footprints(
    subjects: Sequence[tuple[Path, RuntimeSettings]],
    feeds: Sequence[Mapping[str, Any]],
    progress: ProgressSink = silent,
    processes: int | None = None,
) -> list[Footprint]:
    """Return the footprint of each subject: the median of several fresh processes, interleaved.

    What the same process needs to import the runtime and hold the feeds is subtracted. Without a number of `processes`
    there are as many as it takes for peaks to agree, three at most.

    Raises:
        ToolError: a process failed; the message is the runtime's own.
    """
    runtimes = [runtime_of(model).name for model, _ in subjects]
    rounds = processes or (TORCH_PROCESSES if "torch" in runtimes else PROCESSES)
    bare: dict[str, list[_Sample]] = {name: [] for name in runtimes}
    samples: list[list[_Sample]] = [[] for _ in subjects]
    with tempfile.TemporaryDirectory(prefix="shipfit-") as folder:
        count = _write_feeds(Path(folder), feeds)
        for number in range(rounds):
            progress(Progress(tool="benchmark", message=f"fresh processes, round {number + 1} of {rounds}"))
            for name, alone in bare.items():
                alone.append(_run_child(Path(folder), count, name, None))
            for found, name, subject in zip(samples, runtimes, subjects, strict=True):
                found.append(_run_child(Path(folder), count, name, subject))
            if not processes and all(map(_agree, [*samples, *bare.values()])):
                break
    return [
        measured_in(_footprint(found, bare[name]), subject[0])
        for found, name, subject in zip(samples, runtimes, subjects, strict=True)
    ]


def _agree(samples: Sequence[_Sample]) -> bool:
    peaks = [each.peak for each in samples]
    return len(peaks) > 1 and max(peaks) <= (1 + ALIKE) * min(peaks)


def _write_feeds(folder: Path, feeds: Sequence[Mapping[str, Any]]) -> int:
    for number, feed in enumerate(feeds):
        arrays = {f"i{position}": array for position, array in enumerate(feed.values())}
        np.savez(folder / f"feed-{number}.npz", **arrays)
        (folder / f"feed-{number}.json").write_text(json.dumps(list(feed)))
    return len(feeds)


def _run_child(folder: Path, feeds: int, runtime: str, subject: tuple[Path, RuntimeSettings] | None) -> _Sample:
    task: dict[str, Any] = {"folder": str(folder), "feeds": feeds, "runtime": runtime, "model": None}
    if subject is not None:
        model, settings = subject
        check_settings(settings)  # refuses what is not allowed before the child sees it
        task |= {"model": str(model.resolve()), "settings": settings.model_dump(mode="json")}
    done = _run_process(task)
    if done.returncode == -signal.SIGKILL:  # from outside, or for want of memory: says nothing about the model yet
        done = _run_process(task)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = one_line(lines[-1]) if lines else f"status {done.returncode}"
        raise ToolError(f"a fresh process cannot load and run the model: {reason}")
    answer = json.loads(done.stdout)
    return _Sample(int(answer["peak"]), float(answer["average"]), float(answer["load_s"]))


def _run_process(task: dict[str, Any]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [sys.executable, "-P", str(_CHILD)],
            input=json.dumps(task).encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WorkerTimeout(f"a process that only loads and runs the model took over {_TIMEOUT_S:.0f} s") from error


def _footprint(samples: Sequence[_Sample], bare: Sequence[_Sample]) -> Footprint:
    """Both sizes are above the bare runtime's peak, so that the average never exceeds the peak."""
    alone = statistics.median(sample.peak for sample in bare)
    return Footprint(
        memory=MemoryMetrics(
            peak=_quantity([sample.peak - alone for sample in samples], "bytes"),
            average=_quantity([sample.average - alone for sample in samples], "bytes"),
            runtime_alone=_quantity([sample.peak for sample in bare], "bytes"),
        ),
        load_time=_quantity([sample.load_s for sample in samples], "s"),
    )


def _quantity(values: Sequence[float], unit: Unit) -> Quantity:
    """The median, with the extremes as interval: with three values there is no better one."""
    return Quantity(
        value=max(0.0, statistics.median(values)),
        unit=unit,
        runtime=runtime_label(),
        hardware=fingerprint(),
        samples=len(values),
        interval=Interval(low=max(0.0, min(values)), high=max(0.0, *values)),
    )
