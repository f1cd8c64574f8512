"""One bad rewrite does not cost the others, and what is timed is kept only where it is faster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import helper

import shipfit.tools.rewrite.run as run_module
from shipfit.contracts import GRAPH_PASSES, Limits, OptimizeGraphStep, ToolError
from shipfit.tools.graph import optimize_graph
from shipfit.tools.rewrite import REWRITES, Rewrite
from shipfit.tools.rewrite.run import apply_rewrites

from ... import models
from .written import written

TEXT = "a = Abs(x); b = Neg(a); c = Tanh(b); y = Sin(c)"


def renamed(before: str, after: str) -> Rewrite:
    """A rewrite that replaces an operator by another of one input."""

    def apply(model: onnx.ModelProto) -> int:
        found = [node for node in model.graph.node if node.op_type == before]
        for node in found:
            node.op_type = after
        return len(found)

    return Rewrite(f"{before}_{after}", apply)


def types(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def refuses(*words: str):
    def check(model: onnx.ModelProto) -> None:
        for word in words:
            if word in types(model):
                raise ToolError(f"{word} is wrong")

    return check


def applied(monkeypatch, rewrites: Sequence[Rewrite], check=None, timer=None):
    monkeypatch.setattr(run_module, "REWRITES", rewrites)
    model = written(TEXT, {})
    done = apply_rewrites(model, [each.name for each in rewrites], check or refuses(), timer)
    assert types(model) == ["Abs", "Neg", "Tanh", "Sin"]
    return done


def test_the_bad_ones_are_left_out_by_name(monkeypatch):
    rewrites = [renamed("Abs", "Ceil"), renamed("Neg", "Floor"), renamed("Tanh", "Exp"), renamed("Sin", "Cos")]
    done = applied(monkeypatch, rewrites, refuses("Floor", "Cos"))
    assert types(done.model) == ["Ceil", "Neg", "Exp", "Sin"]
    assert done.left_out == {"Neg_Floor": "Floor is wrong", "Sin_Cos": "Cos is wrong"}
    assert done.changes == {"Abs_Ceil": {"Abs": -1, "Ceil": 1}, "Tanh_Exp": {"Tanh": -1, "Exp": 1}}


def test_what_finds_nothing_is_not_told(monkeypatch):
    done = applied(monkeypatch, [renamed("Relu", "Exp")])
    assert (done.changes, done.left_out, done.speeds) == ({}, {}, {})


@pytest.mark.parametrize(("low", "kept"), [(1.01, True), (1.0, False), (0.9, False)])
def test_timing_decides(monkeypatch, low: float, kept: bool):
    slow = Rewrite("slow", renamed("Neg", "Floor").apply, timed=True)
    timed: list[tuple[list[str], list[str]]] = []

    def timer(before: onnx.ModelProto, after: onnx.ModelProto) -> tuple[float, float]:
        timed.append((types(before), types(after)))
        return 1.05, low

    done = applied(monkeypatch, [renamed("Abs", "Ceil"), slow, renamed("Sin", "Cos")], timer=timer)
    assert types(done.model) == ["Ceil", "Floor" if kept else "Neg", "Tanh", "Cos"]
    assert timed == [(["Ceil", "Neg", "Tanh", "Sin"], ["Ceil", "Floor", "Tanh", "Sin"])]
    assert done.speeds == {"slow": 1.05}
    assert ("slow" in done.changes, "slow" in done.left_out) == (kept, not kept)


def test_a_timed_one_that_is_wrong_is_not_timed(monkeypatch):
    def timer(before: onnx.ModelProto, after: onnx.ModelProto) -> tuple[float, float]:
        raise AssertionError("it was timed")

    done = applied(monkeypatch, [Rewrite("wrong", renamed("Neg", "Floor").apply, True)], refuses("Floor"), timer)
    assert done.left_out == {"wrong": "Floor is wrong"}


def test_what_cannot_be_timed_is_left_out(monkeypatch):
    def timer(before: onnx.ModelProto, after: onnx.ModelProto) -> tuple[float, float]:
        raise ToolError("it refuses its inputs")

    done = applied(monkeypatch, [Rewrite("open", renamed("Neg", "Floor").apply, timed=True)], timer=timer)
    assert done.left_out == {"open": "it cannot be timed: it refuses its inputs"}


def test_without_a_timer_it_is_kept(monkeypatch):
    done = applied(monkeypatch, [Rewrite("open", renamed("Neg", "Floor").apply, timed=True)])
    assert done.changes.keys() == {"open"}


def test_every_rewrite_is_in_the_catalogue_in_the_same_order():
    ours = [name for name, each in GRAPH_PASSES.items() if each.carrier == "shipfit"]
    assert {each.name for each in REWRITES} == set(ours)
    assert len(REWRITES) == len(ours)


def test_the_step_names_what_was_kept_and_replays(tmp_path):
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Identity", ["r"], ["i"]),
        helper.make_node("Add", ["i", "c"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["y"], pads=[1, 1, 1, 1]),
    ]
    weights = {"w": rng.standard_normal((16, 3, 1, 1)), "v": rng.standard_normal((16, 16, 3, 3)), "c": np.full(1, 0.3)}
    stored = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    specs = [models.spec("x", [1, 3, 64, 64])], [models.spec("y", [1, 16, 64, 64])]
    source = models.save(models.build(nodes, *specs, stored), tmp_path / "model.onnx")
    step = OptimizeGraphStep(passes=("affine_as_conv", "fuse_hard_swish", "default"), layer_optimization=False)
    first, second = tmp_path / "first" / "model.onnx", tmp_path / "second" / "model.onnx"
    report = optimize_graph(step, source, first, None, Limits())
    performed = report.step
    assert isinstance(performed, OptimizeGraphStep)
    assert set(report.details["speeds"]) == {"affine_as_conv"}
    assert performed.passes is not None
    assert performed.decided
    assert ("affine_as_conv" in performed.passes) == ("affine_as_conv" in report.details["passes"])
    again = optimize_graph(performed, source, second, None, Limits())
    assert again.details["speeds"] == {}
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(("speeds", "kept"), [((1.0, 1.1), True), ((1.1, 0.99), True), ((1.1, 0.9), False)])
def test_int8_is_timed_too(monkeypatch, speeds: tuple[float, float], kept: bool):
    """What is mostly computed in int8 is kept where one of the forms is faster and neither slower."""
    left = iter(speeds)

    def timer(before: onnx.ModelProto, after: onnx.ModelProto) -> tuple[float, float]:
        speed = next(left)
        return speed, speed - 0.01

    rewrite = Rewrite("joined", renamed("Neg", "Floor").apply, timed=True, int8=("MatMul",))
    done = applied(monkeypatch, [rewrite], timer=timer)
    assert ("joined" in done.changes) == kept
    assert done.speeds == {"joined": max(speeds)}
