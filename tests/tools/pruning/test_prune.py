"""Channels go without a trace where they say nothing new, what something outside sees stays, and refusals say why."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper, numpy_helper

from shipfit.contracts import DataRef, DataView, Limits, NoOpError, PruneStep, ToolError
from shipfit.tools.prune import prune
from shipfit.tools.pruning.blocks import uniform
from shipfit.tools.pruning.coupling import couplings
from shipfit.tools.pruning.prune import layer_forms, take_out
from shipfit.tools.pruning.share import channel_shares

from ... import models

HALF = PruneStep(method="structured", ratio=0.5)


class Given:
    """The same feeds for every part."""

    def __init__(self, feeds: list[dict[str, np.ndarray]]) -> None:
        size = len(feeds)
        self._feeds = feeds
        self.ref = DataRef(
            id="0" * 64, samples=size, parts={"calibration": size, "selection": size, "final": size}, synthetic=True
        )

    def feeds(self, part: str, limit: int | None = None) -> list[dict[str, np.ndarray]]:
        return self._feeds[:limit]


def halves(model: onnx.ModelProto) -> dict[str, int]:
    return uniform(couplings(model).groups, 0.5)


def view(feeds: list[dict[str, np.ndarray]]) -> DataView:
    return cast(DataView, Given(feeds))


def chain(between: list[onnx.NodeProto], weights: dict[str, np.ndarray], **attributes: Any) -> onnx.ModelProto:
    """Conv `first` → `between` (from `a` to `b`) → Conv `second`."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], "first", pads=[1, 1, 1, 1]),
        *between,
        helper.make_node(
            "Conv", ["b", "w2", *(["b2"] if "b2" in weights else [])], ["y"], "second", **attributes
        ),
    ]  # fmt: skip
    shapes = [models.spec("x", ["n", 3, 8, 8])], [models.spec("y", ["n", 8, "h", "w"])]
    return models.build(nodes, *shapes, weights)


