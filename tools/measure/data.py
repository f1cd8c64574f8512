"""Data in canonical form: `data.json` and `part-NNNNN.npz` files, written once and read in bounded memory.

A part file holds samples of one part and one shape; `data.json` says which rows make which part, in the
order in which feeds are given out, and holds labels and texts; other targets stand beside the inputs.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, overload

import numpy as np
from pydantic import ValidationError

from ...contracts import Contract, DataRef, Part, ToolError
from .data_fit import Layout
from .data_spool import TARGET

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
        texts: part → text that answers each sample; empty where targets are no texts.
        targets: parts whose files hold what answers each sample, as array `t`.
        streams: part → lengths of the streams that follow each other in it; empty without fed-back state.
    """

    version: Literal[1] = 1
    inputs: tuple[str, ...]
    batched: tuple[str, ...]
    batch: int = 1
    parts: dict[Part, tuple[tuple[int, int], ...]]
    labels: dict[Part, tuple[int, ...]] = {}
    texts: dict[Part, tuple[str, ...]] = {}
    targets: tuple[Part, ...] = ()
    streams: dict[Part, tuple[int, ...]] = {}


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
        self._texts: dict[Part, tuple[str, ...]] = {}
        self._streams: dict[Part, tuple[int, ...]] = {}
        self._targets: list[Part] = []
        self._files = 0

    def add_part(
        self,
        part: Part,
        rows: Sequence[Mapping[str, np.ndarray]],
        labels: Sequence[int] | None = None,
        texts: Sequence[str] | None = None,
        streams: Sequence[int] | None = None,
    ) -> None:
        """Write one part; `rows` is read twice and may load its elements lazily."""
        by_shape: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for index, row in enumerate(rows):
            by_shape.setdefault(tuple(array.shape for array in row.values()), []).append(index)
        places: dict[int, tuple[int, int]] = {}
        for indices in by_shape.values():
            for chunk in _chunks(indices, sum(array.nbytes for array in rows[indices[0]].values())):
                places |= {index: (self._files, position) for position, index in enumerate(chunk)}
                self._write(rows[index] for index in chunk)
        if TARGET in rows[0]:
            self._targets.append(part)
        self._parts[part] = tuple(places[index] for index in range(len(rows)))
        if labels is not None:
            self._labels[part] = tuple(labels)
        if texts is not None:
            self._texts[part] = tuple(texts)
        if streams is not None:
            self._streams[part] = tuple(streams)

    def _write(self, rows: Iterable[Mapping[str, np.ndarray]]) -> None:
        columns: list[list[np.ndarray]] = [[] for _ in self._inputs]
        targets: list[np.ndarray] = []
        for row in rows:
            for column, name in zip(columns, self._inputs, strict=True):
                column.append(row[name])
            targets += [row[TARGET]] if TARGET in row else []
        arrays: dict[str, Any] = {f"i{number}": np.stack(column) for number, column in enumerate(columns)}
        if targets:
            arrays["t"] = np.stack(targets)
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
            texts=self._texts,
            targets=tuple(self._targets),
            streams=self._streams,
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

    def targets(self, part: str, limit: int | None = None) -> Sequence[Sequence[Any]] | None:
        """Return what answers each feed: arrays, loaded when they are asked for, or texts; one per row of the feed."""
        places, index = self._places(part), self._index
        texts = index.texts.get(cast(Part, part))
        if texts is not None:
            rows = [texts[start : start + index.batch] for start in range(0, len(texts), index.batch)]
            return rows[: len(self.feeds(part, limit))]
        return _Targets(self, places, index.batch, limit) if part in index.targets else None

    def starts(self, part: str, limit: int | None = None) -> Sequence[bool]:
        """Return for each feed whether a stream starts with it; without fed-back state every feed is its own."""
        count = len(self.feeds(part, limit))
        streams = self._index.streams.get(cast(Part, part))
        if streams is None:
            return [True] * count
        firsts = {0, *itertools.accumulate(streams)}
        return [position in firsts for position in range(count)]

    def target(self, place: tuple[int, int]) -> np.ndarray:
        """Return what answers the row at `place`."""
        file, row = place
        return np.asarray(self._chunk(file)[-1][row])

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
                names = [f"i{number}" for number in range(len(self._index.inputs))]
                self._cache[file] = [archive[name] for name in (*names, *(["t"] if "t" in archive else []))]
            if len(self._cache) > _CACHED_CHUNKS:
                self._cache.popitem(last=False)
        self._cache.move_to_end(file)
        return self._cache[file]


_Row = TypeVar("_Row")


class _Lazy(Sequence[_Row]):
    """What belongs to the feeds of one part, assembled at access."""

    def __init__(self, data: CanonicalData, places: Sequence[tuple[int, int]], batch: int, limit: int | None) -> None:
        self._data = data
        self._places = places
        self._batch = batch
        self._count = len(places) // batch if limit is None else min(limit, len(places) // batch)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> _Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_Row]: ...
    def __getitem__(self, index: int | slice) -> _Row | Sequence[_Row]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(self._count))]
        position = range(self._count)[index] * self._batch
        return self.assemble(self._data, self._places[position : position + self._batch])

    def assemble(self, data: CanonicalData, places: Sequence[tuple[int, int]]) -> _Row:
        """Return what belongs to the feed made of the rows at `places`."""
        raise NotImplementedError


class _Feeds(_Lazy[Mapping[str, Any]]):
    def assemble(self, data: CanonicalData, places: Sequence[tuple[int, int]]) -> Mapping[str, Any]:
        return data.feed(places)


class _Targets(_Lazy[Sequence[Any]]):
    def assemble(self, data: CanonicalData, places: Sequence[tuple[int, int]]) -> Sequence[Any]:
        return [data.target(place) for place in places]


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
