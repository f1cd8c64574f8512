"""Measure what each operator type costs, with onnxruntime's own profiler."""

from __future__ import annotations

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ..contracts import MachineError, Session
from .measure.session import OnnxSession, open_session
from .session import open_session as open_stock, session_options

_SECONDS = 0.25
_LEAST_RUNS, _MAX_RUNS = 3, 200
_WARM_RUNS = 2
# The profiler takes microseconds a node: calls as long as this hardly feel it.
_SLOW_MS = 50.0
_CONTAINERS = frozenset({"If", "Loop", "Scan"})
# What the runtime calls a node after fusing it or changing its layout → the operator it is in the file.
_FILE_NAMES: Mapping[str, str] = {
    "FusedConv": "Conv",
    "FusedGemm": "Gemm",
    "FusedMatMul": "MatMul",
    "MatMulIntegerToFloat": "MatMulInteger",
    "QGemm": "Gemm",
    "QLinearAdd": "Add",
    "QLinearAveragePool": "AveragePool",
    "QLinearConcat": "Concat",
    "QLinearConv": "Conv",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearMatMul": "MatMul",
    "QLinearMul": "Mul",
    "QLinearSigmoid": "Sigmoid",
    "ReorderInput": "Conv",
    "ReorderOutput": "Conv",
}


class Timing(NamedTuple):
    """Share of the run time by operator type (sums to 1), and the median of a call in ms."""

    shares: dict[str, float]
    latency_ms: float


def measure_time(model: Path, feeds: Sequence[Mapping[str, Any]], op_types: frozenset[str]) -> Timing:
    """Run `model` on `feeds` for about half a second in all, with one thread.

    Args:
        model: the model's file.
        feeds: at least one.
        op_types: operators that the file has; a name outside them is traced back to one where it is known how.

    Raises:
        ToolError: the model does not load or run.
    """
    events, times = _profile(model, feeds)
    if (latency := statistics.median(times)) < _SLOW_MS:
        latency = statistics.median(_repeat(open_session(model), feeds))
    return Timing(_shares(events, op_types), latency)


def _repeat(session: Session, feeds: Sequence[Mapping[str, Any]]) -> list[float]:
    """Milliseconds of each call after the warm ones, until the time or the runs are spent."""
    for _ in range(_WARM_RUNS):
        session.run(feeds[0])
    times: list[float] = []
    end = time.perf_counter() + _SECONDS
    while len(times) < _LEAST_RUNS or (time.perf_counter() < end and len(times) < _MAX_RUNS):
        start = time.perf_counter()
        session.run(feeds[len(times) % len(feeds)])
        times.append((time.perf_counter() - start) * 1000)
    return times


def _profile(model: Path, feeds: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[float]]:
    """Return the profiler's events, and the milliseconds of each call while it looked on."""
    with TemporaryDirectory() as folder:
        options = session_options()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        inner = open_stock(model, options)
        times = _repeat(OnnxSession(inner), feeds)
        try:
            return list(json.loads(Path(inner.end_profiling()).read_text())), times
        except json.JSONDecodeError as error:  # onnxruntime does not look whether it could write
            raise MachineError("the runtime's profile is cut short: free some disk space, then run again") from error


def kernel_events(model: Path, feeds: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Return (the runtime's name of a node, microseconds) of every kernel call of a short run.

    Raises:
        ToolError: the model does not load or run.
    """
    suffix = "_kernel_time"
    return [
        (str(event["name"]).removesuffix(suffix), int(event["dur"]))
        for event in _profile(model, feeds)[0]
        if event.get("cat") == "Node"
        and str(event.get("name", "")).endswith(suffix)
        and event["args"]["op_name"] not in _CONTAINERS
    ]


def _shares(events: list[dict[str, Any]], op_types: frozenset[str]) -> dict[str, float]:
    """Share of kernel time by operator; a control-flow node's time is that of the nodes inside it."""
    calls: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time"):
            name = str(event["args"]["op_name"])
            if name not in _CONTAINERS:
                calls[name if name in op_types else _FILE_NAMES.get(name, name), event["name"]].append(event["dur"])
    spent: defaultdict[str, float] = defaultdict(float)
    for (op_type, _), durations in calls.items():
        # The median of a node's calls forgets those in which the process was preempted.
        spent[op_type] += statistics.median(durations) * len(durations)
    total = sum(spent.values())
    return {name: duration / total for name, duration in spent.items()} if total else {}
