import math

import pytest
from hypothesis import given, strategies as st

from shipfit.contracts import LayerForm, OptimizationResponse
from shipfit.interfaces.comparison import Row
from shipfit.interfaces.report.compare import MARK, WIDTH, change_bars, render_comparison

from .. import responses
from ..outline import Outline, assert_accessible, assert_stands_alone

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[31m\u202e{{ 7*7 }}"
PAIRS = {
    "met and met": (responses.response(), responses.response(layers=responses.layers(3))),
    "met and rolled back": (responses.response(), responses.rolled_back()),
    "nothing tried": (
        responses.rolled_back(attempts=(), offers=(), constraints=(), baseline=None),
        responses.response(),
    ),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_page(pair: tuple[OptimizationResponse, OptimizationResponse]):
    page = render_comparison(*pair)
    assert page.startswith(MARK)
    assert_stands_alone(page)
    assert_accessible(page)


def test_hostile_names_are_text():
    layer = LayerForm(name=HOSTILE, op_type=HOSTILE, form=HOSTILE)
    hostile = responses.response(
        run=HOSTILE, reason=HOSTILE, request=responses.request(model=HOSTILE, output=HOSTILE), layers=(layer,)
    )
    page = render_comparison(responses.response(), hostile)
    outline = Outline(page)
    assert outline.count("script") == outline.count("img") == 0
    assert "{{ 7*7 }}" in outline.words
    assert not {"\x1b", "\u202e"} & set(page)


@given(st.lists(st.none() | st.floats(allow_nan=True), max_size=8))
def test_bars_stay_inside_and_point_the_right_way(ratios: list[float | None]):
    for ratio, bar in zip(ratios, change_bars(tuple(Row("x", "1", "2", ratio=ratio) for ratio in ratios)), strict=True):
        if bar is None:
            assert ratio is None or not math.isfinite(ratio) or not 1e-9 < ratio < 1e9
            continue
        assert ratio is not None
        assert -0.1 <= bar.x <= bar.x + bar.width <= WIDTH + 0.1
        assert (bar.x >= bar.middle) if ratio >= 1 else (bar.x <= bar.middle)
