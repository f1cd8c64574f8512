"""An exported program is made again from its recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shipfit.agents.standalone import apply_recipe
from shipfit.contracts import OptimizeGraphStep, Recipe, Settings
from shipfit.memory.digests import file_digest
from shipfit.tools.pytorch.optimizer import export_model
from shipfit.tools.pytorch.program import save_program
from shipfit.tools.pytorch.quiet import quiet


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
