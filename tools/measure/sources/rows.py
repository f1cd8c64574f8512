"""Tables of text: rows with the place they stand at, read within limits, and the columns that answer."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ....contracts import DataError
from .sample import Target, first_line

LABEL_COLUMNS = frozenset({"label", "labels"})
TARGET_COLUMNS = frozenset({"target", "targets"})
MAX_COLUMNS = 100_000
MAX_CELL = 131_072


class Row(NamedTuple):
    """One row, and where it stands."""

    cells: list[str]
    where: str


def read_rows(path: Path) -> tuple[list[str], Iterator[Row]]:
    """Return the header of a CSV file and its rows, read as they are asked for.

    The separator is a tab or a semicolon where the header has one and no comma.

    Raises:
        DataError: no UTF-8, no header, a cell without end, or a row of another length; names file and line.
    """
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path.name} is empty; its first line names the columns")
    header = [cell.strip() for cell in first.cells]
    twice = next((name for name in header if header.count(name) > 1), None) if len(header) < 1000 else None
    if twice is not None or len(set(header)) < len(header):
        raise DataError(f"{path.name}, line 1: the column {(twice or '')[:80]!r} is there twice; name the columns")
    return header, _checked(rows, len(header))


def _checked(rows: Iterator[Row], count: int) -> Iterator[Row]:
    for row in rows:
        if not row.cells:
            continue
        if len(row.cells) != count:
            raise DataError(f"{row.where}: {len(row.cells)} columns, but the header names {count}")
        yield row


def _rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(MAX_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(_lines(file, path), delimiter=_separator(path), strict=True)
            for cells in reader:
                if len(cells) > MAX_COLUMNS:
                    raise DataError(f"{path.name}, line {reader.line_num}: more than {MAX_COLUMNS:,} columns")
                yield Row(cells, f"{path.name}, line {reader.line_num}")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 text; save it as UTF-8") from error
    except (csv.Error, OSError) as error:
        raise DataError(f"{path.name} cannot be read as CSV: {first_line(error)}") from error


def _lines(file: Any, path: Path) -> Iterator[str]:
    """Yield lines of bounded length: one without an end would be read into memory whole."""
    limit = 64 * 2**20
    while line := file.readline(limit):
        if len(line) >= limit:
            raise DataError(f"{path.name} has a line longer than {limit // 2**20} MiB")
        yield line


def _separator(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline(2**20)
    if "," in header:
        return ","
    return next((separator for separator in "\t;" if separator in header), ",")


def number(cell: str, where: str, column: str) -> float:
    """Return the number in a cell.

    Raises:
        DataError: it is none; names file, line and column.
    """
    text = cell.strip()
    try:
        if "_" in text:
            raise ValueError
        value = float(text)
    except ValueError as error:
        what = f"{text[:40]!r} is no number" if text else "it is empty"
        raise DataError(f"{where}, column {column[:80]!r}: {what}; every cell must hold one") from error
    if not math.isfinite(value):
        raise DataError(f"{where}, column {column[:80]!r}: {text[:40]!r} is no finite number; clean the data first")
    return value


def class_label(cell: str, where: str, column: str) -> np.ndarray:
    """Return the class index in a cell.

    Raises:
        DataError: it is no whole number; names file, line and column.
    """
    value = number(cell, where, column)
    if not value.is_integer() or abs(value) >= 2**53:
        raise DataError(f"{where}, column {column!r}: {cell.strip()[:40]!r} is no class index, which is a whole number")
    return np.asarray(int(value))


Answer = tuple[np.ndarray | None, Target | None]


def answer(row: Row, columns: Iterable[int], header: list[str], *, texts: bool) -> Answer:
    """Return (label, target) from the cells of the columns that answer."""
    label: np.ndarray | None = None
    target: Target | None = None
    for i in columns:
        name, cell = header[i], row.cells[i]
        if name in LABEL_COLUMNS:
            label = class_label(cell, row.where, name)
        else:
            target = cell if texts else np.asarray(number(cell, row.where, name))
    return label, target
