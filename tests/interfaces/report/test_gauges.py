import math

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import ConstraintResult, Interval
from shipfit.interfaces.report.gauges import Gauge, gauges

from .. import responses

NUMBER = st.floats(allow_nan=True, allow_infinity=True)
NAMES = [
    ("max_size_ratio", "fraction"), ("max_size_bytes", "bytes"), ("max_latency_ms", "ms"), ("min_speedup", "ratio"),
    ("min_throughput_per_s", "1/s"), ("min_accuracy", "fraction"), ("min_fidelity_db", "dB"), ("unheard_of", "s"),
    ("guard_memory", "bytes"), ("guard_accuracy", "fraction"),
]  # fmt: skip


def gauge(**fields: object) -> Gauge:
    (drawn,) = gauges(responses.response(constraints=(ConstraintResult.model_validate(fields),)))
    return drawn


def test_allowed_side_is_below_an_upper_bound_and_above_a_lower_one():
    size, speed, *_ = gauges(responses.response())
    assert size.measured is not None
    assert speed.measured is not None
    assert size.allowed[0] < size.measured < size.bound == size.allowed[1]
    assert speed.allowed[0] == speed.bound < speed.measured < speed.allowed[1]


def test_original_stands_where_it_is_known():
    originals = {item.words.split(":")[0]: item.original for item in gauges(responses.response())}
    assert all(originals.values())
    latency = gauge(name="max_latency_ms", bound=3, measured=1, unit="ms")
    assert "original 1.846 ms" in latency.words
    assert gauge(name="min_fidelity_db", bound=30, measured=math.inf, unit="dB").original is None


def test_what_was_not_measured_is_said_and_not_drawn():
    drawn = gauge(name="min_throughput_per_s", bound=100, unit="1/s")
    assert (drawn.measured, drawn.whisker, drawn.mark) == (None, None, "open")
    assert drawn.note is not None
    assert drawn.note.text == "not measured"


def test_wide_ratios_are_drawn_on_a_logarithmic_scale():
    wide = gauge(name="max_latency_ms", bound=2, measured=0.004, unit="ms", met=True)
    narrow = gauge(name="max_latency_ms", bound=2, measured=1.0, unit="ms", met=True)
    assert wide.words.endswith("logarithmic scale")
    assert "logarithmic" not in narrow.words


@pytest.mark.parametrize(("met", "mark"), [(True, "met"), (False, "missed"), (None, "open")])
def test_verdicts_have_shapes(met: bool | None, mark: str):
    assert gauge(name="min_speedup", bound=2, measured=3, unit="ratio", met=met).mark == mark


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(NAMES), NUMBER, st.none() | NUMBER, st.none() | st.tuples(NUMBER, NUMBER))
def test_everything_stays_inside(
    name: tuple[str, str], bound: float, measured: float | None, ends: tuple[float, float] | None
):
    interval = Interval(low=ends[0], high=ends[1]) if ends else None
    drawn = gauge(name=name[0], unit=name[1], bound=bound, measured=measured, interval=interval)
    places = [drawn.bound, drawn.measured, drawn.original, *drawn.allowed, *(drawn.whisker or ())]
    for place in places:
        assert place is None or drawn.left <= place <= drawn.right
    one, *others = drawn.labels
    for label in drawn.labels:
        assert -1 <= label.left <= label.right <= drawn.width + 1 or len(label.text) > 40
    for other in others:
        assert one.box.overlap(other.box) == 0
