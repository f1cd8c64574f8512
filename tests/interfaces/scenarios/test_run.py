"""Scenarios that are run: each ends as it says, and one that does not is seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shipfit.interfaces.scenarios.load import FOLDER
from shipfit.interfaces.scenarios.outcome import ScenarioReport
from shipfit.interfaces.scenarios.table import markdown

from ..conftest import Answer

Shipfit = Callable[..., Answer]
QUICK = FOLDER / "quick"


def document(answer: Answer) -> ScenarioReport:
    raw = json.loads(answer.out)
    raw.pop("as_expected")
    return ScenarioReport.model_validate(raw)


def changed(name: str, folder: Path, *changes: tuple[str, str]) -> str:
    text = (QUICK / name).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_refusal_is_as_expected_and_kept(shipfit: Shipfit):
    answer = shipfit("scenarios", "run", str(QUICK / "hostile_path.yaml"), "--json", "--out", "kept")
    (case,) = document(answer).cases
    assert (answer.status, case.successes, case.trials[0].ended) == (0, 1, "refused")
    assert {bar.name for bar in case.trials[0].bars} >= {"exit status", "status", "written", "says"}
    assert ScenarioReport.model_validate_json(Path("kept/results.json").read_text()).cases == (case,)
    assert "| hostile-path | refused | refused | 1/1 |" in Path("kept/results.md").read_text()


@pytest.mark.slow
def test_what_ends_otherwise_is_seen(shipfit: Shipfit, tmp_path: Path):
    wrong = changed("hostile_pickle.yaml", tmp_path, ("says: is a pickle", "says: welcome"))
    skipped = changed("edge.yaml", tmp_path, ("options:", "needs_cpu_flag: [no_such_flag]\noptions:"))
    answer = shipfit("scenarios", "run", wrong, skipped, "--repeats", "2", "--json")
    first, second = document(answer).cases
    assert (answer.status, first.successes, len(first.trials)) == (3, 0, 2)
    assert [bar.name for bar in first.trials[0].bars if not bar.reached] == ["says"]
    assert {trial.seed for trial in first.trials} == {0, 1}
    assert "no_such_flag" in second.skipped
    assert second.as_expected
    page = markdown(document(answer))
    assert "hostile-pickle 1: says" in page
    assert "edge: skipped" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small_digits.yaml", "already_quantized.yaml"])
def test_a_whole_case(name: str, shipfit: Shipfit):
    answer = shipfit("scenarios", "run", str(QUICK / name), "--json")
    (case,) = document(answer).cases
    assert answer.status == 0, [bar for trial in case.trials for bar in trial.bars if not bar.reached]
    assert case.as_expected


@pytest.mark.slow
def test_a_bar_on_the_product_can_be_missed(shipfit: Shipfit, tmp_path: Path):
    strict = changed(
        "small_digits.yaml", tmp_path, ("max_size_ratio: 0.40", "max_size_ratio: 0.01"), ("  repeat_attempts: 1\n", "")
    )
    answer = shipfit("scenarios", "run", strict)
    assert answer.status == 3
    assert "held out: size ratio" in answer.out
