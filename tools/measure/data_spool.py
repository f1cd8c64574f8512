"""Keep samples on disk while they are read, so that they can be split without holding them in memory."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, overload

import numpy as np

from .data_split import Item

# Stands beside the inputs of a row; no input is called so, because names in ONNX are identifiers.
TARGET = "\0target"


@dataclass(frozen=True)
class _Record:
    """Where one sample lies in the spool: kind of row and number among its kind."""

    kind: int
    number: int


@dataclass(frozen=True)
class _Kind:
    """Samples of the same shapes share a file of rows of equal length."""

    layout: tuple[tuple[str, str, tuple[int, ...]], ...]
    path: Path

    @property
    def row_bytes(self) -> int:
        return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for _, dtype, shape in self.layout)


class Spool:
    """Samples on disk, with their digests and labels in memory. Gone when the context ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kinds: dict[tuple[tuple[str, str, tuple[int, ...]], ...], int] = {}
        self._list: list[_Kind] = []
        self._counts: list[int] = []
        self._records: list[_Record] = []
        self._items: list[Item] = []
        self._texts: list[str | None] = []

    def __enter__(self) -> Self:
        self._folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(
        self, rows: Mapping[str, np.ndarray], label: int | None = None, target: np.ndarray | str | None = None
    ) -> None:
        """Append one sample; its digest covers names, types, shapes and values of its inputs, not its answer."""
        digest = hashlib.sha256(repr(_signature(rows)).encode())
        for array in rows.values():
            digest.update(_content(array))
        self._items.append(Item(len(self._items), digest.hexdigest(), label))
        self._texts.append(target if isinstance(target, str) else None)
        self._append(rows if target is None or isinstance(target, str) else {**rows, TARGET: target})

    def _append(self, rows: Mapping[str, np.ndarray]) -> None:
        signature = _signature(rows)
        if signature not in self._kinds:
            self._kinds[signature] = len(self._list)
            self._list.append(_Kind(signature, self._folder / f"rows-{len(self._list)}"))
            self._counts.append(0)
        kind = self._kinds[signature]
        with self._list[kind].path.open("ab") as file:
            for array in rows.values():
                file.write(_content(array))
        self._records.append(_Record(kind, self._counts[kind]))
        self._counts[kind] += 1

    def items(self) -> list[Item]:
        """Return what the split needs to know of every sample, in the order in which they came."""
        return list(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def label(self, index: int) -> int | None:
        """Return the label of one sample."""
        return self._items[index].label

    def text(self, index: int) -> str | None:
        """Return the text that one sample should be answered by."""
        return self._texts[index]

    def labels(self, indices: Sequence[int]) -> list[int] | None:
        """Return the labels of some samples, or None when they have none."""
        labels = [self._items[index].label for index in indices]
        known = [label for label in labels if label is not None]
        return known if len(known) == len(labels) else None

    def texts(self, indices: Sequence[int]) -> list[str] | None:
        """Return the texts that some samples should be answered by, or None when they have none."""
        known = [text for index in indices if (text := self._texts[index]) is not None]
        return known if len(known) == len(indices) else None

    def rows(self, indices: Sequence[int]) -> Sequence[Mapping[str, np.ndarray]]:
        """Return some samples, read when they are asked for."""
        return _Rows(self, indices)

    def row(self, index: int) -> dict[str, np.ndarray]:
        """Read one sample; its target, where that is an array, stands under `TARGET`."""
        record = self._records[index]
        kind = self._list[record.kind]
        with kind.path.open("rb") as file:
            file.seek(record.number * kind.row_bytes)
            content = file.read(kind.row_bytes)
        rows: dict[str, np.ndarray] = {}
        start = 0
        for name, dtype, shape in kind.layout:
            count = int(np.prod(shape))
            rows[name] = np.frombuffer(content, dtype, count, start).reshape(shape)
            start += count * np.dtype(dtype).itemsize
        return rows


def _content(array: np.ndarray) -> memoryview:
    """Return the bytes of an array, without a copy where they lie in order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _signature(rows: Mapping[str, np.ndarray]) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
    return tuple((name, array.dtype.str, array.shape) for name, array in rows.items())


class _Rows(Sequence[Mapping[str, np.ndarray]]):
    """Samples of a spool in a given order."""

    def __init__(self, spool: Spool, indices: Sequence[int]) -> None:
        self._spool = spool
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, np.ndarray]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, np.ndarray]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, np.ndarray] | Sequence[Mapping[str, np.ndarray]]:
        if isinstance(index, slice):
            return _Rows(self._spool, self._indices[index])
        return self._spool.row(self._indices[index])
