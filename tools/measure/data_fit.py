"""Fit samples to a model's inputs: rank, fixed dimensions, element type, finite values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...contracts import DataError, MetricKind
from .sources.sample import RawSample, Target
from .synthesize import InputSpec, shape_text


@dataclass(frozen=True)
class Layout:
    """How stored rows become feeds.

    Attributes:
        batched: inputs whose rows lack the batch axis; `batch` rows are stacked into one feed.
        batch: rows in a feed; the other inputs hold a whole feed each, which needs `batch` to be 1.
    """

    batched: tuple[str, ...]
    batch: int


def layout(specs: list[InputSpec], first: RawSample) -> Layout:
    """Decide from the first sample which inputs lack the batch axis, and how many rows make a feed.

    Raises:
        DataError: a rank that fits neither way, or inputs that ask for different batches.
    """
    batched = tuple(spec.name for spec in specs if _lacks_batch(spec, first))
    first_dims = {spec.name: spec.shape[0] for spec in specs if spec.name in batched}
    sizes = {name: size for name, size in first_dims.items() if isinstance(size, int)}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name!r} {size}" for name, size in sizes.items())
        raise DataError(f"the inputs ask for different batches ({listed}); give every array with its batch axis")
    batch = next(iter(sizes.values()), 1)
    whole = [spec.name for spec in specs if spec.name not in batched]
    if batch > 1 and whole:
        raise DataError(
            f"{', '.join(map(repr, whole))} come with a batch axis and {', '.join(map(repr, batched))} without, "
            f"for a batch of {batch}; give every array with its batch axis"
        )
    return Layout(batched, batch)


def _lacks_batch(spec: InputSpec, sample: RawSample) -> bool:
    row = sample.inputs[spec.name]
    if row.ndim not in {len(spec.shape), len(spec.shape) - 1}:
        raise DataError(
            f"{sample.where}: {spec.name!r} has shape {list(row.shape)} per sample, "
            f"but the model takes {shape_text(spec)}; the first axis of an array is the sample"
        )
    return row.ndim == len(spec.shape) - 1


def fit(specs: list[InputSpec], plan: Layout, sample: RawSample) -> dict[str, np.ndarray]:
    """Return the rows of `sample` in the model's element types.

    Raises:
        DataError: a shape, type or value that does not fit, with the sample and the input.
    """
    return {spec.name: _fit_row(spec, spec.name in plan.batched, sample) for spec in specs}


def _fit_row(spec: InputSpec, batched: bool, sample: RawSample) -> np.ndarray:
    row = sample.inputs[spec.name]
    dims = spec.shape[1:] if batched else spec.shape
    if row.ndim != len(dims) or any(
        isinstance(dim, int) and dim != size for dim, size in zip(dims, row.shape, strict=True)
    ):
        raise DataError(
            f"{sample.where}: {spec.name!r} has shape {list(row.shape)} per sample, but the model takes "
            f"{shape_text(spec)}"
        )
    if row.size == 0:
        raise DataError(f"{sample.where}: {spec.name!r} is empty (shape {list(row.shape)})")
    if row.dtype.kind == "f" and not np.isfinite(row).all():
        raise DataError(f"{sample.where}: {spec.name!r} holds NaN or infinity; clean the data first")
    return _cast(row, spec, sample.where)


def _cast(row: np.ndarray, spec: InputSpec, where: str) -> np.ndarray:
    """Convert where no value can change by more than rounding to single precision."""
    if row.dtype == spec.dtype:
        return row
    kinds = row.dtype.kind, spec.dtype.kind
    if kinds == ("f", "f") and spec.dtype.itemsize >= min(4, row.dtype.itemsize):
        with np.errstate(over="ignore"):
            cast = row.astype(spec.dtype)
        if np.isfinite(cast).all():
            return cast
    elif kinds[0] in "iu" and kinds[1] in "iu":
        limits = np.iinfo(spec.dtype)
        if int(row.min()) >= limits.min and int(row.max()) <= limits.max:
            return row.astype(spec.dtype)
    else:
        raise DataError(f"{where}: {spec.name!r} has type {row.dtype}, but the model takes {spec.dtype}; convert it")
    raise DataError(f"{where}: {spec.name!r} has values of type {row.dtype} that {spec.dtype} cannot hold")


def class_index(label: np.ndarray | None, where: str) -> int:
    """Return a class index.

    Raises:
        DataError: it is missing, no integer, or no single number.
    """
    if label is None:
        raise DataError(f"{where} has no label although others have; label all samples or none")
    if label.dtype.kind not in "iu" or label.ndim != 0:
        raise DataError(
            f"{where}: its label has type {label.dtype} and shape {list(label.shape)}; "
            "labels are class indices, one integer per sample"
        )
    return int(label)


def target_of(target: Target | None, kind: MetricKind, where: str) -> Target:
    """Return a target of the kind that the metric compares.

    Raises:
        DataError: it is missing, of another kind, empty, or holds NaN or infinity.
    """
    if target is None:
        raise DataError(f"{where} has no target although others have; give all samples one or none")
    if isinstance(target, str):
        if kind == "numbers":
            raise DataError(f"{where}: its target is a text, and the metric compares numbers; choose wer or cer")
        if not target.strip():
            raise DataError(f"{where}: its target is an empty text, against which no error rate is known")
        return target
    if kind == "texts":
        raise DataError(f"{where}: its target is no text, and the metric compares texts")
    if target.size == 0 or (target.dtype.kind == "f" and not np.isfinite(target).all()):
        raise DataError(f"{where}: its target is empty, or holds NaN or infinity; clean the data first")
    return target
