"""A real language model, where `SHIPFIT_TEST_LLM` names one: from words to a report that measurements made.

`SHIPFIT_LLM_API_BASE` and `SHIPFIT_LLM_API_KEY` say where it is; docs/language-models.md shows how to serve one here.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipfit import DeploymentConfig, DeploymentOptimizationAgent
from shipfit.contracts import load_settings

NAME = os.environ.get("SHIPFIT_TEST_LLM")
WORDS = (
    "Below 40 percent of its size, and the whole shebang shall purr along no less briskly; hold accuracy to 2 points."
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(NAME is None, reason="SHIPFIT_TEST_LLM names no language model")
def test_a_real_model_goes_all_the_way(tmp_path: Path, digits_model: Path, digits_data: Path) -> None:
    settings = load_settings().model_copy(update={"home": tmp_path / "home"})
    agent = DeploymentOptimizationAgent(DeploymentConfig(), settings=settings)
    response = agent.optimize_for_deployment(
        WORDS, model=digits_model, validation_data=digits_data, budget={"max_attempts": 2, "time_limit_s": 1500.0},
        llm={"name": NAME, "required": True, "timeout_s": 300.0}, memory=False,
    )  # fmt: skip
    assert response.request.constraints.max_size_ratio == 0.4
    # How good a reader it is, is its own affair: what it reads stands in the words, or nothing is read.
    assert response.request.constraints.max_accuracy_drop in (None, 0.02)
    assert response.status in ("met", "rolled_back")
    assert (response.status == "met") == all(item.met for item in response.constraints)
    use = response.language
    assert use is not None
    assert use.calls >= 1
    assert use.constrained >= 1
    assert all(item.span in WORDS for item in response.request.understood)
