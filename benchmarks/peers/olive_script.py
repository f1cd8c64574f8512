"""What Olive calls back: its calibration data and its metrics, on the task of this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import task
from olive.data.registry import Registry
from task import Task


class Samples:
    """Calibration samples with a label that is not used, as Olive's loaders hand them out."""

    def __len__(self) -> int:
        return len(current().calibration)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], int]:
        if index >= len(self):
            raise IndexError(index)
        return next(current().counted([current().calibration[index]])), 0


@Registry.register_dataset()
def calibration_samples(**_: Any) -> Samples:
    return Samples()


@Registry.register_dataloader()
def calibration_loader(dataset: Samples, **_: Any) -> Samples:
    return dataset


def current() -> Task:
    """Return the task of this process; Olive loads this file once more by itself, so that it cannot be kept here."""
    return task.running[0]


def measured_accuracy(model: Any, *_: Any) -> float:
    """Return a candidate's accuracy, and keep its quality for whoever takes the nearest."""
    labels, answers = current().labels, _answers(model)
    assert labels is not None
    found = task.accuracy(answers, labels)
    seen(model)["drop"] = task.accuracy(current().before, labels) - found
    return found


def measured_decibels(model: Any, *_: Any) -> float:
    _answers(model)
    return seen(model)["db"]


def measured_time(model: Any, *_: Any) -> float:
    """Return the time of a call as a share of the original's."""
    original = task.open_session(current().model)
    seen(model)["speedup"] = task.speedup(original, _session(model), current().validation[:8])
    return 1 / seen(model)["speedup"]


def measured_bytes(model: Any, *_: Any) -> float:
    size = file_of(model.model_path).stat().st_size
    seen(model)["size"] = size / current().model.stat().st_size
    return float(size)


def seen(model: Any) -> dict[str, float]:
    """Return what was found of a candidate so far."""
    return current().seen.setdefault(str(file_of(model.model_path)), {})


def _answers(model: Any) -> list[list[np.ndarray]]:
    answers = current().answers(_session(model), current().validation)
    seen(model)["db"] = task.decibels(current().before, answers)
    return answers


def _session(model: Any) -> Any:
    return task.open_session(file_of(model.model_path))


def file_of(path: str | Path) -> Path:
    """Return the ONNX file that Olive means by a file or a folder."""
    return next(Path(path).glob("*.onnx")) if Path(path).is_dir() else Path(path)