def images(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [{"x": rng.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(count)]


@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 99), kernel=st.sampled_from([1, 3]), stride=st.integers(1, 2), biased=st.booleans(),
    normal=st.booleans(), pooled=st.booleans(), repeats=st.booleans(),
)  # fmt: skip
def test_channels_that_say_nothing_new_go_without_a_trace(
    seed: int, kernel: int, stride: int, biased: bool, normal: bool, pooled: bool, repeats: bool
) -> None:
    rng = np.random.default_rng(seed)
    weights = {
        "w1": rng.normal(size=(32, 3, 3, 3)), "b1": rng.normal(size=32), "w2": rng.normal(size=(8, 32, kernel, kernel)),
        **({"b2": rng.normal(size=8)} if biased else {}),
    }  # fmt: skip
    if normal:
        weights |= {"g": np.ones(32), "s": np.zeros(32), "m": rng.normal(size=32), "v": rng.uniform(0.5, 2, 32)}
    gone = rng.permutation(32)[:16]
    kept = np.setdiff1d(np.arange(32), gone)
    for name in ("w1", "b1", "m", "v"):
        if name in weights:
            weights[name][gone] = weights[name][kept] if repeats else 0 if name != "v" else 1
    between = [helper.make_node("BatchNormalization", ["a", "g", "s", "m", "v"], ["n"])] if normal else []
    between.append(helper.make_node("Relu", ["n" if normal else "a"], ["r" if pooled else "b"]))
    if pooled:
        between.append(helper.make_node("MaxPool", ["r"], ["b"], kernel_shape=[2, 2]))
    model = chain(
        between, {name: value.astype(np.float32) for name, value in weights.items()},
        pads=[kernel // 2] * 4, strides=[stride] * 2,
    )  # fmt: skip
    feeds = images(24)
    wanted = [models.run(model, feed)[0] for feed in feeds]
    pruned = take_out(model, halves(model), feeds, feeds[:8])
    assert pruned is not None
    assert {layer.name for layer in layer_forms(model, pruned)} >= {"first", "second"}
    left = pruned.recovered.model
    onnx.checker.check_model(left, full_check=True)
    assert numpy_helper.to_array(left.graph.initializer[0]).shape[0] == 16
    answers = [models.run(left, feed)[0] for feed in feeds]
    assert models.decibels(np.concatenate(wanted), np.concatenate(answers)) > 45


def _plain() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"w1": (32, 3, 3, 3), "b1": (32,), "w2": (8, 32, 1, 1)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def test_what_is_left_is_known_before_it_is_made() -> None:
    model = models.digits_cnn(fit_samples=50)
    image = models.digits_arrays()[0][:8]
    left = take_out(model, halves(model), [{"image": image[:4]}], [{"image": image[4:]}])
    assert left is not None
    total, kept = (
        sum(4 * math.prod(each.dims) for each in made.graph.initializer) for made in (model, left.recovered.model)
    )
    assert dict(channel_shares(model).left)[0.5] == pytest.approx(kept / total, abs=0.002)


def test_what_is_seen_outside_stays() -> None:
    relu = helper.make_node("Relu", ["a"], ["b"])
    model = chain([relu], _plain())
    assert channel_shares(model).either > 0.9
    model.graph.output.append(models.spec("b", ["n", 32, 8, 8]))
    assert channel_shares(model) == (0, ())
    assert take_out(model, halves(model), images(4), images(2)) is None


def test_widths_that_are_named_are_what_is_left(digits_model: Path, tmp_path: Path) -> None:
    groups = couplings(onnx.load(digits_model)).groups
    widest = max(groups, key=lambda group: group.width)
    widths = {widest.id: widest.width // 2}
    feeds = view([{"image": np.random.default_rng(i).normal(size=(1, 1, 8, 8)).astype(np.float32)} for i in range(6)])
    step = PruneStep(method="structured", widths=widths)
    prune(step, digits_model, tmp_path / "m" / "model.onnx", feeds, Limits())
    left = {group.id: group.width for group in couplings(onnx.load(tmp_path / "m" / "model.onnx")).groups}
    assert left == {group.id: widths.get(group.id, group.width) for group in groups}
    for wrong in ({"nothing": 16}, {widest.id: widest.width + 1}):
        with pytest.raises(ToolError, match="could stay"):
            prune(step.model_copy(update={"widths": wrong}), digits_model, tmp_path / "n.onnx", feeds, Limits())
    whole = step.model_copy(update={"widths": {widest.id: widest.width}})
    with pytest.raises(NoOpError, match="these widths"):
        prune(whole, digits_model, tmp_path / "n.onnx", feeds, Limits())


@pytest.mark.parametrize("wrong", [{}, {"ratio": 0.5, "widths": {"w": 8}}, {"threshold": 0.1, "widths": {"w": 8}}])
def test_one_measure_is_asked_for(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a ratio or widths"):
        PruneStep.model_validate({"method": "structured", **wrong})


def test_a_network_keeps_its_answers_better_than_by_cutting_alone(
    digits_model: Path, digits_data: Path, tmp_path: Path
) -> None:
    data = np.load(digits_data)
    shown, held_out, labels = data["image"][:250], data["image"][300:], data["labels"][300:]
    report = prune(
        HALF, digits_model, tmp_path / "m" / "model.onnx", view([{"image": x[None]} for x in shown]), Limits()
    )
    assert {"conv2", "conv3"} <= {layer.name for layer in report.layers}
    assert any("fitted to" in layer.why for layer in report.layers)
    assert report.size_bytes < 0.7 * digits_model.stat().st_size
    wanted, answers = (
        models.run(path, {"image": held_out})[0] for path in (digits_model, tmp_path / "m" / "model.onnx")
    )
    cut = onnx.load(digits_model)
    fixed = {each.name: each for each in cut.graph.initializer}
    taken = numpy_helper.to_array(fixed["conv3.weight"]).copy()
    taken[:, np.argsort(np.abs(taken).sum(axis=(0, 2, 3)))[:16]] = 0
    fixed["conv3.weight"].CopyFrom(numpy_helper.from_array(taken, "conv3.weight"))
    plain = models.run(cut, {"image": held_out})[0]
    assert models.decibels(wanted, answers) > models.decibels(wanted, plain) + 2
    right = [float((each.argmax(1) == labels).mean()) for each in (wanted, answers)]
    assert right[1] > right[0] - 0.05


def test_refusals_say_why(digits_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="give data"):
        prune(HALF, digits_model, tmp_path / "model.onnx", None, Limits())
    feeds = view([{"image": np.zeros((1, 1, 8, 8), np.float32)}])
    with pytest.raises(NoOpError, match="no layer can lose 8 channels at a ratio"):
        prune(PruneStep(method="structured", ratio=0.05), digits_model, tmp_path / "model.onnx", feeds, Limits())
