"""Find and read scenario files; the one loader of the command and of `benchmarks/`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...contracts import RequestError, validate
from ..cli.config_file import load_yaml
from ..cli.paths import text_file
from ..text import clean
from .case import MADE_MODELS, PinnedModel, Scenario

# Beside the code in a clone; an installed wheel does not bring it.
FOLDER = Path(__file__).resolve().parents[2] / "scenarios"
MODELS_FILE = "models.yaml"
# A folder that holds it belongs to `shipfit batch`, and is no suite.
MANIFEST = "zoo.yaml"
MAX_BYTES = 2**20


def suites() -> list[str]:
    """Return the names of the suites that are here."""
    if not FOLDER.is_dir():
        return []
    folders = [path for path in FOLDER.iterdir() if path.is_dir() and not (path / MANIFEST).exists()]
    return sorted(path.name for path in folders if any(path.glob("*.yaml")))


def load_suite(name: str) -> list[Scenario]:
    """Return the scenarios of one suite, sorted by file name.

    Raises:
        RequestError: no such suite, a file that does not fit, or a name that is used twice.
    """
    return load([name])


def load(given: Sequence[str]) -> list[Scenario]:
    """Return the scenarios of suites, folders and files, in this order.

    Raises:
        RequestError: one is not there or does not fit (the file and the key are named), or two have one name.
    """
    found: dict[str, tuple[Scenario, Path]] = {}
    for path in (path for name in given for path in _files(name)):
        scenario = load_file(path)
        if scenario.name in found:
            raise RequestError(f"{path}: {found[scenario.name][1]} is called {scenario.name!r} too; rename one")
        found[scenario.name] = scenario, path
    return [scenario for scenario, _ in found.values()]


def load_file(path: Path) -> Scenario:
    """Return the scenario in one file.

    Raises:
        RequestError: it cannot be read, or does not fit; the file and the key are named.
    """
    name = str(path)
    scenario = validate(Scenario, load_yaml(text_file(name, "scenario", MAX_BYTES), name), source=name)
    if not scenario.made and scenario.model not in (known := load_models()):
        names = ", ".join(sorted({*known, *MADE_MODELS}))
        raise RequestError(f"{name}: model: there is no {clean(scenario.model, 80)!r}; there are {names}")
    return scenario


def load_models() -> dict[str, PinnedModel]:
    """Return the models of `models.yaml` by name; none where there is no such file.

    Raises:
        RequestError: it does not fit.
    """
    path = FOLDER / MODELS_FILE
    if not path.is_file():
        return {}
    raw = load_yaml(text_file(str(path), "list of models", MAX_BYTES), str(path))
    return {name: validate(PinnedModel, value, source=f"{path}: {name}") for name, value in raw.items()}


def _files(given: str) -> list[Path]:
    suite = FOLDER / given
    path = suite if given in suites() else Path(given).expanduser()
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.suffix in (".yaml", ".yml"))
        if not files:
            raise RequestError(f"{clean(given)!r} holds no scenario (*.yaml)")
        return files
    if not path.is_file():
        names = ", ".join(suites()) or "none beside the code; give the path of a file or a folder"
        raise RequestError(f"there is no suite and no file {clean(given)!r}; suites: {names}")
    return [path]
