"""Outcome stores: what past runs found out, recalled by likeness."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from filelock import FileLock, Timeout
from pydantic import ValidationError

from ..contracts import MachineError, Outcome, Profile, Recalled, Request
from .faults import named
from .fingerprint import VECTOR_VERSION, fingerprint
from .ledger import Ledger

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

T = TypeVar("T")

_COLLECTION = f"outcomes-v{VECTOR_VERSION}"
_AT_ONCE = 500
_PATIENCE_S = 60.0
# What is recalled was written by somebody else, perhaps; more than this is no outcome of ours.
_MAX_BYTES = 2**20
# Neighbours looked at for each that is returned, so that ties can be broken by more than the vector.
_BREADTH = 4


class NoOutcomeStore:
    """Implements `contracts.OutcomeStore` for runs that shall neither recall nor be remembered."""

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Forget at once."""

    def recall(self, profile: Profile, request: Request, model: str, hardware: str, limit: int = 8) -> list[Recalled]:
        """Return nothing."""
        return []

    def count(self) -> int:
        """Return 0."""
        return 0


class ChromaOutcomeStore:
    """Implements `contracts.OutcomeStore` with an embedded Chroma collection of our own vectors.

    The outcomes themselves are in the ledger; Chroma only finds them, and is built anew from the ledger when it is
    missing, behind or damaged. Several processes take turns. It starts no server, sends no telemetry, loads no
    embedding model.

    Args:
        path: Chroma's folder, made at the first use.
        ledger: where outcomes are kept.

    Attributes:
        skipped: ids of outcomes in the ledger that could not be read.
    """

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self._path = path
        self._ledger = ledger
        self.skipped: set[str] = set()

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes; one of the same id is replaced.

        Raises:
            MachineError: the ledger or the folder cannot be written.
        """
        if outcomes:
            self._ledger.outcomes.put(outcomes)
            self._search(outcomes, None)

    def recall(self, profile: Profile, request: Request, model: str, hardware: str, limit: int = 8) -> list[Recalled]:
        """Return past outcomes, most similar first; of the equally similar, those of this model and machine first.

        Raises:
            MachineError: the ledger or the folder cannot be read or built anew.
        """
        if not self.count():
            return []
        vector = fingerprint(profile, request.target, request.constraints)
        near = self._search((), _Question(vector, model, limit * _BREADTH))
        known = self._read(list(near))
        found = [
            Recalled(outcome=outcome, similarity=near[outcome.id], same_model=outcome.model == model)
            for outcome in known
        ]
        return sorted(found, key=lambda item: _rank(item, hardware))[:limit]

    def count(self) -> int:
        """Return how many outcomes are kept."""
        return self._ledger.outcomes.count()

    def _search(self, fresh: Sequence[Outcome], question: _Question | None) -> dict[str, float]:
        """Index `fresh`, and return id → similarity of the neighbours asked for; mend the index if need be."""
        try:
            with self._collection() as collection:
                return self._look(collection, fresh, question)
        except _Damaged:
            pass
        try:
            with self._collection(anew=True) as collection:
                return self._look(collection, (), question)
        except _Damaged as error:
            raise MachineError(f"{self._path} cannot be built anew: {error}; move it away and run again") from error

    def _look(self, collection: Collection, fresh: Sequence[Outcome], question: _Question | None) -> dict[str, float]:
        _index(collection, fresh)
        if collection.count() != self.count() - len(self.skipped):
            self._catch_up(collection)
        if question is None or not collection.count():
            return {}
        # The search is approximate, and many models of a zoo look alike: this model's own outcomes are asked for too.
        return _neighbours(collection, question) | _own(collection, question)

    def _catch_up(self, collection: Collection) -> None:
        """Make the index hold what the ledger holds."""
        there = set(collection.get(include=[])["ids"])
        kept = self._ledger.outcomes.ids()
        for chunk in _chunks([name for name in kept if name not in there]):
            _index(collection, self._read(chunk))
        for chunk in _chunks(sorted(there.difference(kept))):
            collection.delete(ids=chunk)

    def _read(self, ids: Sequence[str]) -> list[Outcome]:
        """Return the outcomes of `ids` that are sound; what was kept may have been tampered with or be too old."""
        read: list[Outcome] = []
        for name, body in self._ledger.outcomes.get(ids).items():
            outcome = _parse(name, body)
            if outcome is None:
                self.skipped.add(name)
            else:
                read.append(outcome)
        return read

    @contextmanager
    def _collection(self, anew: bool = False) -> Iterator[Collection]:
        """Yield the collection to this process alone, in place of a damaged one if it is wanted `anew`.

        The client is closed again: one that stays open would not see what other processes add.
        """
        lock = self._path / "lock"
        with named(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(lock, timeout=_PATIENCE_S), _open_collection(self._folder(anew)) as collection:
                    yield collection
            except Timeout as error:
                raise MachineError(f"{self._path} is held by another process; wait for it, then run again") from error

    def _folder(self, anew: bool) -> Path:
        """Return Chroma's folder. A new one has a new name: in one process, Chroma remembers a failure by name."""
        there = sorted(self._path.glob(f"{_COLLECTION}-*"))
        generation = int(there[-1].name.rpartition("-")[2]) if there else 0
        if anew:
            for folder in there:
                shutil.rmtree(folder, ignore_errors=True)
        return self._path / f"{_COLLECTION}-{generation + anew:06d}"


