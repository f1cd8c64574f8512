"""Smoothing leaves what a model computes as it is, and takes outliers out of what is rounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import ModelProto, helper

from shipfit.contracts import Limits, QuantizeStep
from shipfit.tools.quantize.compose import quantize
from shipfit.tools.quantize.recovery.editor import Editor
from shipfit.tools.quantize.recovery.groups import divide, find_groups
from shipfit.tools.quantize.recovery.smooth import smoothed
from shipfit.tools.quantize.trial import copy_model

WIDTH = 64
DYNAMIC = QuantizeStep(compute={"MatMul": "dynamic", "Gemm": "dynamic"})
NORMS = ("LayerNormalization", "SkipLayerNormalization", "affine", "Mul", "Tanh")


def _block(lab: Any, seed: int, norm: str, residual: bool) -> tuple[ModelProto, list[dict[str, np.ndarray]]]:
    """A normalization with a few loud channels, three `MatMul` that read it, and a sum of all they give."""
    rng = np.random.default_rng(seed)
    loud = np.ones(WIDTH, np.float32)
    loud[rng.integers(0, WIDTH, 3)] = 40.0
    weights = {"gamma": loud, "beta": rng.normal(size=WIDTH).astype(np.float32)}
    nodes = {
        "LayerNormalization": [helper.make_node("LayerNormalization", ["x", "gamma", "beta"], ["t"])],
        "SkipLayerNormalization": [
            helper.make_node("SkipLayerNormalization", ["x", "x", "gamma", "beta"], ["t"], domain="com.microsoft")
        ],
        "affine": [helper.make_node("Mul", ["x", "gamma"], ["m"]), helper.make_node("Add", ["beta", "m"], ["t"])],
        "Mul": [helper.make_node("Mul", ["gamma", "x"], ["t"])],
        "Tanh": [
            helper.make_node("Mul", ["gamma", "x"], ["m"]),
            helper.make_node("Tanh", ["m"], ["h"]),
            helper.make_node("Mul", ["h", "m"], ["t"]),
        ],
    }[norm]
    for name in "qkv":
        weights[name] = (rng.normal(size=(WIDTH, WIDTH)) / 8).astype(np.float32)
        nodes.append(helper.make_node("MatMul", ["t", name], [f"{name}y"], name))
    nodes += [
        helper.make_node("Add", ["qy", "ky"], ["qk"]),
        helper.make_node("Add", ["qk", "vy"], ["qkv"]),
        helper.make_node("Relu", ["t" if residual else "x"], ["rest"]),
        helper.make_node("Add", ["qkv", "rest"], ["y"]),
    ]
    feeds = [{"x": rng.normal(size=(1, 12, WIDTH)).astype(np.float32)} for _ in range(6)]
    return lab.build(nodes, {"x": [1, "l", WIDTH]}, {"y": [1, "l", WIDTH]}, weights), feeds


@given(st.integers(0, 2**31), st.sampled_from(NORMS), st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_function_is_preserved(lab: Any, seed: int, norm: str, residual: bool) -> None:
    model, feeds = _block(lab, seed, norm, residual)
    for _, candidate in smoothed(model, DYNAMIC, feeds):
        assert lab.sqnr(model, candidate, feeds) > 100


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("norm", NORMS)
def test_factor_is_folded_where_only_the_group_reads(lab: Any, norm: str, residual: bool) -> None:
    model, feeds = _block(lab, 1, norm, residual)
    (group,) = find_groups(model)
    assert [matrix.node.name for matrix in group.matrices] == ["q", "k", "v"]
    assert (group.absorber is not None) == (norm != "Tanh" and not residual)
    before = len(model.graph.node)
    changed = copy_model(model)
    factors = np.exp(np.random.default_rng(0).normal(size=WIDTH)).astype(np.float32)
    divide(changed, Editor(changed), find_groups(changed)[0], factors)
    assert len(changed.graph.node) == before + (group.absorber is None)
    assert lab.sqnr(model, changed, feeds) > 100


def test_smoothing_helps_where_channels_are_loud(lab: Any) -> None:
    model, feeds = _block(lab, 2, "LayerNormalization", residual=True)
    source, view = lab.save(model), lab.view(feeds)
    step = DYNAMIC.model_copy(update={"recovery": ("smooth",)})
    report = quantize(step, source, lab.folder / "smooth.onnx", view, Limits())
    quantize(DYNAMIC, source, lab.folder / "plain.onnx", view, Limits())
    assert isinstance(report.step, QuantizeStep)
    assert report.step.recovery == ("smooth",)
    assert any(note.startswith("smooth: ") and "1 by a Mul" in note for note in report.notes)
    smooth, plain = (lab.sqnr(model, lab.folder / f"{name}.onnx", feeds) for name in ("smooth", "plain"))
    assert smooth > plain + 3
    quantize(report.step, source, lab.folder / "again.onnx", view, Limits())
    assert (lab.folder / "again.onnx").read_bytes() == (lab.folder / "smooth.onnx").read_bytes()


def test_stored_weights_get_no_operator_more(lab: Any) -> None:
    step = QuantizeStep(storage="int4", block=16)
    with_reader, feeds = _block(lab, 3, "LayerNormalization", residual=True)
    assert list(smoothed(with_reader, step, feeds)) == []
    alone, feeds = _block(lab, 3, "LayerNormalization", residual=False)
    ((_, candidate),) = smoothed(alone, step, feeds)
    assert len(candidate.graph.node) == len(alone.graph.node)


def test_nothing_is_smoothed_where_nothing_is_rounded(lab: Any) -> None:
    model, feeds = _block(lab, 4, "LayerNormalization", residual=False)
    assert list(smoothed(model, QuantizeStep(storage="fp16"), feeds)) == []
    named = QuantizeStep(compute={"MatMul": "dynamic"}, nodes=dict.fromkeys("qkv", "fp32"))
    assert list(smoothed(model, named, feeds)) == []


def test_weight_that_others_read_is_left_alone(lab: Any) -> None:
    model, _ = _block(lab, 5, "LayerNormalization", residual=False)
    for node in model.graph.node:
        if node.name == "k":
            node.input[1] = "v"
    (group,) = find_groups(model)
    assert [matrix.node.name for matrix in group.matrices] == ["q"]
    assert group.absorber is None


def test_activation_that_is_not_finite_is_left_alone(lab: Any) -> None:
    model, feeds = _block(lab, 6, "Mul", residual=False)
    feeds[0]["x"][0, 0, 0] = np.inf
    assert list(smoothed(model, DYNAMIC, feeds)) == []
