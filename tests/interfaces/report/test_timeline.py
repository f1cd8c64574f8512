from hypothesis import given, settings, strategies as st

from shipfit.contracts import NodeTime
from shipfit.interfaces.report.timeline import STAGES, Timeline, draw_timeline, pauses_of, stage_rows

from .. import responses


def drawn(times: tuple[NodeTime, ...]) -> Timeline:
    picture = draw_timeline(responses.response(timeline=times))
    assert picture is not None
    return picture


def test_every_attempt_has_a_row_and_stages_follow_each_other():
    picture = drawn(responses.timeline(2))
    assert [row.label for row in picture.rows] == ["the run", "attempt 1", "attempt 2"]
    first = [bar for bar in picture.bars if bar.y == picture.rows[1].y]
    assert [bar.stage for bar in first] == ["rewrite", "quantize", "runtime", "measure", "validate"]
    assert [bar.x for bar in first] == sorted(bar.x for bar in first)
    assert max(first, key=lambda bar: bar.width).title == "attempt 1, measure: 5.2 s"


def test_gaps_are_shown_and_take_no_room():
    short, long = (drawn(responses.timeline(3, pause_s=pause)) for pause in (60.0, 86_400.0))
    assert [item.text for item in long.breaks] == ["gap of 1440 min"]
    assert [bar.x for bar in short.bars] == [bar.x for bar in long.bars]
    assert drawn(responses.timeline(3)).breaks == ()


def test_many_gaps_lie_on_the_axis():
    times = tuple(NodeTime(node="plan", started_s=index * 100.0, seconds=1.0) for index in range(30))
    assert len(pauses_of(times)) == 29
    assert drawn(times).breaks == ()


def test_numbers_say_the_same():
    rows = stage_rows(responses.timeline(1))
    assert [row.label for row in rows] == ["the run", "attempt 1"]
    cells = dict(zip([*STAGES, "in all"], rows[1].cells, strict=True))
    assert (cells["measure"], cells["prune"], cells["in all"]) == ("5.2 s", "–", "10.4 s")


def test_reports_of_older_versions_have_none():
    assert draw_timeline(responses.response(timeline=())) is None
    assert stage_rows(()) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["admit", "measure", "<x>"]),
            st.none() | st.integers(),
            st.floats(0, 1e18),
            st.floats(0, 1e18),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_everything_stays_inside(stays: list[tuple[str, int | None, float, float]]):
    times = tuple(NodeTime(node=n, attempt=a, started_s=s, seconds=t) for n, a, s, t in stays)
    picture = drawn(times)
    for bar in picture.bars:
        assert picture.left - 0.1 <= bar.x
        assert bar.x + bar.width <= picture.right + 0.2
        assert bar.width > 0
        assert picture.top <= bar.y < picture.bottom
        assert bar.stage in {*STAGES, "other"}
    for mark in [*picture.breaks]:
        assert picture.left <= mark.x <= picture.right
