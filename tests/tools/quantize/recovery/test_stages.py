"""What is computed part by part is what the whole model computes, changes between the parts included."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import ModelProto, helper, numpy_helper

from shipfit.contracts import Limits, QuantizeStep
from shipfit.tools.quantize.compose import quantize
from shipfit.tools.quantize.recovery import stages as stages_module
from shipfit.tools.quantize.recovery.channels import Moments, Tap, moments
from shipfit.tools.quantize.recovery.stages import Stages

WIDTH = 4


def tap(tensor: str) -> Tap:
    return Tap(tensor, 1, 4, WIDTH)


def network(lab: Any, seed: int, sources: list[int]) -> tuple[ModelProto, list[dict[str, np.ndarray]]]:
    """Convolutions each of which reads the sum of an earlier value and the one before."""
    rng = np.random.default_rng(seed)
    nodes, weights, values = list[Any](), dict[str, np.ndarray](), ["x"]
    for at, source in enumerate(sources):
        weights |= {
            f"w{at}": rng.standard_normal((WIDTH, WIDTH, 1, 1)).astype(np.float32),
            f"b{at}": rng.standard_normal(WIDTH).astype(np.float32),
        }
        nodes += [
            helper.make_node("Add", [values[-1], values[source % len(values)]], [f"s{at}"], f"add{at}"),
            helper.make_node("Conv", [f"s{at}", f"w{at}", f"b{at}"], [f"c{at}"], f"conv{at}"),
            helper.make_node("Relu", [f"c{at}"], [f"r{at}"], f"relu{at}"),
        ]
        values.append(f"r{at}")
    shape = ["n", WIDTH, 3, 3]
    model = lab.build(nodes, {"x": shape}, {values[-1]: shape}, weights)
    return model, [{"x": rng.standard_normal((1, WIDTH, 3, 3)).astype(np.float32)} for _ in range(4)]


def same(first: Moments, second: Moments) -> None:
    assert first.mean == pytest.approx(second.mean, rel=1e-5, abs=1e-5)
    assert first.power == pytest.approx(second.power, rel=1e-5, abs=1e-5)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**31), st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_parts_are_the_whole(lab: Any, seed: int, sources: list[int]):
    model, feeds = network(lab, seed, sources)
    stages = Stages(model, feeds, [f"c{at}" for at in range(len(sources))])
    for at in range(len(sources)):
        stages.reach([f"s{at}", "of no node"])
        before = stages.moments([tap(f"c{at}")])[f"c{at}"]
        same(before, moments(model, [tap(f"c{at}")], feeds)[f"c{at}"])
        bias = next(each for each in model.graph.initializer if each.name == f"b{at}")
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, bias.name))
        after = stages.moments([tap(f"c{at}")])[f"c{at}"]
        assert after.mean == pytest.approx(before.mean + 1, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("form", ["static", "dynamic"])
def test_quantized_models_go_in_parts_too(lab: Any, form: str):
    model, feeds = network(lab, 1, [0, 0, 1])
    step = QuantizeStep.model_validate({"compute": {"Conv": form}, "min_terms": 0})
    quantize(step, lab.save(model), target := lab.folder / "quantized.onnx", lab.view(feeds), Limits())
    quantized = onnx.load(target)
    stages = Stages(quantized, feeds, ["r2"])
    for name in ("r0", "r1"):
        stages.reach([name])
        same(stages.moments([tap("r2")])["r2"], moments(quantized, [tap("r2")], feeds)["r2"])


def test_fewer_samples_where_their_values_do_not_fit(lab: Any, monkeypatch: pytest.MonkeyPatch):
    model, feeds = network(lab, 2, [0, 0])
    monkeypatch.setattr(stages_module, "HELD_BYTES", 200)
    stages = Stages(model, feeds, ["c1"])
    stages.reach(["s1"])
    assert stages.samples == 2
    same(stages.moments([tap("c1")])["c1"], moments(model, [tap("c1")], feeds[:2])["c1"])


def test_what_a_branch_reads_of_the_graph_around_it_is_held(lab: Any):
    shape = ["n", WIDTH, 3, 3]
    out = helper.make_tensor_value_info("inner", 1, None)
    branches = [
        helper.make_graph([helper.make_node(op_type, ["r0"], ["inner"])], op_type, [], [out])
        for op_type in ("Neg", "Abs")
    ]
    model, feeds = network(lab, 3, [0])
    model.graph.node.extend(
        [
            helper.make_node("Identity", ["r0"], ["later"]),
            helper.make_node("If", ["flag"], ["y"], then_branch=branches[0], else_branch=branches[1]),
        ]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "flag"))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("y", 1, shape))
    stages = Stages(model, feeds, ["y"])
    stages.reach(["later"])
    same(stages.moments([tap("y")])["y"], moments(model, [tap("y")], feeds)["y"])
