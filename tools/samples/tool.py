"""The tool `sample`: a model and its data by name, a part of the data held out from whoever optimizes the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...contracts import RequestError, SampleReport
from ..context import MODEL_FILE, ToolAnswer, ToolContext
from ..demo import INPUT, held_out, load_digits, train_network, write_onnx
from .hostile import escaping, pickled
from .models import ROWS, digits_cnn, digits_lstm, digits_quantized

Arrays = dict[str, np.ndarray]
Builder = Callable[[Path, Arrays, int], None]

DATA_FILE, HELD_OUT_FILE = "data.npz", "held_out.npz"
# Every third sample: what a product is judged on in the end, its search has never seen.
HOLD_OUT_EVERY = 3


def _trained(target: Path, fit: Arrays, seed: int) -> None:
    write_onnx(train_network(fit[INPUT], fit["labels"], seed), target)


# Model → how it is built from the digits that it may be fitted on.
MODELS: dict[str, Builder] = {
    "digits_cnn": _trained,
    "digits_lstm": lambda target, fit, seed: digits_lstm(target, fit[INPUT], fit["labels"]),
    "digits_quantized": lambda target, fit, seed: digits_quantized(target, fit[INPUT], fit["labels"]),
    "digits_small": lambda target, fit, seed: digits_cnn(target, fit[INPUT], fit["labels"]),
    "hostile_path": lambda target, fit, seed: escaping(target),
    "hostile_pickle": lambda target, fit, seed: pickled(target),
}


def sample_tool(context: ToolContext) -> ToolAnswer:
    """Make model `params["model"]` with data `params["data"]`, from the job's seed.

    Raises:
        RequestError: there is no such model or data.
        MissingExtraError: scikit-learn, which holds the digits, is not installed.
    """
    model, data = str(context.job.params["model"]), str(context.job.params["data"])
    if model not in MODELS:
        raise RequestError(f"there is no sample model {model!r}; there are {', '.join(sorted(MODELS))}")
    seed = context.job.seed
    images, labels = load_digits()
    fit, rest = held_out(labels, seed)
    folders = {role: context.work / role for role in ("model", "data")}
    for folder in folders.values():
        folder.mkdir()
    MODELS[model](folders["model"] / MODEL_FILE, {INPUT: images[fit], "labels": labels[fit]}, seed)
    given, kept = split({INPUT: images[rest], "labels": labels[rest]})
    for name, arrays in ((DATA_FILE, _shaped(given, data, seed)), (HELD_OUT_FILE, _shaped(kept, data, None))):
        np.savez(folders["data"] / name, **arrays)  # type: ignore[arg-type]
    return ToolAnswer(report=SampleReport(samples=len(given["labels"]), held_out=len(kept["labels"])), outputs=folders)


def split(arrays: Arrays) -> tuple[Arrays, Arrays]:
    """Return what an optimizer is given, and what is held out from it."""
    count = len(next(iter(arrays.values())))
    out = np.arange(count) % HOLD_OUT_EVERY == HOLD_OUT_EVERY - 1
    return {name: rows[~out] for name, rows in arrays.items()}, {name: rows[out] for name, rows in arrays.items()}


def _shaped(arrays: Arrays, data: str, seed: int | None) -> Arrays:
    """Return the arrays as `data` wants them; labels are shuffled only where a seed is given.

    Raises:
        RequestError: there is no such data.
    """
    if data == "digits":
        return arrays
    if data == "digits_shuffled":
        labels = arrays["labels"]
        return {**arrays, "labels": labels if seed is None else np.random.default_rng(seed).permutation(labels)}
    if data == "digits_rows":
        images = arrays[INPUT]
        return {ROWS: images.transpose(0, 2, 1, 3), "labels": arrays["labels"]}
    raise RequestError(f"there are no sample data {data!r}; there are digits, digits_rows, digits_shuffled")
