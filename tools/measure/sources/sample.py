"""What every source yields, what it is told of the model, and the limits it keeps to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from ....contracts import DataError, MissingExtraError, Preprocess
from ..synthesize import InputSpec

MAX_BYTES = 8 * 2**30
# Nobody waits for a source that never ends, and no disk holds it.
MAX_SAMPLES = 1_000_000
MAX_TEXT = 100_000
RESERVED = ("labels", "targets")

Target = np.ndarray | str


class RawSample(NamedTuple):
    """One sample as it came: rows by input name, its class index or target if any, where it stands, for messages.

    `once` holds inputs that are given as the model takes them, with no axis of samples: first states of a stream.
    """

    inputs: Mapping[str, np.ndarray]
    label: np.ndarray | None
    where: str
    target: Target | None = None
    once: Mapping[str, np.ndarray] = {}


@dataclass(frozen=True)
class Wanted:
    """What a source has to know of the model and of the request.

    Attributes:
        specs: the inputs that every sample gives.
        states: further inputs, fed back by the run: a source may give the first value of each.
        base: where relative paths and modules are looked for.
        texts: targets are texts, so a column of them is not read as numbers.
        notes: what a source decided by itself, for people; sources add to it.
    """

    specs: tuple[InputSpec, ...]
    states: tuple[InputSpec, ...] = ()
    base: Path = field(default_factory=Path.cwd)
    preprocess: Preprocess = field(default_factory=Preprocess)
    texts: bool = False
    notes: list[str] = field(default_factory=list[str])

    @classmethod
    def named(cls, names: Iterable[str], base: Path) -> Self:
        """Return what is wanted of a model of which no more than the names of its inputs is known: arrays."""
        return cls(tuple(InputSpec(name, np.dtype(np.float32), ()) for name in names), base=base)

    @property
    def names(self) -> list[str]:
        """Names of the inputs that every sample gives."""
        return [spec.name for spec in self.specs]

    def state_rank(self, name: str) -> int | None:
        """Return the rank of a state input, None where `name` is none."""
        return next((len(spec.shape) for spec in self.states if spec.name == name), None)


def check_names(found: set[str], wanted: Wanted, where: str) -> None:
    """Require exactly the model's inputs, besides first states, `labels` and `targets`.

    Raises:
        DataError: names what is missing and what is unknown.
    """
    names = wanted.names
    inputs = ", ".join(repr(name) for name in names)
    missing = [name for name in names if name not in found]
    known = {*names, *RESERVED, *(spec.name for spec in wanted.states)}
    unknown = sorted(found - known)
    if missing:
        raise DataError(f"{where} lacks {', '.join(map(repr, missing))}; name the arrays as the inputs: {inputs}")
    if unknown:
        raise DataError(f"{where} holds {', '.join(map(repr, unknown))}, which the model has not; inputs: {inputs}")


def bounded(samples: Iterable[RawSample], source: str) -> Iterator[RawSample]:
    """Yield samples as long as they keep to the limits of bytes, number and length of texts.

    Raises:
        DataError: they do not.
    """
    read = 0
    for index, sample in enumerate(samples):
        target = sample.target
        rows = [*sample.inputs.values(), *([target] if isinstance(target, np.ndarray) else [])]
        read += sum(row.nbytes for row in rows)
        if index >= MAX_SAMPLES or read > MAX_BYTES:
            raise DataError(
                f"{source} does not end: it gave more than {MAX_SAMPLES:,} samples or {MAX_BYTES:,} bytes; yield fewer"
            )
        if isinstance(target, str) and len(target) > MAX_TEXT:
            raise DataError(f"{sample.where}: its target has {len(target):,} characters, more than {MAX_TEXT:,}")
        yield sample


def as_target(value: Any, where: str) -> Target:
    """Return a target as a text or as numbers.

    Raises:
        DataError: it is neither.
    """
    array = np.asarray(value)
    if array.dtype.kind == "U" and array.ndim == 0:
        return str(array)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: its target has type {array.dtype}; give numbers, or one text per sample")
    return array


def missing_extra(what: str) -> MissingExtraError:
    """Return the error for a package that is not installed; `what` says which and for what."""
    return MissingExtraError(f'{what}: pip install "shipfit[data]"')


def first_line(error: BaseException) -> str:
    """Return what a library says about a fault, on one line, bounded."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def inside(folder: Path, files: Iterable[Path]) -> list[Path]:
    """Return `files`, sorted, when each lies in `folder`.

    Raises:
        DataError: one is a link that leads out.
    """
    root = folder.resolve()
    found = sorted(files)
    for path in found:
        if not path.resolve().is_relative_to(root):
            raise DataError(f"{folder.name}/{path.name} is a link that leads out of the folder; put the file there")
    return found
