"""Progress goes up with every event that is told, and never beyond its total."""

from __future__ import annotations

from hypothesis import given, strategies as st

from shipfit.contracts import AttemptFinished, Event, NodeStarted, Progress, RunStarted
from shipfit.interfaces.mcp.desk import Meter

from .. import responses

EVENTS: list[Event] = [
    RunStarted(run="r"),
    NodeStarted(node="plan"),
    Progress(tool="benchmark", fraction=0.2),
    Progress(tool="benchmark", message="waiting", waited_s=3),
    AttemptFinished(attempt=responses.response().attempts[0]),
]


@given(st.lists(st.sampled_from(EVENTS), max_size=200))
def test_progress_goes_up(events: list[Event]):
    meter, last = Meter(), 0.0
    meter.total = 1 + sum(isinstance(event, AttemptFinished) for event in events)
    for event in events:
        meter.text(event)
        assert last < meter.done < meter.total
        last = meter.done


def test_waiting_is_told_now_and_then_and_hides_nothing():
    meter = Meter()
    waiting = [meter.text(Progress(tool="benchmark", message=f"waiting {n}", waited_s=n)) for n in range(1, 30)]
    assert [bool(text) for text in waiting] == [True] + [False] * 28
    assert meter.text(Progress(tool="benchmark", message="speed 2")) == "benchmark speed 2"
