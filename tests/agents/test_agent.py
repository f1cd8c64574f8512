"""The public agent from Python: what may be given, overridden and delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import shipfit
from shipfit import DeploymentConfig, DeploymentOptimizationAgent, OptimizationError
from shipfit.contracts import ModelFileError, Request, RequestError, Settings

from .. import torch_modules


@pytest.fixture
def agent(tmp_path: Path) -> DeploymentOptimizationAgent:
    config = DeploymentConfig().override(target={"constraints": {"max_size": "40%"}})
    return DeploymentOptimizationAgent(config, settings=Settings(home=tmp_path / "home"))


def test_a_model_in_memory_is_fitted_and_delivered(
    agent: DeploymentOptimizationAgent, digits_model: Path, digits_data: Path, tmp_path: Path
) -> None:
    seen: list[str] = []
    response = agent.optimize_for_deployment(
        model=onnx.load(digits_model),
        validation_data=dict(np.load(digits_data)),
        require_accuracy=0.9,
        monitoring={"metrics": ["size", "accuracy"], "alerts": {"latency": 1e-6}},
        allow_regression=("latency", "memory"),
        on_event=lambda event: seen.append(event.event),
    )
    assert response.status == "met", response.reason
    assert {item.name for item in response.constraints} >= {"max_size_ratio", "min_accuracy"}
    assert set(response.monitoring["optimized"]) == {"size", "accuracy"}
    assert {"baseline", f"attempt {response.delivered}"} <= set(response.monitoring)
    assert response.alerts
    assert seen[-1] == "run_finished"
    out = shipfit.deliver(response, tmp_path / "out", settings=agent.settings)
    assert shipfit.load(out).get_inputs()[0].name == "image"
    with pytest.raises(RequestError, match="not an empty folder"):
        shipfit.deliver(response, out, settings=agent.settings)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        ({}, RequestError, "no model"),
        ({"model": 3}, RequestError, "int"),
        ({"model": b"not a model"}, ModelFileError, "model"),
        ({"model": "m.onnx", "validation_data": 3}, RequestError, "validation data"),
        ({"model": "m.onnx", "target": {"platform": "moon"}}, RequestError, "target.platform"),
        ({"model": "m.onnx", "colour": "red"}, RequestError, "colour"),
        ({"model": "m.onnx", "require_accuracy": 0.9}, RequestError, "labelled"),
        ({"model": "m.onnx", "optimization": {"graph": {"passes": ["fuse_bn"]}}}, RequestError, "fuse_bn_into_conv"),
        ({"request": Request(model="m.onnx"), "optimization": {"level": "none"}}, RequestError, "not both"),
    ],
)
def test_mistakes_are_typed_and_say_what_is_wrong(
    agent: DeploymentOptimizationAgent, call: dict[str, Any], kind: type[OptimizationError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        agent.optimize_for_deployment(**call)


def test_the_five_tools_are_there_with_what_they_are_for(agent: DeploymentOptimizationAgent) -> None:
    assert len(agent.tools) == 5
    assert all(tool.name and tool.description and tool.category and callable(tool.run) for tool in agent.tools.values())


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_live_module_is_exported_and_handed_back(
    runtime: str, agent: DeploymentOptimizationAgent, digits_data: Path, tmp_path: Path
) -> None:
    module, example = torch_modules.cnn()
    response = agent.optimize_for_deployment(
        model=module,
        example_inputs=example,
        validation_data=dict(np.load(digits_data)),
        target={"runtime": runtime, "constraints": {"max_size": "1%"}},
        optimization={"level": "none"},
        budget={"max_attempts": 1, "time_limit_s": 60},
    )
    assert response.status == "rolled_back"
    assert response.artifact.path == "model.pt2"
    assert response.runtime_settings.runtime == "torch"
    out = shipfit.deliver(response, tmp_path / "out", settings=agent.settings)
    assert shipfit.load(out)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert module.training
