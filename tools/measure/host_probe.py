"""Time the machine itself: int8 against fp32 by class of operators, and the memory. Under two seconds, one thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...contracts import FormTime, HostProbe, Progress, ProgressSink
from ..context import ToolAnswer, ToolContext, silent
from ..hardware import fingerprint, has_vnni
from .benchmark import SystemClock, session_arm, undisturbed
from .harness import Schedule, Timings, measure
from .host_cases import HostCase, host_cases
from .lock import measuring_lock
from .session import open_session, runtime_label

# Six classes of a sixth of a second each at most, and the memory: a second and a half with what lies between them.
SCHEDULE = Schedule(seconds=0.16, warm_s=0.002, group_s=0.001, timed_s=0.003, precision=0.05, min_rounds=6)
COPY_S = 0.05
COPY_BYTES = 64 * 2**20
# A ratio that is known less well than this says no more than whether there is an int8 instruction.
PRECISE_ENOUGH = 0.20


def probe_tool(context: ToolContext) -> ToolAnswer:
    """Measure this machine; needs neither inputs nor parameters."""
    return ToolAnswer(report=probe_host(context.work, context.progress))


def probe_host(folder: Path, progress: ProgressSink = silent) -> HostProbe:
    """Return what the machine is, measured while holding the measuring lock, with its models below `folder`."""
    with measuring_lock(progress):
        progress(Progress(tool="probe", message="timing int8 against fp32 on this machine, once"))
        started = time.perf_counter()
        times = [each for case in host_cases() for each in time_case(case, folder)]
        bandwidth = copy_bandwidth()
        seconds = time.perf_counter() - started
    precise = tuple(item for item in times if item.interval.half_width_ratio <= PRECISE_ENOUGH)
    vague = [f"{item.operators.replace('_', ' ')} {item.form}" for item in times if item not in precise]
    return HostProbe(
        fingerprint=fingerprint(),
        runtime=runtime_label(),
        vnni=has_vnni(),
        times=precise,
        bandwidth_bytes_per_s=bandwidth,
        seconds=seconds,
        noise=max(item.interval.half_width_ratio for item in times),
        note=f"too noisy to tell: {', '.join(vague)}" if vague else "",
    )


def time_case(case: HostCase, folder: Path, schedule: Schedule = SCHEDULE) -> Iterator[FormTime]:
    """Yield int8 time / fp32 time of each form of a class, all forms timed against each other."""
    arms = []
    for number, model in enumerate((case.model, *(case.quantized(form) for form in case.forms))):
        path = folder / f"{case.operators}-{number}.onnx"
        path.write_bytes(model.SerializeToString())
        arms.append(session_arm(open_session(path), [case.feed]))

    def settled(timings: Timings) -> bool:
        return all(
            timings.ratio((number,), 0)[1].half_width_ratio <= schedule.precision for number in range(1, len(arms))
        )

    with undisturbed():
        timings = measure(arms, 1, SystemClock(), schedule, settled)
    for number, form in enumerate(case.forms, start=1):
        ratio, interval = timings.ratio((number,), 0)
        yield FormTime(operators=case.operators, form=form, ratio=ratio, interval=interval)


def copy_bandwidth(seconds: float = COPY_S, size: int = COPY_BYTES) -> float:
    """Return bytes read and written a second by a copy of `size` bytes, the median of as many as fit."""
    source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)
    np.copyto(target, source)  # the kernel hands out pages at the first touch
    rates: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(rates) < 3:
        begin = time.perf_counter()
        np.copyto(target, source)
        rates.append(2 * size / max(time.perf_counter() - begin, 1e-9))
    return float(np.median(rates))
