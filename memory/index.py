"""The vector index: an embedded Chroma collection that can be thrown away, because the ledger holds what it finds.

Chroma's files may be shared by processes only by turns, and what one of them has loaded does not follow what another
writes: a client that reads would miss additions, one that writes would lose them (both measured with Chroma 1.5). So
whoever writes opens a new client while it holds a lock; whoever reads keeps its client as a snapshot, knows up to
which change of the ledger it reaches, and takes what is newer from the ledger itself.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from filelock import FileLock, Timeout

from ..contracts import MachineError
from .faults import named

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

T = TypeVar("T")

PATIENCE_S = 60.0
# With a snapshot at hand that is only behind, nobody needs to wait for whoever is writing.
PATIENCE_WITH_SNAPSHOT_S = 0.2
_AT_ONCE = 500
_MARK = "mark.json"


class Damaged(Exception):
    """Chroma cannot work with its folder, or a process was killed while it wrote there."""


@dataclass(frozen=True)
class Mark:
    """Up to which change of which ledger an index reaches; not `sound` while somebody writes or loads it."""

    ledger: str
    change: int
    sound: bool = True


@dataclass(frozen=True)
class Entry:
    """What is indexed of an outcome: its id and its vector."""

    id: str
    vector: list[float]


@dataclass(frozen=True)
class Batch:
    """Some changes of the ledger, the last of which has the number `change`."""

    change: int
    added: Sequence[Entry]
    removed: Sequence[str]


# Changes after a number → batches in order, up to the latest.
Feed = Callable[[int], Iterable[Batch]]


class VectorIndex:
    """Finds ids by the cosine of their vectors. Threads share one, processes take turns.

    No server is started, no telemetry sent, no embedding model loaded.

    Args:
        path: folder of the index, made at the first use.
        version: of the vectors' meaning; indexes of earlier versions are removed when one of this is built.

    Attributes:
        lock: held by the thread that works with the index.
    """

    def __init__(self, path: Path, version: int) -> None:
        self._path = path
        self._version = version
        self._open: tuple[Client, Collection, Mark] | None = None
        self.lock = threading.RLock()

    @property
    def mark(self) -> Mark | None:
        """What the open snapshot reaches up to; None without one."""
        return self._open[2] if self._open else None

    def near(self, vector: list[float], limit: int) -> dict[str, float]:
        """Return id → cosine of about the `limit` nearest entries of the open snapshot.

        Raises:
            Damaged: Chroma cannot answer, as when another process removed its files.
        """
        if self._open is None:
            return {}
        with _telling():
            return _nearest(self._open[1], vector, limit)

    def refresh(self, ledger: str, feed: Feed, *, anew: bool = False) -> None:
        """Have the index on disk and the open snapshot reach what the ledger named `ledger` holds.

        Raises:
            MachineError: the folder cannot be written, or cannot be built anew, or is held by another process.
        """
        waits = PATIENCE_WITH_SNAPSHOT_S if self._open and self._open[2].ledger == ledger else PATIENCE_S
        with self.lock, named(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(self._path / "lock", timeout=waits):
                    self._refreshed(ledger, feed, anew)
            except Timeout as error:
                if self._open is None:
                    message = f"{self._path} is held by another process; wait for it, then run again"
                    raise MachineError(message) from error

    def close(self) -> None:
        """Let go of the snapshot."""
        with self.lock:
            if self._open is not None:
                client, self._open = self._open[0], None
                client.close()

    def _refreshed(self, ledger: str, feed: Feed, anew: bool) -> None:
        self.close()
        try:
            if not anew:
                return self._load(self._folder(), ledger, feed)
        except Damaged:
            self.close()
        try:
            return self._load(self._new_folder(ledger), ledger, feed)
        except Damaged as error:
            self.close()
            raise MachineError(f"{self._path} cannot be built anew: {error}; move it away and run again") from error

    def _load(self, folder: Path, ledger: str, feed: Feed) -> None:
        """Open the collection in `folder`, add what the ledger has since, and keep it as the snapshot.

        Loading damaged files may end the process, so the mark is only sound while nobody is at it.
        """
        mark = _read_mark(folder)
        if mark is None or not mark.sound or mark.ledger != ledger:
            raise Damaged("it was left unfinished, or belongs to another ledger")
        _write_mark(folder, Mark(ledger, mark.change, sound=False))
        with _telling():
            client, collection = _client(folder)
            self._open = client, collection, mark
            for batch in feed(mark.change):
                _apply(collection, batch)
                mark = Mark(ledger, batch.change)
            _nearest(collection, [1.0] * _length(collection), 1)
        self._open = client, collection, mark
        _write_mark(folder, mark)

    def _folders(self) -> list[Path]:
        return sorted(self._path.glob(f"outcomes-v{self._version}-*"))

    def _folder(self) -> Path:
        folders = self._folders()
        if not folders:
            raise Damaged("there is none yet")
        return folders[-1]

    def _new_folder(self, ledger: str) -> Path:
        """Return an empty folder. It has a new name: in one process, Chroma remembers a failure by name."""
        there = self._folders()
        generation = int(there[-1].name.rpartition("-")[2]) if there else 0
        for folder in (*there, *self._earlier()):
            _remove(folder)
        fresh = self._path / f"outcomes-v{self._version}-{generation + 1:06d}"
        fresh.mkdir(parents=True)
        _write_mark(fresh, Mark(ledger, 0))
        return fresh

    def _earlier(self) -> Iterator[Path]:
        """Yield the folders of indexes whose vectors had an earlier meaning."""
        for folder in self._path.glob("outcomes-v*-*"):
            version = folder.name.removeprefix("outcomes-v").partition("-")[0]
            if version.isdigit() and int(version) < self._version:
                yield folder


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _read_mark(folder: Path) -> Mark | None:
    try:
        found = json.loads((folder / _MARK).read_bytes())
        return Mark(ledger=str(found["ledger"]), change=int(found["change"]), sound=found["sound"] is True)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write_mark(folder: Path, mark: Mark) -> None:
    draft = folder / f"{_MARK}.{os.getpid()}"
    with draft.open("w") as file:
        json.dump(asdict(mark), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / _MARK)


def _client(folder: Path) -> tuple[Client, Collection]:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    collection = client.get_or_create_collection(
        "outcomes", embedding_function=None, configuration={"hnsw": {"space": "cosine", "ef_search": 200}}
    )
    return cast("Client", client), collection


@contextmanager
def _telling() -> Generator[None]:
    """Raise `Damaged` for what Chroma raises inside the block; its Rust half panics with an exception of its own."""
    from chromadb.errors import ChromaError

    try:
        yield
    except ChromaError as error:
        raise Damaged(str(error)) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise Damaged(str(error)) from error
        raise


def _apply(collection: Collection, batch: Batch) -> None:
    for removed in _chunks(batch.removed):
        collection.delete(ids=removed)
    for added in _chunks(batch.added):
        vectors: list[Sequence[float] | Sequence[int]] = [entry.vector for entry in added]
        collection.upsert(ids=[entry.id for entry in added], embeddings=vectors)


def _nearest(collection: Collection, vector: list[float], limit: int) -> dict[str, float]:
    vectors: list[Sequence[float] | Sequence[int]] = [vector]
    if not vector or limit < 1:
        return {}
    answer: Any = collection.query(query_embeddings=vectors, n_results=limit, include=["distances"])
    names: list[str] = answer["ids"][0]
    distances: list[float] = answer["distances"][0]
    near = {name: 1.0 - distance for name, distance in zip(names, distances, strict=True)}
    return {name: cosine for name, cosine in near.items() if math.isfinite(cosine)}


def _length(collection: Collection) -> int:
    """Return the length of the vectors, 0 as long as there are none."""
    first: Any = collection.get(limit=1, include=["embeddings"])["embeddings"]
    return len(first[0]) if first is not None and len(first) else 0


def _chunks(items: Sequence[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield list(items[start : start + _AT_ONCE])
