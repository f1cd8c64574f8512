"""Requests and configurations: what is understood, overridden and refused."""

from __future__ import annotations

from typing import Any

import pytest

from shipfit.contracts import (
    Constraints,
    DeploymentConfig,
    DeploymentMetrics,
    Plan,
    Quantity,
    QuantizeLever,
    Recipe,
    Request,
    RequestError,
    check_served,
    label,
    validate,
)


def test_bounds_are_named_with_unit_and_direction() -> None:
    bounds = Constraints(max_size_ratio=0.3, min_speedup=2.0, max_accuracy_drop=0.0).bounds()
    assert [(item.name, item.unit, item.upper) for item in bounds] == [
        ("max_size_ratio", "fraction", True),
        ("min_speedup", "ratio", False),
        ("max_accuracy_drop", "fraction", True),
    ]
    assert bounds[0].text() == "size ratio ≤ 30 %"


@pytest.mark.parametrize(
    "wrong",
    [{"max_size_bytes": 0}, {"max_size_ratio": -1}, {"max_latency_ms": float("nan")}, {"min_speedup": float("inf")},
     {"min_accuracy": 1.5}, {"max_accuracy_drop": -0.1}, {"min_fidelity_db": 0}, {"max_latency": 3}],
)  # fmt: skip
def test_bounds_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=next(iter(wrong))) as refused:
        validate(Constraints, wrong)
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    ("bound", "quantity"),
    [({"max_size_bytes": 5}, "size"), ({"min_speedup": 2}, "latency"), ({"max_accuracy_drop": 0.1}, "accuracy")],
)
def test_a_bound_and_leave_to_get_worse_contradict_each_other(bound: dict[str, Any], quantity: str) -> None:
    request = {"model": "m.onnx", "constraints": bound, "allow_regression": [quantity]}
    with pytest.raises(RequestError, match=f"{next(iter(bound))}.*contradict"):
        validate(Request, request)
    assert validate(Request, {**request, "allow_regression": ["memory"]}).allow_regression == ("memory",)


def test_a_fast_model_of_low_throughput_is_no_contradiction() -> None:
    assert validate(Constraints, {"max_latency_ms": 1e-6, "min_throughput_per_s": 0.001}).max_latency_ms == 1e-6


@pytest.mark.parametrize(
    ("part", "name"),
    [({"target": {"platform": "node"}}, "node"), ({"target": {"runtime": "wasm"}}, "wasm"),
     ({"optimization": {"pruning": {"method": "fisher"}}}, "fisher"),
     ({"constraints": {"min_accuracy": 0.9}}, "labelled data"),
     ({"monitoring": {"alerts": {"error_rate": 0.1}}}, "error_rate")],
)  # fmt: skip
def test_what_nothing_serves_is_refused_by_name(part: dict[str, Any], name: str) -> None:
    with pytest.raises(RequestError, match=name):
        check_served(validate(Request, {"model": "m.onnx", **part}))


def test_a_configuration_is_overridden_field_by_field() -> None:
    config = DeploymentConfig().override(
        target={"constraints": {"max_size": "10 MiB", "max_latency": "0.05 s", "max_drop": "1%"}},
        optimization={"quantization": {"calibration": {"samples": 16}}},
    )
    bounds = config.target.constraints.to_constraints()
    assert (bounds.max_size_bytes, bounds.max_latency_ms, bounds.max_accuracy_drop) == (10 * 2**20, 50.0, 0.01)
    assert config.optimization.quantization.calibration.samples == 16
    assert config.optimization.quantization.calibration.method is None
    assert config.optimization.level == "basic"
    later = config.override(optimization={"level": "none"})
    assert later.optimization.quantization.calibration.samples == 16


def test_a_share_is_not_an_amount() -> None:
    config = DeploymentConfig().override(target={"constraints": {"max_size": "30%", "max_memory": "50 %"}})
    bounds = config.target.constraints.to_constraints()
    assert (bounds.max_size_ratio, bounds.max_memory_ratio, bounds.max_size_bytes) == (0.3, 0.5, None)


@pytest.mark.parametrize(
    "wrong",
    [{"target": {"platfrom": "edge"}}, {"optimization": {"level": "extreme"}}, {"monitoring": {"metrics": ["x"]}}],
)
def test_configuration_mistakes_name_their_field(wrong: dict[str, Any]) -> None:
    part, fields = next(iter(wrong.items()))
    with pytest.raises(RequestError, match=f"{part}.{next(iter(fields))}"):
        DeploymentConfig().override(**wrong)


def test_switches_say_what_the_search_may_use() -> None:
    def optimization(**parts: Any) -> Any:
        return DeploymentConfig().override(optimization=parts).optimization

    assert optimization().lowest_bits == 8
    assert optimization(level="none").lowest_bits == 32
    assert optimization(quantization={"enabled": False}).lowest_bits == 32
    assert optimization(quantization={"precision": "16bit"}).lowest_bits == 16
    assert optimization(quantization={"precision": "4bit"}).lowest_bits == 4
    assert optimization(level="aggressive").lowest_bits == 4
    assert optimization(level="aggressive", quantization={"precision": "8bit"}).lowest_bits == 8
    assert not optimization().may_prune
    assert optimization(level="aggressive").may_prune
    assert not optimization(level="aggressive", pruning={"enabled": False}).may_prune
    assert not optimization(level="none", pruning={"enabled": True}).may_prune


def test_plans_are_compared_by_what_they_do() -> None:
    plan = Plan(quantize=QuantizeLever(storage="int8"), reason="because")
    assert plan.same_as(plan.model_copy(update={"reason": "otherwise", "proposer": "memory"}))
    assert not plan.same_as(Plan(quantize=QuantizeLever(storage="fp16")))
    assert plan.levers == ("quantize",)


def test_recipes_and_metrics_survive_json() -> None:
    recipe = Recipe.model_validate_json(
        '{"model": "abc", "steps": [{"kind": "prune", "threshold": 0.1}, {"kind": "quantize", "storage": "int8"}]}'
    )
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    endless = DeploymentMetrics(size=Quantity(value=1, unit="bytes"), fidelity=Quantity(value=float("inf"), unit="dB"))
    assert DeploymentMetrics.model_validate_json(endless.model_dump_json()) == endless


def test_contracts_are_closed_and_immutable() -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        Quantity.model_validate({"value": 1, "unit": "ms", "colour": "red"})
    quantity = Quantity(value=1, unit="ms")
    with pytest.raises(ValueError, match="frozen"):
        quantity.value = 2


def test_names_of_bounds_in_words() -> None:
    assert label("guard_latency") == "latency (guard)"
    assert label("max_memory_bytes") == "memory"
    assert label("min_throughput_per_s") == "throughput"
