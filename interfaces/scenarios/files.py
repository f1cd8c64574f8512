"""The files of a scenario: made on the spot, or prepared before by `benchmarks/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...contracts import RequestError, Settings
from .case import Scenario
from .load import FOLDER

PREPARED = FOLDER.parent / "benchmarks" / ".cache" / "cases"


@dataclass(frozen=True)
class CaseFiles:
    """A model, what the run is given, and what is held out from it."""

    model: Path
    data: Path
    held_out: Path


def prepared_folder(model: str, data: str, seed: int) -> Path:
    """Return the folder of a case that `benchmarks/prepare.py` makes."""
    return PREPARED / f"{model}-{data}-{seed}"


def check_prepared(scenario: Scenario) -> None:
    """Refuse a scenario whose files can be neither made nor found.

    Raises:
        RequestError: they were not fetched yet; says how to.
    """
    if scenario.made or all(path.is_file() for path in _prepared(scenario)):
        return
    raise RequestError(
        f"scenario {scenario.name}: {scenario.model} ships inside a published package that was not fetched yet; "
        "`make fetch` in a clone of shipfit fetches what the suites need"
    )


def find_files(scenario: Scenario, folder: Path, settings: Settings) -> CaseFiles:
    """Return the files of a scenario, making them below `folder` where they are made.

    Raises:
        OptimizationError: they cannot be made.
    """
    if not scenario.made:
        return CaseFiles(*_prepared(scenario))
    from ...agents.standalone import make_sample

    folder.mkdir(parents=True, exist_ok=True)
    made = make_sample(settings, folder, scenario.model, scenario.data, scenario.seed)
    return CaseFiles(made.model, made.data, made.held_out)


def _prepared(scenario: Scenario) -> tuple[Path, Path, Path]:
    folder = prepared_folder(scenario.model, scenario.data, scenario.seed)
    return folder / "model.onnx", folder / "data.npz", folder / "held_out.npz"
