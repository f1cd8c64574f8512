"""What a run works with besides its state, and the frame that every node runs in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

from langgraph.runtime import Runtime

from ..contracts import (
    ArtifactRef,
    Effort,
    HostProbe,
    Limits,
    NodeFinished,
    NodeStarted,
    OutcomeStore,
    Policy,
    Request,
    SensitivityTable,
)
from .execute import GRACE_S, MEASURING_GRACE_S, EventSink, Execution
from .state import RunState

if TYPE_CHECKING:
    from .language.advisor import Advisor

# The most damaged units, and the artifact with all.
Damage = tuple[SensitivityTable, ArtifactRef]
FindHost = Callable[[], tuple[HostProbe, Effort]]


@dataclass(frozen=True)
class RunContext:
    """Stores, policy and the request of one run; never part of a checkpoint."""

    run: str
    request: Request
    execute: Execution
    policy: Policy
    outcomes: OutcomeStore
    find_host: FindHost
    emit: EventSink
    advisor: Advisor | None = None
    # Original and part → what it answered there, as far as this process evaluated a candidate.
    answers: dict[tuple[str, str], ArtifactRef] = field(default_factory=dict[tuple[str, str], ArtifactRef])
    # Model, form and how it is made → damage of its units, as far as this process asked for it.
    tables: dict[tuple[str, str, str], Damage] = field(default_factory=dict[tuple[str, str, str], Damage])

    @property
    def hardware(self) -> str:
        """Fingerprint of the hardware that this run measures on."""
        return self.execute.hardware.fingerprint

    @property
    def measured_on(self) -> str:
        """Where measurements of this run are taken, for people."""
        target = self.request.target
        library = "torch" if target.runtime == "torch" else "onnxruntime"
        where = f"{library} {version(library)} on {self.hardware}"
        return where if target.measurable_here else f"{where} (standing in for {target.platform})"


Node = Callable[[RunState, RunContext], RunState]


class GraphNode(Protocol):
    """A node as langgraph calls it."""

    def __call__(self, state: RunState, *, runtime: Runtime[RunContext]) -> RunState: ...


def node(name: str, work: Node) -> GraphNode:
    """Return `work` as a graph node that tells when it runs and adds its wall time to the state.

    It works on the request as it stands: a person may have edited it since the run began.
    """

    def framed(state: RunState, *, runtime: Runtime[RunContext]) -> RunState:
        context = replace(runtime.context, request=state.get("request", runtime.context.request))
        draft = state.get("draft")
        attempt = draft.index if draft else None
        context.execute.limits = _limits(context, state, name)
        context.emit(NodeStarted(node=name, attempt=attempt))
        started, waited = time.monotonic(), context.execute.waited_s
        with context.execute.tracer.span(name, "AGENT", attempt=attempt):
            update = work(state, context)
        # Whoever waits until others have measured may still use all of the time that the request allows.
        spent = time.monotonic() - started - (context.execute.waited_s - waited)
        context.emit(NodeFinished(node=name, attempt=attempt, seconds=spent))
        return {**update, "elapsed_s": spent}

    framed.__name__ = name
    return framed


def _limits(context: RunContext, state: RunState, name: str) -> Limits:
    grace = MEASURING_GRACE_S if name == "measure" else GRACE_S
    left = context.request.budget.time_limit_s - state.get("elapsed_s", 0.0)
    old = context.execute.limits
    return old.model_copy(update={"time_s": max(left, 0.0) + grace})
