"""Operators with drawn shapes and attributes, each against onnxruntime."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings, strategies as st

from shipfit.contracts import ToolError
from shipfit.tools.session import run_errors

from .cases import Case, case, f, i, recurrent
from .compared import compare

pytestmark = pytest.mark.slow
SOME = settings(max_examples=40)
Draw = st.DrawFn
small = st.integers(1, 3)


def _runs(tried: Case) -> None:
    """Compare, where the runtime takes the case at all."""
    try:
        tried.expected()
    except (ToolError, *run_errors()):
        assume(False)
    compare(tried)


@st.composite
def windows(draw: Draw) -> tuple[list[int], dict[str, Any]]:
    """Return the sizes of the space, and attributes of windows over it."""
    rank = draw(st.integers(1, 2))
    sizes = [draw(st.integers(5, 9)) for _ in range(rank)]
    found: dict[str, Any] = {"strides": [draw(small) for _ in range(rank)]}
    way = draw(st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if way == "NOTSET":
        found["pads"] = [draw(st.integers(0, 1)) for _ in range(2 * rank)]
        found["dilations"] = [draw(st.integers(1, 2)) for _ in range(rank)]
    else:
        found["auto_pad"] = way
    return sizes, found


@SOME
@given(windows(), st.sampled_from([1, 2]), st.booleans(), st.data())
def test_conv(drawn: tuple[list[int], dict[str, Any]], group: int, bias: bool, data: st.DataObject):
    sizes, attributes = drawn
    kernel = [data.draw(small) for _ in sizes]
    _runs(case("Conv", f(2, 2 * group, *sizes), f(4, 2, *kernel), f(4) if bias else None, group=group, **attributes))


@SOME
@given(windows(), st.sampled_from([1, 2]), st.data())
def test_conv_transpose(drawn: tuple[list[int], dict[str, Any]], group: int, data: st.DataObject):
    sizes, attributes = drawn
    kernel = [data.draw(small) for _ in sizes]
    if "pads" in attributes:
        attributes["output_padding"] = [data.draw(st.integers(0, each - 1)) for each in attributes["strides"]]
    _runs(
        case(
            "ConvTranspose", f(2, 2 * group, *sizes), f(2 * group, 3, *kernel), f(3 * group), group=group, **attributes
        )
    )


@SOME
@given(windows(), st.booleans(), st.booleans(), st.sampled_from(["MaxPool", "AveragePool"]), st.data())
def test_pools(drawn: tuple[list[int], dict[str, Any]], ceil: bool, counted: bool, op: str, data: st.DataObject):
    sizes, attributes = drawn
    attributes |= {"kernel_shape": [data.draw(st.integers(2, 3)) for _ in sizes]}
    attributes["ceil_mode"] = int(ceil and "pads" in attributes)
    if op == "AveragePool":
        attributes["count_include_pad"] = int(counted)
    _runs(case(op, f(1, 2, *sizes), opset=22, **attributes))


@SOME
@given(
    st.sampled_from(["nearest", "linear", "cubic"]),
    st.sampled_from(["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"]),
    st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
    st.booleans(),
    st.lists(st.integers(1, 9), min_size=2, max_size=2),
)
def test_resize(mode: str, way: str, rounding: str, by_size: bool, sizes: list[int]):
    options: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": way, "opset": 19}
    if mode == "nearest":
        options["nearest_mode"] = rounding
    scales = np.asarray([1, 1, sizes[0] / 4, sizes[1] / 4], np.float32)
    wanted = (None, i(1, 2, *sizes)) if by_size else (scales, None)
    _runs(case("Resize", f(1, 2, 4, 5), None, *wanted, **options))


@SOME
@given(
    st.lists(
        st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([-2, -1, 1, 2, 3])), min_size=1, max_size=2
    )
)
def test_slice(cuts: list[tuple[int, int, int]]):
    starts, ends, steps = zip(*cuts, strict=True)
    _runs(case("Slice", f(5, 6), i(starts), i(ends), i(range(len(cuts))), i(steps)))


@SOME
@given(
    st.sampled_from(["L1", "L2", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"]),
    st.sets(st.integers(0, 2)),
    st.booleans(),
    st.booleans(),
)
def test_reductions(op: str, axes: set[int], keep: bool, nothing: bool):
    assume(axes or not nothing or op in ("Max", "Mean", "Min", "Prod", "Sum"))
    options = {"keepdims": int(keep), "noop_with_empty_axes": int(nothing)}
    _runs(case(f"Reduce{op}", f(2, 3, 4), i(sorted(axes)) if axes else None, **options))


@SOME
@given(
    st.sampled_from(["LSTM", "GRU", "RNN"]),
    st.sampled_from(["forward", "reverse", "bidirectional"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.5]),
    st.booleans(),
)
@example("GRU", "reverse", True, True, True, 0.5, True)
def test_recurrent(op: str, direction: str, bias: bool, state: bool, lengths: bool, clip: float, reset_last: bool):
    options: dict[str, Any] = {"clip": clip} if clip else {}
    if op == "GRU":
        options["linear_before_reset"] = int(reset_last)
    directions = 2 if direction == "bidirectional" else 1
    _runs(recurrent(op, directions, bias=bias, state=state, lengths=lengths, direction=direction, **options))


@SOME
@given(st.sampled_from(["Softmax", "LogSoftmax", "Hardmax"]), st.integers(-3, 2), st.sampled_from([1, 11, 13, 17]))
def test_softmax_of_every_opset(op: str, axis: int, opset: int):
    assume(axis >= 0 or opset >= 11)
    _runs(case(op, f(2, 3, 4), axis=axis, opset=opset))


@SOME
@given(st.sampled_from(["constant", "reflect", "edge"]), st.lists(st.integers(-1, 2), min_size=4, max_size=4))
def test_pad(mode: str, pads: list[int]):
    _runs(case("Pad", f(4, 5), i(pads), mode=mode))


@SOME
@given(st.binary(max_size=64), st.sampled_from(["Conv", "Resize", "Pad", "Slice", "Reshape", "Tile", "ConvTranspose"]))
def test_random_numbers_are_computed_or_refused(noise: bytes, op: str):
    """No other error than ours comes out, whatever the numbers are."""
    numbers = np.frombuffer(noise[: len(noise) // 8 * 8], np.int64)
    named = {"Conv": "pads", "ConvTranspose": "strides"}
    if op in named:
        tried = case(op, f(1, 1, 4), f(1, 1, 3), **({named[op]: numbers.tolist()} if numbers.size else {}))
    else:
        tried = case(
            op, f(2, 3), *([None, None] if op == "Resize" else []), numbers, *([numbers] if op == "Slice" else [])
        )
    with suppress(ToolError):
        compare(tried, against=False)
