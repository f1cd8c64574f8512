"""Make the model and the samples of a scenario; a part of the samples is held out from the product.

Everything is made anew in `benchmarks/.cache/cases` (only what was downloaded is kept from before).

    python benchmarks/prepare.py       fetch and make what scenarios over published models need
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import files_by_type
import numpy as np
import speech
import text_lines
from fetch import CACHE, fetch
from onnx_files import sha256
from pydantic import BaseModel
from sessions import open_session

from shipfit.interfaces.scenarios.case import MADE_MODELS, Scenario
from shipfit.interfaces.scenarios.files import prepared_folder
from shipfit.interfaces.scenarios.load import load_models, load_suite, suites

Arrays = dict[str, np.ndarray]

# Every third sample is kept from the product, so that what it is judged on here, its search has never seen.
_HOLD_OUT_EVERY = 3
_FILES_AT_LEAST, _FILES_AT_MOST = 24, 45
_BLOCKS, _FRAMES = 144, 48
_CROPS = 144


class Case(BaseModel):
    """The files of one scenario, their digests, and how many samples each part has."""

    model: Path
    data: Path
    held_out: Path
    digests: dict[str, str]
    samples: dict[str, int]
    labels: int = 0


def prepare(scenario: Scenario) -> Case:
    """Return the files of a scenario, making them when this process has not made them yet.

    Raises:
        RuntimeError: a model could not be fetched, or is not the pinned one.
    """
    return _prepare(scenario.model, scenario.data, scenario.seed)


@cache
def _prepare(model: str, data: str, seed: int) -> Case:
    folder = prepared_folder(model, data, seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if model in MADE_MODELS:
        _sample(model, data, seed, folder)
    else:
        path, arrays = _MAKERS[data](model, seed)
        given, held_out = split(arrays)
        shutil.copyfile(path, folder / "model.onnx")
        np.savez(folder / "data.npz", **given)  # type: ignore[arg-type]
        np.savez(folder / "held_out.npz", **held_out)  # type: ignore[arg-type]
    files = {name: folder / f"{name}.npz" for name in ("data", "held_out")} | {"model": folder / "model.onnx"}
    return Case(
        **files,
        digests={name: sha256(file) for name, file in files.items()},
        samples={name: _samples(files[name]) for name in ("data", "held_out")},
        labels=len(_classes(files["data"]) | _classes(files["held_out"])),
    )


def _sample(model: str, data: str, seed: int, folder: Path) -> None:
    """Make what `shipfit scenarios run` makes by itself, in the same way."""
    from shipfit.agents.standalone import make_sample
    from shipfit.contracts import Settings

    make_sample(Settings(home=CACHE / "home"), folder, model, data, seed)


def _samples(path: Path) -> int:
    with np.load(path) as archive:
        return len(archive[archive.files[0]])


def _classes(path: Path) -> set[int]:
    with np.load(path) as archive:
        return set(archive["labels"].tolist()) if "labels" in archive else set()


def split(arrays: Arrays) -> tuple[Arrays, Arrays]:
    """Return the samples that a run is given, and those that are held out from it."""
    out = np.arange(_count(arrays)) % _HOLD_OUT_EVERY == _HOLD_OUT_EVERY - 1
    return {name: rows[~out] for name, rows in arrays.items()}, {name: rows[out] for name, rows in arrays.items()}


def _count(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def _speech(model: str, seed: int) -> tuple[Path, Arrays]:
    path = _fetched(model)["model"]
    session = open_session(path)

    def step(feed: Arrays) -> tuple[np.ndarray, np.ndarray]:
        after = dict(zip([output.name for output in session.get_outputs()], session.run(None, feed), strict=True))
        return after["hn"], after["cn"]

    return path, speech.blocks(_BLOCKS, _FRAMES, seed, step)


def _files(model: str, seed: int) -> tuple[Path, Arrays]:
    files = _fetched(model)
    return files["model"], labelled_files_of(files)


def labelled_files_of(files: dict[str, Path]) -> Arrays:
    """Return files of this system as samples for the classifier of file types that `files` (role → path) are of."""
    return files_by_type.labelled_files(files["config"], files["content_types"], _FILES_AT_LEAST, _FILES_AT_MOST)


def _text_lines(model: str, seed: int) -> tuple[Path, Arrays]:
    return _fetched(model)["model"], text_lines.text_lines(_CROPS, seed)


def _fetched(model: str) -> dict[str, Path]:
    return fetch(model, load_models()[model])


_MAKERS: dict[str, Callable[[str, int], tuple[Path, Arrays]]] = {
    "speech": _speech,
    "files": _files,
    "text_lines": _text_lines,
}


if __name__ == "__main__":
    for each in (scenario for suite in suites() for scenario in load_suite(suite) if not scenario.made):
        made = prepare(each)
        print(f"{each.name}: {made.samples['data']} samples in {made.model.parent}", flush=True)
