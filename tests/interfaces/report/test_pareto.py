import math
from itertools import combinations

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import Constraints, OptimizationResponse
from shipfit.interfaces.report.front import front, steps
from shipfit.interfaces.report.pareto import Pareto, Point, pareto

from .. import responses


def speed(response: OptimizationResponse) -> Pareto:
    return pareto(response)[0]


def quality(response: OptimizationResponse) -> Pareto:
    return pareto(response)[1]


def by_number(picture: Pareto) -> dict[str, Point]:
    return {point.text.split(" ")[0].rstrip(","): point for point in picture.points}


def test_two_pictures_by_size():
    labelled, unlabelled = pareto(responses.response()), pareto(responses.unverified())
    assert [picture.title for picture in labelled] == ["Size and speed", "Size and accuracy"]
    assert [picture.title for picture in unlabelled] == ["Size and speed", "Size and fidelity"]


def test_smaller_is_left_and_faster_is_up():
    points = by_number(speed(responses.response()))
    assert points["2"].x < points["3"].x < points["original"].x
    assert points["2"].y < points["3"].y < points["1"].y
    assert points["2"].text == "2 delivered"
    assert [point.delivered for point in points.values()].count(True) == 1


def test_front_passes_through_what_nothing_beats():
    picture = quality(responses.response())
    points = by_number(picture)
    corners = set(picture.front)
    assert {(points[name].x, points[name].y) in corners for name in ("1", "2", "3")} == {True}
    assert "on the Pareto front" in picture.words


def test_bounds_stand_where_they_belong_and_leave_an_area():
    picture = speed(responses.response())
    lines = {line.axis: line for line in picture.lines}
    points = by_number(picture)
    assert lines["x"].label.text == "asked ≤ 30 %"
    assert points["2"].x < lines["x"].at < points["3"].x
    assert points["2"].y < lines["y"].at < points["1"].y
    assert picture.allowed is not None
    assert picture.allowed[2:] == (lines["x"].at, lines["y"].at)


def test_a_latency_bound_is_a_speed_where_both_are_medians():
    bounds = Constraints(max_latency_ms=0.71, latency_statistic="p50")
    (line,) = speed(responses.response(request=responses.request(constraints=bounds))).lines
    assert (line.axis, line.label.text) == ("y", "asked ≤ 710 µs")
    other = Constraints(max_latency_ms=0.71)
    assert speed(responses.response(request=responses.request(constraints=other))).lines == ()


def test_bit_equal_outputs_have_a_place():
    run = responses.unverified()
    exact = responses.attempt(3, "met", 0.9, 1.0, None, math.inf)
    picture = quality(run.model_copy(update={"attempts": (*run.attempts, exact)}))
    points = by_number(picture)
    assert points["3"].y == points["original"].y < points["2"].y
    assert picture.y_ticks[-1].text == "exact"
    assert picture.y_ticks[-1].at == pytest.approx(points["3"].y, abs=0.1)
    alone = quality(run.model_copy(update={"attempts": (exact,)}))
    assert [tick.text for tick in alone.y_ticks] == ["exact"]


def test_what_was_not_timed_stands_aside():
    run = responses.unverified()
    gated = responses.attempt(3, "not_met", 0.2, 1.0, None, 12.0)
    assert gated.comparison is not None
    untimed = gated.model_copy(
        update={"metrics": None, "comparison": gated.comparison.model_copy(update={"speedup": None})}
    )
    picture = speed(run.model_copy(update={"attempts": (*run.attempts, untimed)}))
    assert picture.strip is not None
    assert by_number(picture)["3"].y == picture.strip > picture.bottom


def test_offers_stand_where_their_full_measurement_puts_them():
    run = responses.rolled_back()
    gated = tuple(item.model_copy(update={"metrics": None, "comparison": None}) for item in run.attempts)
    picture = speed(run.model_copy(update={"attempts": gated}))
    assert [point.text for point in picture.points] == ["original", "1, offer 1", "2, offer 2"]
    assert picture.missing == 1


@pytest.mark.parametrize("damage", [-math.inf, math.nan])
def test_broken_outputs_have_no_place(damage: float):
    run = responses.unverified()
    broken = responses.attempt(3, "failed", 0.2, 1.0, None, damage)
    assert quality(run.model_copy(update={"attempts": (*run.attempts, broken)})).missing == 1


def test_no_picture_without_measurements():
    assert pareto(responses.response(attempts=(responses.failed_attempt(1),))) == []


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-10, 10)), max_size=20))
def test_front_is_what_nothing_dominates(points: list[tuple[float, float]]):
    kept = front(points)
    assert kept == sorted(kept)
    for (x1, y1), (x2, y2) in combinations(kept, 2):
        assert x1 < x2
        assert y1 < y2
    for x, y in points:
        assert any(kx <= x and ky >= y for kx, ky in kept)
    line = steps([(x, -y) for x, y in kept], 20, 20)
    assert len(line) == (2 * len(kept) + 1 if kept else 0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1e9), st.floats(0, 1e6), st.floats(-1, 1), st.floats(allow_nan=True)),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_everything_stays_inside(models: list[tuple[float, float, float, float]], labelled: bool):
    attempts = tuple(
        responses.attempt(index, "not_met", size, speed, delta if labelled else None, db)
        for index, (speed, size, delta, db) in enumerate([(s or 1e-9, z, d, f) for s, z, d, f in models], start=1)
    )
    bounds = Constraints(min_accuracy=0.9, max_size_ratio=0.5, min_speedup=2)
    run = responses.response(attempts=attempts, request=responses.request(constraints=bounds))
    for picture in pareto(run):
        for x, y in [(p.x, p.y) for p in picture.points] + list(picture.front):
            assert picture.left <= x <= picture.right
            assert picture.top <= y <= picture.height - 40
        for label in picture.labels:
            assert 0 <= label.left <= label.right <= picture.width + 1
        assert 2 <= len(picture.x_ticks) <= 13
        assert picture.y_ticks
        assert len({tick.text for tick in picture.y_ticks}) == len(picture.y_ticks)


def test_labels_of_neighbours_do_not_cover_each_other():
    attempts = tuple(
        responses.attempt(index, "met", 0.26 + index * 0.001, 4 + index * 0.01, -0.001, 31.0) for index in range(1, 9)
    )
    for picture in pareto(responses.response(attempts=attempts)):
        for one, other in combinations(picture.labels, 2):
            assert one.box.overlap(other.box) == 0, (one, other)
