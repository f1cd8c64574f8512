import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipfit.contracts import Constraints
from shipfit.interfaces.report.axes import axis
from shipfit.interfaces.report.scatter import Point, Scatter, draw

from .. import responses


def by_label(scatter: Scatter | None) -> dict[str, Point]:
    assert scatter is not None
    return {point.label: point for point in scatter.points}


def test_axes_follow_the_request():
    speed = draw(responses.response())
    latency = draw(responses.rolled_back())
    assert speed is not None
    assert latency is not None
    assert speed.x_title.startswith("speed")
    assert latency.x_title.startswith("median latency, ms")
    assert speed.y_title.startswith("accuracy")


def test_delivered_is_marked_and_better_is_further_along():
    points = by_label(draw(responses.response()))
    assert [label for label, point in points.items() if point.delivered] == ["2"]
    assert points["2"].x > points["1"].x
    assert points["1"].y < points["2"].y
    assert points["original"].kind == "original"


def test_area_is_size():
    points = by_label(draw(responses.response()))
    ratio = (points["2"].radius / points["original"].radius) ** 2
    assert ratio == pytest.approx(0.261, abs=0.02)


def test_bounds_stand_where_they_belong():
    scatter = draw(responses.response())
    assert scatter is not None
    (line,) = scatter.lines
    points = by_label(scatter)
    assert (line.axis, line.text) == ("x", "≥ 3×")
    assert points["1"].x < line.at < points["2"].x


def test_bit_equal_outputs_have_a_place():
    run = responses.unverified()
    exact = responses.attempt(3, "met", 0.9, 1.0, None, math.inf)
    points = by_label(draw(run.model_copy(update={"attempts": (*run.attempts, exact)})))
    assert points["3"].y == points["original"].y < points["2"].y


def test_what_was_not_timed_stands_aside():
    run = responses.unverified()
    gated = responses.attempt(3, "not_met", 0.2, 1.0, None, 12.0)
    assert gated.comparison is not None
    untimed = gated.model_copy(
        update={"metrics": None, "comparison": gated.comparison.model_copy(update={"speedup": None})}
    )
    scatter = draw(run.model_copy(update={"attempts": (*run.attempts, untimed)}))
    assert scatter is not None
    assert by_label(scatter)["3"].x == scatter.gutter
    assert scatter.gutter is not None
    assert scatter.gutter > scatter.right


def test_offers_stand_where_their_full_measurement_puts_them():
    run = responses.rolled_back()
    gated = tuple(item.model_copy(update={"metrics": None, "comparison": None}) for item in run.attempts)
    points = by_label(draw(run.model_copy(update={"attempts": gated})))
    assert {"1", "2", "original"} == set(points)


@pytest.mark.parametrize("damage", [-math.inf, math.nan])
def test_broken_outputs_have_no_place(damage: float):
    run = responses.unverified()
    broken = responses.attempt(3, "failed", 0.2, 1.0, None, damage)
    scatter = draw(run.model_copy(update={"attempts": (*run.attempts, broken)}))
    assert scatter is not None
    assert scatter.missing == 1


def test_marks_are_told_apart():
    texts = [tick.text for tick in axis([0.0, 10.0], 0, 100).ticks()]
    assert texts == ["0.0", "2.5", "5.0", "7.5", "10.0", "12.5"]


def test_short_latencies_are_in_microseconds():
    run = responses.unverified()
    metrics = responses.metrics(1e6, 0.05, None)
    attempts = tuple(item.model_copy(update={"metrics": metrics}) for item in run.attempts)
    scatter = draw(run.model_copy(update={"attempts": attempts, "baseline": metrics}))
    assert scatter is not None
    assert "µs" in scatter.x_title
    assert scatter.x_ticks[0].text == "0"


def test_no_picture_without_measurements():
    assert draw(responses.response(attempts=(responses.failed_attempt(1),))) is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 50), st.floats(0.01, 5), st.floats(-0.9, 0.05)), min_size=1, max_size=6))
def test_everything_stays_inside(models: list[tuple[float, float, float]]):
    attempts = tuple(
        responses.attempt(index, "not_met", size, speed, delta)
        for index, (speed, size, delta) in enumerate(models, start=1)
    )
    bounds = Constraints(min_accuracy=0.9, max_size_ratio=0.5)
    scatter = draw(responses.response(attempts=attempts, request=responses.request(constraints=bounds)))
    assert scatter is not None
    for point in scatter.points:
        assert scatter.left <= point.x <= scatter.right
        assert scatter.top <= point.y <= scatter.bottom
    for line in scatter.lines:
        assert scatter.top <= line.at <= scatter.bottom
    assert 3 <= len(scatter.x_ticks) <= 12
    assert 3 <= len(scatter.y_ticks) <= 12
    assert len({tick.text for tick in scatter.x_ticks}) == len(scatter.x_ticks)
