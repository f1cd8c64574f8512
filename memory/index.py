"""The vector index: an embedded Chroma collection that can be thrown away, because the ledger holds what it finds."""

from __future__ import annotations

import math
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from filelock import FileLock, Timeout

from ..contracts import MachineError
from .faults import named

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

T = TypeVar("T")

_PATIENCE_S = 60.0
_AT_ONCE = 500
_MODEL = "model"


class Damaged(Exception):
    """Chroma cannot work with its folder."""


@dataclass(frozen=True)
class Entry:
    """What is indexed of an outcome: its id, the artifact id of its model, its vector."""

    id: str
    model: str
    vector: list[float]


class VectorIndex:
    """Finds ids by the cosine of their vectors. Several processes take turns.

    No server is started, no telemetry sent, no embedding model loaded. The client lives as long as one call of `open`:
    one that stayed open would not see what other processes add.

    Args:
        path: folder of the index, made at the first use.
        name: of the collection; another name for vectors of another meaning.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name

    @contextmanager
    def open(self, *, anew: bool = False) -> Generator[OpenIndex]:
        """Yield the index to this process alone, in place of a damaged one if it is wanted `anew`.

        Raises:
            Damaged: Chroma cannot work with the folder.
            MachineError: the folder cannot be written, or another process holds it for long.
        """
        with named(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
            try:
                with self._lock(), _collection(self._folder(anew), self._name) as collection:
                    yield OpenIndex(collection)
            except Timeout as error:
                raise MachineError(f"{self._path} is held by another process; wait for it, then run again") from error

    def _lock(self) -> FileLock:
        return FileLock(self._path / "lock", timeout=_PATIENCE_S)

    def _folder(self, anew: bool) -> Path:
        """Return Chroma's folder. A new one has a new name: in one process, Chroma remembers a failure by name."""
        there = sorted(self._path.glob(f"{self._name}-*"))
        generation = int(there[-1].name.rpartition("-")[2]) if there else 0
        if anew:
            for folder in there:
                shutil.rmtree(folder, ignore_errors=True)
        return self._path / f"{self._name}-{generation + anew:06d}"


class OpenIndex:
    """The index while it is open."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def count(self) -> int:
        """Return how many entries there are."""
        return self._collection.count()

    def ids(self) -> set[str]:
        """Return the ids of all entries."""
        return set(self._collection.get(include=[])["ids"])

    def add(self, entries: Sequence[Entry]) -> None:
        """Add entries; one of the same id is replaced."""
        for chunk in _chunks(entries):
            vectors: list[Sequence[float] | Sequence[int]] = [entry.vector for entry in chunk]
            models: list[Mapping[str, Any]] = [{_MODEL: entry.model} for entry in chunk]
            self._collection.upsert(ids=[entry.id for entry in chunk], embeddings=vectors, metadatas=models)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove entries."""
        for chunk in _chunks(ids):
            self._collection.delete(ids=chunk)

    def near(self, vector: list[float], model: str, limit: int) -> dict[str, float]:
        """Return id → cosine of about the `limit` nearest entries, and of those of `model`.

        Chroma's search is approximate and many models of a zoo look alike, so a model's own entries are compared
        one by one.
        """
        if not self.count():
            return {}
        return self._nearest(vector, limit) | self._own(vector, model)

    def _nearest(self, vector: list[float], limit: int) -> dict[str, float]:
        vectors: list[Sequence[float] | Sequence[int]] = [vector]
        answer = self._collection.query(
            query_embeddings=vectors, n_results=min(limit, self.count()), include=["distances"]
        )
        distances = answer["distances"] or [[]]
        return {name: 1.0 - distance for name, distance in zip(answer["ids"][0], distances[0], strict=True)}

    def _own(self, vector: list[float], model: str) -> dict[str, float]:
        answer = self._collection.get(where={_MODEL: model}, limit=_AT_ONCE, include=["embeddings"])
        vectors = cast("Sequence[Sequence[float]]", answer["embeddings"])
        return {name: _cosine(vector, other) for name, other in zip(answer["ids"], vectors, strict=True)}


@contextmanager
def _collection(path: Path, name: str) -> Generator[Collection]:
    import chromadb
    from chromadb.api.client import Client
    from chromadb.config import Settings
    from chromadb.errors import ChromaError

    try:
        client = chromadb.PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))
        with closing(cast(Client, client)):
            yield client.get_or_create_collection(
                name, embedding_function=None, configuration={"hnsw": {"space": "cosine", "ef_search": 200}}
            )
    except ChromaError as error:
        raise Damaged(str(error)) from error


def _chunks(items: Sequence[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield list(items[start : start + _AT_ONCE])


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    product = sum(x * float(y) for x, y in zip(a, b, strict=True))
    return product / ((math.hypot(*a) * math.hypot(*map(float, b))) or 1.0)
