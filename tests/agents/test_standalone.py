"""Single tool calls: a recipe replays to the byte, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipfit.agents import standalone
from shipfit.agents.service import Service
from shipfit.contracts import Constraints, Recipe, Request, RequestError, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_a_recipe_replays_to_the_byte(
    settings: Settings, digits_model: Path, digits_data: Path, tmp_path: Path
) -> None:
    service = Service(settings)
    run = service.start(
        Request(
            model=str(digits_model), data=str(digits_data), allow_regression=("latency", "memory"),
            constraints=Constraints(max_size_ratio=0.4, max_accuracy_drop=0.02),
        )
    )  # fmt: skip
    for _ in service.events(run):
        pass
    response = service.response(run)
    assert response.recipe is not None
    recipe = Recipe.model_validate_json(response.recipe.model_dump_json())
    applied = standalone.apply_recipe(settings, str(digits_model), recipe, tmp_path / "again", data=str(digits_data))
    product = service.product_folder(run) / "model.onnx"
    assert (tmp_path / "again" / "model.onnx").read_bytes() == product.read_bytes()
    assert applied.reports


def test_a_recipe_is_for_its_own_model(settings: Settings, digits_model: Path, mlp_model: Path, tmp_path: Path) -> None:
    recipe = Recipe(model="0" * 64)
    with pytest.raises(RequestError, match="was made for model"):
        standalone.apply_recipe(settings, str(mlp_model), recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_inspecting_and_checking_leave_nothing_behind(
    settings: Settings, if_model: Path, old_opset_model: Path
) -> None:
    assert standalone.inspect_model(settings, str(if_model)).control_flow
    assert standalone.inspect_model(settings, str(old_opset_model), timing=False).opset == 11
    assert standalone.check_model(settings, str(old_opset_model)).compatible
    assert not settings.home.exists()
