"""Data in canonical form: `data.json` and `part-NNNNN.npz` files, written once and read in bounded memory.

A part file holds samples of one part and one shape; `data.json` says which rows make which part, in the
order in which feeds are given out, and holds the labels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np
from pydantic import ValidationError

from ...contracts import Contract, DataRef, Part, ToolError
from .data_fit import Layout

INDEX_FILE = "data.json"
CHUNK_BYTES = 8 * 2**20
_CACHED_CHUNKS = 4


class DataIndex(Contract):
    """What `data.json` holds.

    Attributes:
        inputs: the model's inputs in order; array `i<k>` of a part file belongs to `inputs[k]`.
        batched: inputs whose rows lack the batch axis, `batch` rows are stacked into one feed.
        parts: part → [file, row] of each sample.
        labels: part → class index of each sample; empty without labels.
    """

    version: Literal[1] = 1
    inputs: tuple[str, ...]
    batched: tuple[str, ...]
    batch: int = 1
    parts: dict[Part, tuple[tuple[int, int], ...]]
    labels: dict[Part, tuple[int, ...]] = {}


def part_file(number: int) -> str:
    """Return the name of part file `number`."""
    return f"part-{number:05d}.npz"


class CanonicalWriter:
    """Writes canonical data, one part after the other.

    Args:
        folder: existing, empty folder.
        inputs: names of the model's inputs.
        plan: how rows become feeds.
    """

    def __init__(self, folder: Path, inputs: Sequence[str], plan: Layout) -> None:
        self._folder = folder
        self._inputs = tuple(inputs)
        self._plan = plan
        self._parts: dict[Part, tuple[tuple[int, int], ...]] = {}
        self._labels: dict[Part, tuple[int, ...]] = {}
        self._files = 0

    def add_part(self, part: Part, rows: Sequence[Mapping[str, np.ndarray]], labels: Sequence[int] | None) -> None:
        """Write one part; `rows` is read twice and may load its elements lazily."""
        by_shape: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for index, row in enumerate(rows):
            by_shape.setdefault(tuple(row[name].shape for name in self._inputs), []).append(index)
        places: dict[int, tuple[int, int]] = {}
        for indices in by_shape.values():
            for chunk in _chunks(indices, sum(array.nbytes for array in rows[indices[0]].values())):
                places |= {index: (self._files, position) for position, index in enumerate(chunk)}
                self._write(rows[index] for index in chunk)
        self._parts[part] = tuple(places[index] for index in range(len(rows)))
        if labels is not None:
            self._labels[part] = tuple(labels)

    def _write(self, rows: Iterable[Mapping[str, np.ndarray]]) -> None:
        columns: list[list[np.ndarray]] = [[] for _ in self._inputs]
        for row in rows:
            for column, name in zip(columns, self._inputs, strict=True):
                column.append(row[name])
        arrays: dict[str, Any] = {f"i{number}": np.stack(column) for number, column in enumerate(columns)}
        np.savez(self._folder / part_file(self._files), **arrays)
        self._files += 1

    def close(self) -> DataIndex:
        """Write `data.json` and return what it holds."""
        index = DataIndex(
            inputs=self._inputs,
            batched=self._plan.batched,
            batch=self._plan.batch,
            parts=self._parts,
            labels=self._labels,
        )
        (self._folder / INDEX_FILE).write_text(index.model_dump_json())
        return index


def _chunks(indices: Sequence[int], sample_bytes: int) -> Iterable[Sequence[int]]:
    size = max(1, CHUNK_BYTES // max(1, sample_bytes))
    return (indices[start : start + size] for start in range(0, len(indices), size))


class CanonicalData:
    """Canonical data, opened: the `DataView` that tools work with."""

    def __init__(self, folder: Path, ref: DataRef, index: DataIndex) -> None:
        self._folder = folder
        self._ref = ref
        self._index = index
        self._cache: OrderedDict[int, list[np.ndarray]] = OrderedDict()

    @property
    def ref(self) -> DataRef:
        return self._ref

    def feeds(self, part: str, limit: int | None = None) -> Sequence[Mapping[str, Any]]:
        """Return the feeds of one part, loaded when they are asked for; `limit` takes the first ones."""
        return _Feeds(self, self._places(part), self._index.batch, limit)

    def labels(self, part: str, limit: int | None = None) -> Any | None:
        """Return class indices aligned with `feeds`: one per feed, or one row of them where a feed is a batch."""
        self._places(part)
        labels = self._index.labels.get(cast(Part, part))
        if labels is None:
            return None
        batch = self._index.batch
        array = np.asarray(labels[: len(labels) // batch * batch], np.int64)
        return (array if batch == 1 else array.reshape(-1, batch))[:limit]

    def feed(self, places: Sequence[tuple[int, int]]) -> dict[str, np.ndarray]:
        """Assemble one feed from the rows at `places`."""
        index = self._index
        rows = [[array[row] for array in self._chunk(file)] for file, row in places]
        return {
            name: np.stack([row[number] for row in rows]) if name in index.batched else np.asarray(rows[0][number])
            for number, name in enumerate(index.inputs)
        }

    def _places(self, part: str) -> Sequence[tuple[int, int]]:
        if part not in self._index.parts:
            raise ToolError(f"the data have no part {part!r}; they have {', '.join(self._index.parts)}", "data")
        return self._index.parts[part]

    def _chunk(self, file: int) -> list[np.ndarray]:
        if file not in self._cache:
            with np.load(self._folder / part_file(file), allow_pickle=False) as archive:
                self._cache[file] = [archive[f"i{number}"] for number in range(len(self._index.inputs))]
            if len(self._cache) > _CACHED_CHUNKS:
                self._cache.popitem(last=False)
        self._cache.move_to_end(file)
        return self._cache[file]


class _Feeds(Sequence[Mapping[str, Any]]):
    """Feeds of one part, assembled at access."""

    def __init__(self, data: CanonicalData, places: Sequence[tuple[int, int]], batch: int, limit: int | None) -> None:
        self._data = data
        self._places = places
        self._batch = batch
        self._count = len(places) // batch if limit is None else min(limit, len(places) // batch)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(self._count))]
        position = range(self._count)[index] * self._batch
        return self._data.feed(self._places[position : position + self._batch])


def open_data(folder: Path, ref: DataRef) -> CanonicalData:
    """Open canonical data.

    Raises:
        ToolError: the folder holds no canonical data, or other data than `ref` says.
    """
    try:
        index = DataIndex.model_validate_json((folder / INDEX_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise ToolError(f"the data in {folder.name!r} are damaged: {str(error).splitlines()[0]}", "data") from error
    counts = {part: len(places) for part, places in index.parts.items()}
    if counts != ref.parts:
        raise ToolError(f"the data hold {counts}, not {ref.parts} as their reference says", "data")
    return CanonicalData(folder, ref, index)
