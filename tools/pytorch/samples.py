"""Data for `TorchOptimizer`: samples of a live module, split into calibration and judgement."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from ...contracts import DataError
from .feeds import Calls, arguments, input_names

LABELS = "labels"
_CALIBRATION_SHARE = 0.25


@dataclass(frozen=True)
class Samples:
    """Arrays by input name, one row a sample, and class indices where there are any."""

    arrays: Mapping[str, torch.Tensor]
    labels: torch.Tensor | None

    @property
    def count(self) -> int:
        return len(next(iter(self.arrays.values())))

    def row(self, index: int) -> dict[str, torch.Tensor]:
        """Return the feed of one sample, a batch of one."""
        return {name: value[index : index + 1] for name, value in self.arrays.items()}


@dataclass(frozen=True)
class Split:
    """What ranges and statistics are taken from, and what the result is judged on: never the same samples."""

    calibration: Calls
    judgement: Calls
    labels: torch.Tensor | None


def read_samples(data: str | Path | Mapping[str, Any]) -> Samples:
    """Return samples from an `.npz` file or from arrays by name; `labels` are class indices.

    Raises:
        DataError: there is no such file, or the arrays do not go together.
    """
    given: Mapping[str, Any] = data if isinstance(data, Mapping) else _read_file(Path(data))
    tensors = {name: torch.as_tensor(value) for name, value in given.items()}
    labels = tensors.pop(LABELS, None)
    lengths = {len(value) if value.ndim else 0 for value in (*tensors.values(), *([] if labels is None else [labels]))}
    if not tensors or len(lengths) != 1 or 0 in lengths:
        raise DataError("validation data are arrays of one length, at least one, named like the model's inputs")
    return Samples(tensors, labels)


def _read_file(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{str(path)!r} cannot be read as an .npz file: {error}") from error


def split(program: ExportedProgram, samples: Samples | None, seed: int) -> Split:
    """Share samples out, a quarter for calibration; without any, the program's own example stands for both.

    Raises:
        DataError: an input of the program is missing.
    """
    if samples is None:
        args, kwargs = program.example_inputs or ((), {})
        calls: Calls = [(tuple(args), dict(kwargs))]
        return Split(calls, calls, None)
    missing = [name for name in input_names(program) if name not in samples.arrays]
    if missing:
        raise DataError(f"the data lack the input {missing[0]!r}; they have {', '.join(samples.arrays)}")
    if samples.count < 2:
        raise DataError("validation data are at least two samples: one to calibrate on, one to judge by")
    order = np.random.default_rng(seed).permutation(samples.count)
    first = max(1, int(samples.count * _CALIBRATION_SHARE))
    parts = [[arguments(program, samples.row(int(index))) for index in rows] for rows in (order[:first], order[first:])]
    labels = None if samples.labels is None else samples.labels[torch.from_numpy(order[first:])]
    return Split(parts[0], parts[1], labels)


def example_from(module: torch.nn.Module, samples: Samples) -> tuple[Any, ...]:
    """Return the first samples as arguments of `module`, in the order of its `forward`.

    Raises:
        DataError: an argument without default is missing.
    """
    values: list[Any] = []
    for name, parameter in inspect.signature(module.forward).parameters.items():
        if name in samples.arrays:
            values.append(samples.arrays[name][:2])
        elif parameter.default is inspect.Parameter.empty:
            raise DataError(f"the data lack {name!r}, which forward takes; give example_inputs, or name the array so")
        else:
            break
    return tuple(values)
