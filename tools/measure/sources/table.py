"""Read samples from a CSV table: one row a sample, its header naming the inputs.

A column named as an input holds one number of it; columns `NAME_0`, `NAME_1` … make a vector (or whatever fixed shape
the input has); where the model has one input and no column is named so, it takes all columns in their order. `label`
or `labels` is the class index, `target` or `targets` (or `target_0` …) what a regression should answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ....contracts import DataError
from ..synthesize import InputSpec, shape_text
from .rows import LABEL_COLUMNS, TARGET_COLUMNS, Row, answer, number, read_rows
from .sample import RawSample, Wanted

_NUMBERED = re.compile(r"^(.*)_(\d{1,6})$")


class _Columns(NamedTuple):
    """Which columns make which input, which answer alone, and which make a vector of targets."""

    inputs: dict[str, list[int]]
    answers: list[int]
    targets: list[int]


def read_table(path: Path, wanted: Wanted) -> Iterator[RawSample]:
    """Yield one sample per row.

    Raises:
        DataError: columns that do not fit the inputs, or a cell that is no number; names file, line and column.
    """
    header, rows = read_rows(path)
    columns = _assign(header, wanted, path.name)
    for row in rows:
        inputs = {spec.name: _values(row, columns.inputs[spec.name], spec, header) for spec in wanted.specs}
        label, target = answer(row, columns.answers, header, texts=wanted.texts)
        if columns.targets and target is None:
            target = np.array([number(row.cells[i], row.where, header[i]) for i in columns.targets])
        yield RawSample(inputs, label, row.where, target)


def _assign(header: list[str], wanted: Wanted, where: str) -> _Columns:
    names = set(wanted.names)
    answers = [i for i, name in enumerate(header) if name in (LABEL_COLUMNS | TARGET_COLUMNS) - names]
    targets = _numbered(header, "target") if "target" not in names else []
    free = [i for i in range(len(header)) if i not in answers and i not in targets]
    inputs = {name: [header.index(name)] if name in header else _numbered(header, name) for name in wanted.names}
    if len(names) == 1 and not any(inputs.values()):
        return _Columns(dict.fromkeys(names, free), answers, targets)
    if missing := next((name for name, found in inputs.items() if not found), None):
        raise DataError(f"{where} has no column {missing!r}, nor {missing}_0, {missing}_1 …; name them as the inputs")
    used = {i for found in inputs.values() for i in found}
    if unused := [header[i] for i in free if i not in used]:
        raise DataError(
            f"{where} has the column {unused[0][:80]!r}, which no input takes; inputs: {', '.join(wanted.names)}"
        )
    return _Columns(inputs, answers, targets)


def _numbered(header: list[str], name: str) -> list[int]:
    """Return the columns `name_0`, `name_1` … in the order of their numbers."""
    found = [
        (int(match[2]), i) for i, text in enumerate(header) if (match := _NUMBERED.match(text)) and match[1] == name
    ]
    return [i for _, i in sorted(found)]


def _values(row: Row, columns: list[int], spec: InputSpec, header: list[str]) -> np.ndarray:
    """Return one input of a row, in its shape without the batch axis."""
    values = np.array([number(row.cells[i], row.where, header[i]) for i in columns])
    if spec.dtype.kind in "iub":
        if uneven := next((i for i, value in zip(columns, values, strict=True) if not value.is_integer()), None):
            raise DataError(
                f"{row.where}, column {header[uneven]!r}: {row.cells[uneven][:40]!r} is no whole number, "
                f"which the model takes"
            )
        values = values.astype(bool if spec.dtype.kind == "b" else np.int64)
    dims = spec.shape[1:]
    free = [axis for axis, dim in enumerate(dims) if not isinstance(dim, int)]
    fixed = int(np.prod([dim for dim in dims if isinstance(dim, int)]))
    fits = fixed > 0 and len(values) % fixed == 0 if len(free) == 1 else not free and len(values) == fixed
    if not fits:
        raise DataError(f"{row.where}: {len(values)} columns for {spec.name!r}, but the model takes {shape_text(spec)}")
    return values.reshape([dim if isinstance(dim, int) else -1 for dim in dims])
