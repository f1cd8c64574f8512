"""The frame of a node: what its jobs may take when the budget runs out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from shipfit.agents.context import RunContext, node
from shipfit.agents.state import RunState
from shipfit.agents.tracing import NoTracer
from shipfit.contracts import Budget, Limits, Request


def time_left(name: str, elapsed_s: float) -> float:
    """Seconds that a job of node `name` may take, of a budget of 40."""
    request = Request(model="model.onnx", budget=Budget(time_limit_s=40))
    execute = SimpleNamespace(limits=Limits(), waited_s=0.0, tracer=NoTracer())
    nothing = cast(Any, None)
    context = RunContext(
        run="run",
        request=request,
        execute=cast(Any, execute),
        policy=nothing,
        outcomes=nothing,
        find_host=nothing,
        emit=lambda _: None,
    )
    seen: list[float] = []

    def work(state: RunState, context: RunContext) -> RunState:
        seen.append(context.execute.limits.time_s)
        return {}

    framed = node(name, work)
    framed(RunState(elapsed_s=elapsed_s), runtime=cast(Any, SimpleNamespace(context=context)))
    return seen[0]


@pytest.mark.parametrize("elapsed_s", [38.0, 40.0, 55.0])
def test_measuring_is_not_cut_short_by_a_budget_that_ends(elapsed_s: float) -> None:
    # Two models, 20 s of calls and six fresh processes do not fit into what any other job is left.
    assert time_left("measure", elapsed_s) >= 60.0 > time_left("quantize", elapsed_s)


def test_time_that_is_left_is_never_taken_away() -> None:
    assert time_left("quantize", 0.0) >= 40.0
    assert time_left("measure", 0.0) >= 40.0
