"""Time a candidate against its original in this process, in the runtime they ship on."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...contracts import (
    Benchmark,
    Interval,
    LatencyMetrics,
    Progress,
    ProgressSink,
    Quantity,
    RuntimeSettings,
    Session,
    Unit,
)
from ..compressed import compressed_files
from ..context import ToolAnswer, ToolContext, silent
from ..hardware import fingerprint
from .data import open_data
from .footprint import measure_footprints
from .harness import Arm, Schedule, Timings, measure
from .labels import measured_beside
from .lock import measuring_lock
from .session import open_session, runtime_label, stock
from .statistics import biased, mean_interval, percentile_interval, student_ratio
from .synthesize import synthesize_feeds

CONCLUSIVE = 0.05
MIN_CALLS_P99 = 300
MAX_FEEDS = 8
# Rounds after which timing may end, and those from which the bootstrap is believed: of fewer, Student's interval,
# however few they are: a machine that left no time for more is no reason to be surer.
_EARLY, _ENOUGH = 6, 9
DEFAULT_SECONDS = 8.0

Feed = Mapping[str, Any]

_ORIGINAL, _CANDIDATE, _TWIN = range(3)


class SystemClock:
    """Wall and processor time, and the kernel's count of involuntary context switches."""

    def now(self) -> float:
        return time.perf_counter()

    def cpu(self) -> float:
        return time.process_time()

    def preemptions(self) -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


class Subject(NamedTuple):
    """A model and how its session is opened."""

    model: Path
    settings: RuntimeSettings


def session_arm(session: Session, feeds: Sequence[Feed]) -> Arm:
    """Return an arm that runs `session`, with as little around the runtime's own call as Python allows."""
    return session.arm(feeds)


class Patience(NamedTuple):
    """When timing ends.

    Attributes:
        seconds: enough where the interval holds none of `bounds`; without any, where it is conclusive.
        at_most: the limit where it is not.
        bounds: speedups that the result will be compared with.
    """

    seconds: float = DEFAULT_SECONDS
    at_most: float = DEFAULT_SECONDS
    bounds: tuple[float, ...] = ()

    def is_enough(self, interval: Interval, precision: float, elapsed: float) -> bool:
        """Tell whether more rounds would not change what is decided."""
        if any(interval.low < bound < interval.high for bound in self.bounds):
            return False
        if elapsed < self.seconds:
            return interval.half_width_ratio <= precision
        return bool(self.bounds) or interval.half_width_ratio <= CONCLUSIVE


PATIENT = Patience()


def time_models(
    original: Subject, candidate: Subject, feeds: Sequence[Feed], patience: Patience, progress: ProgressSink = silent
) -> Timings:
    """Run the original, the candidate and a second session of the original against each other.

    Measuring ends when the interval of the speedup is narrow enough, or when patience does.

    Raises:
        ToolError: a model does not load, or refuses the feeds.
    """
    sessions = [open_session(subject.model, subject.settings) for subject in (original, candidate, original)]
    different = _different(feeds)
    for session, given in zip(sessions, (different, different, different[:1]), strict=True):
        for feed in given:
            session.run(feed)  # refusals become typed errors here; the timed calls are the runtime's own
    single = max(subject.settings.intra_op_num_threads for subject in (original, candidate)) == 1
    schedule = Schedule(seconds=patience.at_most, min_rounds=_EARLY, single_thread=single)
    clock = SystemClock()
    started = clock.now()

    def settled(timings: Timings) -> bool:
        value, interval = _speedup(timings)
        elapsed = clock.now() - started
        half = interval.half_width_ratio
        done = min(1.0, elapsed / patience.at_most)
        progress(Progress(tool="benchmark", message=f"speed {value:.3g} × ± {half:.1%}", fraction=done))
        return patience.is_enough(interval, schedule.precision, elapsed)

    arms = [session_arm(session, feeds) for session in sessions]
    with undisturbed():
        return measure(arms, len(feeds), clock, schedule, settled)


def _different(feeds: Sequence[Feed]) -> list[Feed]:
    """Return a feed of each kind: numbers with a fraction of the same shapes are taken or refused alike."""
    found: dict[object, Feed] = {}
    for place, feed in enumerate(feeds):
        kinds = [(np.asarray(value).dtype, np.shape(value)) for value in feed.values()]
        alike = all(dtype.kind == "f" for dtype, _ in kinds)
        found.setdefault(str(kinds) if alike else place, feed)
    return list(found.values())


