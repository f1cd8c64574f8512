"""An exported program through the whole machine: fitted in torch, delivered, and made again from its recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import shipfit
from shipfit import DeploymentConfig, DeploymentOptimizationAgent
from shipfit.agents.standalone import apply_recipe
from shipfit.contracts import OptimizeGraphStep, Recipe, Settings
from shipfit.memory.digests import file_digest
from shipfit.tools.demo import train_network
from shipfit.tools.pytorch.optimizer import export_model
from shipfit.tools.pytorch.program import save_program
from shipfit.tools.pytorch.quiet import quiet


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_program_is_fitted_in_torch(digits_data: Path, tmp_path: Path) -> None:
    given = dict(np.load(digits_data))
    images = {name: value for name, value in given.items() if name != "labels"}
    (image,) = images.values()
    network = train_network(image[:200], given["labels"][:200], 0)
    source = tmp_path / "digits.pt2"
    with quiet():
        save_program(export_model(network, (torch.from_numpy(image[:2]),), None), source)
    settings = Settings(home=tmp_path / "home")
    agent = DeploymentOptimizationAgent(DeploymentConfig(), settings=settings)
    response = agent.optimize_for_deployment(
        model=source,
        validation_data={"input": image[200:400], "labels": given["labels"][200:400]},
        target={"runtime": "torch", "constraints": {"max_size": "40%", "max_drop": 0.02}},
        allow_regression=("latency", "memory"),
        budget={"max_attempts": 2, "time_limit_s": 500},
    )
    assert response.status == "met", response.reason
    assert response.profile is not None
    assert response.profile.format == "torch"
    assert "int8 static" in {layer.form for layer in response.layers}
    out = shipfit.deliver(response, tmp_path / "out", settings=settings)
    assert shipfit.load(out)(torch.from_numpy(image[:3])).shape == (3, 10)
    assert response.recipe is not None
    assert {step.kind for step in response.recipe.steps} <= {"optimize_graph", "quantize"}
    assert not any(getattr(step, "layout", "keep") == "auto" for step in response.recipe.steps)


@pytest.mark.slow
def test_a_recipe_with_a_chosen_layout_replays_to_the_byte(tmp_path: Path) -> None:
    source = tmp_path / "model.pt2"
    with quiet():
        network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU())
        save_program(export_model(network, (torch.rand(2, 1, 8, 8),), None), source)
    recipe = Recipe(model=file_digest(source), steps=(OptimizeGraphStep(layout="onednn"),))
    made: list[bytes] = []
    for name in ("first", "second"):
        settings = Settings(home=tmp_path / name / "home")
        apply_recipe(settings, str(source), recipe, tmp_path / name / "out")
        made.append((tmp_path / name / "out" / "model.pt2").read_bytes())
    assert made[0] == made[1]
