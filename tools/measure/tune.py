"""Measure session settings and keep those that help; the model itself stays as it is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...contracts import DataView, Interval, Limits, RuntimeSettings, Session, StepReport, TuneRuntimeStep, units
from ..model_files import copy_files
from ..onnx_model import model_bytes
from ..quantize.trial import enough
from .benchmark import MAX_FEEDS, session_arm
from .decision import compare_speed
from .fidelity import OutputError
from .footprint import PROCESSES, measure_footprints
from .lock import measuring_lock
from .session import open_session, stock
from .synthesize import synthesize_feeds

Feed = Mapping[str, Any]

_SECONDS = 1.5
_GAIN = 0.03
# Entries may reorder sums or flush tiny numbers; more than that is another model.
_SAME_DB = 90.0

# What each goal can hope for. Spinning threads only exist beyond the first.
_FOR_LATENCY = {"session.set_denormal_as_zero": "1"}
_FOR_LATENCY_THREADS = {"session.intra_op.allow_spinning": "0", "session.force_spinning_stop": "1"}
# An option of the session by itself, and no entry. A small CNN's peak fell by a quarter without it; giving up the arena
# (`enable_cpu_mem_arena`) raised it by a third, so that is not tried.
_PATTERN = "enable_mem_pattern"
_FOR_MEMORY = {
    "session.disable_prepacking": "1",
    "session.use_device_allocator_for_initializers": "1",
    _PATTERN: "0",
}


def tune_runtime(
    step: TuneRuntimeStep, source: Path, target: Path, data: DataView | None, limits: Limits
) -> StepReport:
    """Copy the model unchanged, and report in `details["settings"]` the session that suits the goal best.

    Every entry is tried alone against a stock session, in one interleaved measurement that ends when it is clear what
    helps. Kept is what helps by more than 3 % beyond doubt and leaves the outputs as they are.

    Raises:
        ToolError: the model does not load, or refuses the feeds.
    """
    started = time.perf_counter()
    copy_files(source, target)
    feeds = _feeds(source, data)
    entries = _FOR_MEMORY if step.goal == "memory" else _FOR_LATENCY
    if step.threads > 1 and step.goal == "latency":
        entries = entries | _FOR_LATENCY_THREADS
    sessions = {name: open_session(source, _with(step.threads, {name: value})) for name, value in entries.items()}
    plain = open_session(source, stock(step.threads))
    same = _harmless(plain, sessions, entries, feeds)
    notes = [f"{name} changes the outputs and was not tried" for name in entries if name not in same]
    with measuring_lock():
        seconds = min(_SECONDS, limits.time_s / 4)
        bound = 1 - _GAIN if step.goal == "memory" else 1 + _GAIN
        arms = [session_arm(each, feeds) for each in (plain, *(sessions[name] for name in same))]
        speeds = compare_speed(arms, len(feeds), bound, seconds, single_thread=step.threads == 1)
        tried = dict(zip(same, speeds, strict=True))
        kept = (
            _lighter(source, step.threads, same, tried, feeds, notes)
            if step.goal == "memory"
            else _faster(same, tried, notes)
        )
    settings = _with(step.threads, kept)
    return StepReport(
        step=step,
        changed=False,
        notes=(*notes, f"session entries kept: {', '.join(kept) or 'none, a stock session is best'}"),
        details={"settings": settings.model_dump(mode="json")},
        size_bytes=model_bytes(target),
        seconds=time.perf_counter() - started,
    )


def _feeds(model: Path, data: DataView | None) -> Sequence[Feed]:
    if data is None:
        return list(synthesize_feeds(model, MAX_FEEDS, seed=0))
    return list(data.feeds("selection", MAX_FEEDS))


def _with(threads: int, entries: Mapping[str, str]) -> RuntimeSettings:
    own = {name: value for name, value in entries.items() if name != _PATTERN}
    pattern = entries.get(_PATTERN, "1") == "1"
    return stock(threads).model_copy(update={_PATTERN: pattern, "config_entries": own})


def _harmless(
    plain: Session, sessions: Mapping[str, Session], entries: Mapping[str, str], feeds: Sequence[Feed]
) -> dict[str, str]:
    """Return the entries that leave the outputs as they are; each has a session."""
    few = enough(feeds, MAX_FEEDS)
    answers = [plain.run(feed) for feed in few]

    def is_harmless(name: str) -> bool:
        errors = [OutputError() for _ in plain.output_names]
        for feed, before in zip(few, answers, strict=True):
            for error, wanted, answer in zip(errors, before, sessions[name].run(feed), strict=True):
                error.add(wanted, answer)
        return all(error.decibels >= _SAME_DB for error in errors)

    return {name: value for name, value in entries.items() if is_harmless(name)}


def _faster(
    entries: Mapping[str, str], tried: Mapping[str, tuple[float, Interval]], notes: list[str]
) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, (speed, interval) in tried.items():
        notes.append(f"{name}={entries[name]}: {speed:.2f} times the stock speed")
        if interval.low > 1 + _GAIN:
            kept[name] = entries[name]
    return kept


def _lighter(
    model: Path,
    threads: int,
    entries: Mapping[str, str],
    tried: Mapping[str, tuple[float, Interval]],
    feeds: Sequence[Feed],
    notes: list[str],
) -> dict[str, str]:
    """Keep entries that lower the peak of a fresh process by more than 3 % and cost no speed beyond doubt."""
    subjects = [(model, stock(threads)), *((model, _with(threads, {name: value})) for name, value in entries.items())]
    plain, *others = (each.memory.peak for each in measure_footprints(subjects, feeds, processes=PROCESSES))
    kept: dict[str, str] = {}
    for (name, value), peak in zip(entries.items(), others, strict=True):
        notes.append(f"{name}={value}: peak {units.format_bytes(peak.value)} of {units.format_bytes(plain.value)}")
        apart = peak.interval is not None and plain.interval is not None and peak.interval.high < plain.interval.low
        if apart and peak.value < plain.value * (1 - _GAIN) and tried[name][1].high > 1 - _GAIN:
            kept[name] = value
    return kept
