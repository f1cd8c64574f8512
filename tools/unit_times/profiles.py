"""What the runtime spends on each unit of a model: its own profile, mapped back through the graph that it made."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
from onnx import GraphProto, ModelProto, NodeProto

from ...contracts import MachineError
from ..model_files import serialized
from ..onnx_model import iter_graphs, node_graphs
from ..quantize.trial import run
from ..session import open_bytes, session_options
from .regions import Regions

SECONDS = 0.15
MAX_EVENTS = 40_000
_CONTAINERS = frozenset({"If", "Loop", "Scan"})
_CONVERTERS = frozenset({"DequantizeLinear", "QuantizeLinear"})
# The runtime names a node that it made after the one it took the place of, or after its output.
_SUFFIXES = re.compile(r"(_nchwc|_token_\d+|/MatMulAddFusion|/GatherSliceToSplitFusion|_quant)$")
_SUFFIX = "_kernel_time"
# A kernel that only gives its tensor another shape takes this long; the profiler says 2 µs.
_SHORTEST_US = 0.3
_PROFILER_US = 2.0


@dataclass
class UnitProfile:
    """Microseconds of a call as the profiler tells them.

    Attributes:
        units: unit → its kernels, with those that follow it.
        boundary: kernels that stand where a form changes: quantizing, dequantizing and moves of layout.
    """

    units: dict[str, float] = field(default_factory=dict[str, float])
    boundary: float = 0.0

    @property
    def total(self) -> float:
        """All kernels."""
        return sum(self.units.values()) + self.boundary


def profile_units(
    model: ModelProto, regions: Regions, static: frozenset[str], feeds: Sequence[Mapping[str, Any]]
) -> UnitProfile:
    """Run `model` under the profiler for a fraction of a second, one thread, and sum its kernels by unit.

    Args:
        model: regions' model with some units in another form; small enough for protobuf.
        regions: of the model before any form changed.
        static: units that compute in static int8 here.
        feeds: at least one.

    Raises:
        ToolError: the model does not load or run.
    """
    with TemporaryDirectory(prefix="shipfit-") as folder:
        optimized, spent = _profiled(model, feeds, Path(folder))
    owners = _Owners(optimized, regions, static)
    profile = UnitProfile()
    for name, duration in spent.items():
        if (unit := owners.of(name)) is None:
            profile.boundary += duration
        else:
            profile.units[unit] = profile.units.get(unit, 0.0) + duration
    return profile


def _profiled(
    model: ModelProto, feeds: Sequence[Mapping[str, Any]], folder: Path
) -> tuple[ModelProto, dict[str, float]]:
    options = session_options()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    session = open_bytes(serialized(model), options)
    calls = _repeat(session, feeds, len(model.graph.node))
    try:
        events = json.loads(Path(session.end_profiling()).read_text())
    except json.JSONDecodeError as error:  # onnxruntime does not look whether it could write
        raise MachineError("the runtime's profile is cut short: free some disk space, then run again") from error
    spent: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(_SUFFIX) and event["args"]["op_name"] not in _CONTAINERS:
            spent[name.removesuffix(_SUFFIX)].append(int(event["dur"]))
    usual = _without_profiler({name: _usual(durations) for name, durations in spent.items()})
    means = {name: each * len(spent[name]) / calls for name, each in usual.items()}
    optimized = onnx.load(folder / "optimized.onnx")
    _name_unnamed(optimized, list(spent))
    return optimized, means


def _name_unnamed(graph: ModelProto, events: Sequence[str]) -> None:
    """Give nodes without a name, such as those of an operator that was written out, what the profiler calls them.

    It calls them after their operator and their number, which is not in the file; the order is.
    """
    named = {node.name for each in iter_graphs(graph) for node in each.node}
    calls: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        op_type, _, number = event.rpartition("_")
        if event not in named and number.isdecimal():
            calls[op_type].append(int(number))
    numbers = {op_type: sorted(each, reverse=True) for op_type, each in calls.items()}
    for node in (node for each in iter_graphs(graph) for node in each.node if not node.name):
        if left := numbers.get(node.op_type):
            node.name = f"{node.op_type}_{left.pop()}"


def _repeat(session: Any, feeds: Sequence[Mapping[str, Any]], nodes: int) -> int:
    calls, most = 0, max(2, MAX_EVENTS // max(1, nodes))
    end = time.perf_counter() + SECONDS
    while calls < 2 or (time.perf_counter() < end and calls < most):
        run(session, feeds[calls % len(feeds)], timed=True)
        calls += 1
    return calls


def _usual(durations: Sequence[int]) -> float:
    """Mean of the shorter half: a median of whole microseconds is too coarse, and the longer half holds waits."""
    return statistics.fmean(sorted(durations)[: (len(durations) + 1) // 2])


def _without_profiler(spent: Mapping[str, float]) -> dict[str, float]:
    """Take off what the profiler itself adds to each kernel, which shows in the shortest ones."""
    added = min(_PROFILER_US, max(0.0, min(spent.values(), default=0.0) - _SHORTEST_US))
    return {name: duration - added for name, duration in spent.items()}


class _Owners:
    """Which unit each node of the runtime's own graph belongs to."""

    def __init__(self, graph: ModelProto, regions: Regions, static: frozenset[str]) -> None:
        self._regions, self._static = regions, static
        self._nodes: dict[str, NodeProto] = {node.name: node for each in iter_graphs(graph) for node in each.node}
        self._before: dict[str, str] = {}
        self._found: dict[str, str] = {}
        self._readers: defaultdict[str, list[NodeProto]] = defaultdict(list)
        self._forward(graph.graph)

    def of(self, name: str) -> str | None:
        """Return the unit of a node; None for what stands where a form changes."""
        node = self._nodes.get(name)
        if node is None:
            return self._named(name) or None
        unit = self._found.get(name, "")
        if not self._is_change(node):
            return unit or self._after(node) or None
        return unit if unit in self._static and self._after(node) in self._static else None

    def _is_change(self, node: NodeProto) -> bool:
        made_here = node.op_type == "Transpose" and node.name not in self._regions.nodes
        return node.op_type in _CONVERTERS or (made_here and bool(self._static))

    def _forward(self, graph: GraphProto) -> None:
        for node in graph.node:
            for inner in node_graphs(node):
                self._forward(inner)
            known = next((unit for unit in self._candidates(node) if unit), "")
            unit = known or self._regions.latest(self._before.get(name, "") for name in node.input)
            self._found[node.name] = unit
            self._before.update((name, unit) for name in node.output if name)
            for name in node.input:
                self._readers[name].append(node)

    def _candidates(self, node: NodeProto) -> Iterator[str]:
        yield from (self._regions.tensors.get(name, "") for name in node.output)
        yield self._named(node.name)

    def _named(self, name: str) -> str:
        bare = name.removeprefix("fused ")
        while True:
            unit = self._regions.nodes.get(bare) or self._regions.tensors.get(bare)
            shorter = _SUFFIXES.sub("", bare)
            if unit or shorter == bare:
                return unit or ""
            bare = shorter

    def _after(self, node: NodeProto) -> str:
        """The first other unit that is reached from `node`; its own where none is."""
        own, seen, pending = self._found.get(node.name, ""), set[str](), [node]
        while pending:
            for name in pending.pop().output:
                for reader in self._readers.get(name, []):
                    unit = self._found.get(reader.name, "")
                    if unit and unit != own:
                        return unit
                    if reader.name not in seen:
                        seen.add(reader.name)
                        pending.append(reader)
        return ""