@dataclass(frozen=True)
class _Question:
    vector: list[float]
    model: str
    limit: int


class _Damaged(Exception):
    """Chroma cannot work with the folder."""


@contextmanager
def _open_collection(path: Path) -> Iterator[Collection]:
    import chromadb
    from chromadb.api.client import Client
    from chromadb.config import Settings
    from chromadb.errors import ChromaError

    try:
        client = chromadb.PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))
        with closing(cast(Client, client)):
            yield client.get_or_create_collection(
                _COLLECTION, embedding_function=None, configuration={"hnsw": {"space": "cosine", "ef_search": 200}}
            )
    except ChromaError as error:
        raise _Damaged(str(error)) from error


def _neighbours(collection: Collection, question: _Question) -> dict[str, float]:
    vectors: list[Sequence[float] | Sequence[int]] = [question.vector]
    wanted = min(question.limit, collection.count())
    answer = collection.query(query_embeddings=vectors, n_results=wanted, include=["distances"])
    distances = answer["distances"] or [[]]
    return {name: 1.0 - distance for name, distance in zip(answer["ids"][0], distances[0], strict=True)}


def _own(collection: Collection, question: _Question) -> dict[str, float]:
    answer = collection.get(where={"model": question.model}, limit=_AT_ONCE, include=["embeddings"])
    vectors = cast("Sequence[Sequence[float]]", answer["embeddings"])
    return {name: _cosine(question.vector, vector) for name, vector in zip(answer["ids"], vectors, strict=True)}


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    product = sum(x * float(y) for x, y in zip(a, b, strict=True))
    return product / ((math.hypot(*a) * math.hypot(*map(float, b))) or 1.0)


def _index(collection: Collection, outcomes: Sequence[Outcome]) -> None:
    for chunk in _chunks(outcomes):
        vectors: list[Sequence[float] | Sequence[int]] = [
            fingerprint(item.profile, item.target, item.constraints) for item in chunk
        ]
        models: list[Mapping[str, Any]] = [{"model": item.model} for item in chunk]
        collection.upsert(ids=[item.id for item in chunk], embeddings=vectors, metadatas=models)


def _chunks(items: Sequence[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield list(items[start : start + _AT_ONCE])


def _parse(name: str, body: str) -> Outcome | None:
    if len(body) > _MAX_BYTES:
        return None
    try:
        outcome = Outcome.model_validate_json(body)
    except ValidationError:
        return None
    return outcome if outcome.id == name else None


def _rank(item: Recalled, hardware: str) -> tuple[float, bool, bool, bool, bool, float]:
    outcome = item.outcome
    return (
        -round(item.similarity, 3),
        not item.same_model,
        outcome.hardware != hardware,
        outcome.verdict != "met",
        not outcome.delivered,
        -outcome.created,
    )