@contextmanager
def undisturbed() -> Generator[None]:
    """Collect garbage now and not while timing."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _speedup(timings: Timings) -> tuple[float, Interval]:
    """Both sessions of the original stand for it, which halves its share of the noise.

    By as much as the two differ for certain (A/A), the interval is wider: so wrong can any ratio of this run be.
    """
    value, interval = _ratio(timings, (_ORIGINAL, _TWIN), _CANDIDATE)
    return value, biased(interval, _ratio(timings, (_ORIGINAL,), _TWIN)[1])


def _ratio(timings: Timings, numerators: Sequence[int], denominator: int) -> tuple[float, Interval]:
    value, interval = timings.ratio(numerators, denominator)
    if len(timings.rounds[0]) < _ENOUGH:
        interval = student_ratio(timings.ratios(numerators, denominator), value)
    return value, interval


def benchmark_models(
    original: Path,
    candidate: Path,
    feeds: Sequence[Feed],
    patience: Patience = PATIENT,
    threads: int = 1,
    settings: RuntimeSettings | None = None,
    footprint: bool = False,
    progress: ProgressSink = silent,
) -> Benchmark:
    """Measure speed, latency and, with `footprint`, memory and load time, holding the host's measuring lock.

    Args:
        original: runs in a stock session.
        candidate: runs in a stock session, or with `settings`.
        feeds: rotated; at most the first 8 are used.
        patience: when the timing ends.
        threads: of both sessions, unless `settings` say otherwise.
        settings: how the candidate's session is opened.
        footprint: also measure fresh processes.
        progress: told about waiting and about the state of the interval.

    Raises:
        ToolError: a model does not load, or refuses the feeds.
    """
    subjects = Subject(original, stock(threads)), Subject(candidate, settings or stock(threads))
    used = list(feeds)[:MAX_FEEDS]
    with measuring_lock(progress):
        timings = time_models(*subjects, used, patience, progress)
        benchmark = to_benchmark(timings, threads)
        if not footprint:
            return benchmark
        loaded = [(item.model, item.settings) for item in subjects]
        first, second = measure_footprints(loaded, _different(used), progress)
    return benchmark.model_copy(update={"baseline_footprint": first, "candidate_footprint": second})


def to_benchmark(timings: Timings, threads: int) -> Benchmark:
    """Turn what was timed into measurements with intervals."""
    rounds = len(timings.rounds[0])
    speedup, same = _speedup(timings), _ratio(timings, (_ORIGINAL,), _TWIN)
    baseline, candidate = timings.calls[_ORIGINAL] + timings.calls[_TWIN], timings.calls[_CANDIDATE]
    return Benchmark(
        speedup=_measured(speedup[0], "ratio", rounds, speedup[1]),
        same_arm=_measured(same[0], "ratio", rounds, same[1]),
        conclusive=speedup[1].half_width_ratio <= CONCLUSIVE,
        baseline=latency(baseline),
        candidate=latency(candidate),
        baseline_throughput=throughput(baseline),
        candidate_throughput=throughput(candidate),
        threads=threads,
        rounds=rounds,
        preempted_share=timings.preempted_share,
        seconds=timings.seconds,
    )


def _measured(value: float, unit: Unit, samples: int, interval: Interval | None) -> Quantity:
    return Quantity(
        value=value, unit=unit, runtime=runtime_label(), hardware=fingerprint(), samples=samples, interval=interval
    )


def latency(calls: Sequence[float]) -> LatencyMetrics:
    """Return the wall time of single calls in milliseconds; a p99 needs 300 of them.

    Every call counts here, preempted ones too: that is what a user of this machine waits.
    """
    ordered = sorted(call * 1000 for call in calls)
    percentiles = {
        share: _measured(_percentile(ordered, share), "ms", len(ordered), percentile_interval(ordered, share))
        for share in (0.5, 0.95, 0.99)
    }
    return LatencyMetrics(
        mean=_measured(sum(ordered) / len(ordered), "ms", len(ordered), mean_interval(ordered)),
        p50=percentiles[0.5],
        p95=percentiles[0.95],
        p99=percentiles[0.99] if len(ordered) >= MIN_CALLS_P99 else None,
    )


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank: a value that was really measured."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def throughput(calls: Sequence[float]) -> Quantity:
    """Return calls per second of one caller that never waits: the inverse of the mean latency."""
    mean = sum(calls) / len(calls)
    interval = mean_interval(calls)
    inverse = Interval(low=1 / interval.high, high=1 / interval.low) if interval.low > 0 else None
    return _measured(1 / mean, "1/s", len(calls), inverse)


def benchmark_tool(context: ToolContext) -> ToolAnswer:
    """Time role `candidate` against role `original` on selection samples of role `data`.

    Without a candidate the original runs against itself; without data, inputs are synthesised.
    Params: `seconds`, `at_most` and `bounds` (of `Patience`), `footprint`, `settings` (of the candidate's session).
    """
    job, params = context.job, context.job.params
    original = context.model("original")
    candidate = context.model("candidate") if "candidate" in context.inputs else original
    settings = params.get("settings")
    report = benchmark_models(
        original,
        candidate,
        _feeds(context, original),
        _patience(params),
        job.threads,
        RuntimeSettings.model_validate(settings) if settings is not None else None,
        bool(params.get("footprint", False)),
        context.progress,
    )
    if params.get("footprint", False):
        sizes = {"baseline_compressed": _compressed(original), "candidate_compressed": _compressed(candidate)}
        report = report.model_copy(update=sizes)
    return ToolAnswer(report=measured_beside(report, original, candidate))


def _compressed(model: Path) -> Quantity:
    """Return what the wire carries when a server compresses the file and its external data."""
    return compressed_files(sorted(path for path in model.parent.rglob("*") if path.is_file()))


def _patience(params: Mapping[str, Any]) -> Patience:
    seconds = float(params.get("seconds", DEFAULT_SECONDS))
    bounds = tuple(float(bound) for bound in params.get("bounds", ()))
    return Patience(seconds, max(seconds, float(params.get("at_most", seconds))), bounds)


def _feeds(context: ToolContext, original: Path) -> Sequence[Feed]:
    job = context.job
    if job.data is None:
        return list(synthesize_feeds(original, MAX_FEEDS, job.seed))
    return open_data(context.inputs["data"], job.data).feeds("selection", MAX_FEEDS)
