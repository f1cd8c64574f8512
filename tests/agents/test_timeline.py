"""The timeline of a run over several processes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st

from shipfit.agents.timeline import timeline
from shipfit.memory.trail import TrailEntry

EPOCH = 1.8e9


def node(position: int, ended: float, name: str, seconds: float, attempt: int | None = None) -> TrailEntry:
    body = {"event": "node_finished", "node": name, "attempt": attempt, "detail": "", "seconds": seconds}
    return TrailEntry(position, EPOCH + ended, "node", body)


def test_pauses_between_processes_are_gaps() -> None:
    entries = [
        TrailEntry(1, EPOCH + 2.0, "admitted", {"elapsed_s": 2.0}),
        node(2, 5.0, "profile", 3.0),
        TrailEntry(3, EPOCH + 6.0, "planned", {}),
        node(4, 3605.0, "quantize", 1.5, attempt=1),
    ]
    times = timeline(entries)
    assert [(item.node, item.attempt) for item in times] == [("admit", None), ("profile", None), ("quantize", 1)]
    assert [round(item.started_s, 3) for item in times] == [0.0, 2.0, 3603.5]


def test_a_run_that_did_nothing_has_no_timeline() -> None:
    assert timeline([TrailEntry(1, EPOCH, "planned", {})]) == ()


@given(st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(0, 1e4)), max_size=12))
def test_nodes_never_overlap_even_where_the_clock_was_set(stays: list[tuple[float, float]]) -> None:
    times = timeline([node(index, ended, "plan", seconds) for index, (ended, seconds) in enumerate(stays)])
    for earlier, later in pairwise(times):
        assert later.started_s >= earlier.started_s + earlier.seconds - 1e-6
