"""Outcome stores: what past runs found out, recalled by likeness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from ..contracts import MachineError, Outcome, Profile, Recalled, Request
from .fingerprint import VECTOR_VERSION, fingerprint
from .index import Damaged, Entry, OpenIndex, VectorIndex
from .ledger import Ledger

T = TypeVar("T")

# What is recalled may have been written by somebody else; more than this is no outcome of ours.
_MAX_CHARS = 2**20
# Neighbours looked at for each that is returned, so that more than the vector can order the equally similar.
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
    """Implements `contracts.OutcomeStore`: the ledger keeps outcomes, an embedded Chroma collection finds them.

    The collection holds nothing but ids and our own vectors, and is built anew from the ledger when it is missing,
    behind or damaged.

    Args:
        path: Chroma's folder, made at the first use.
        ledger: where outcomes are kept.

    Attributes:
        skipped: ids of outcomes in the ledger that could not be read.
    """

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self._path = path
        self._log = ledger.outcomes
        self._index = VectorIndex(path, f"outcomes-v{VECTOR_VERSION}")
        self.skipped: set[str] = set()

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes; one of the same id is replaced.

        Raises:
            MachineError: the ledger or the folder cannot be written.
        """
        if outcomes:
            self._log.put(outcomes)
            self._with_index(outcomes, OpenIndex.count)

    def recall(self, profile: Profile, request: Request, model: str, hardware: str, limit: int = 8) -> list[Recalled]:
        """Return past outcomes, most similar first; of the equally similar, those of this model and machine first.

        Raises:
            MachineError: the ledger or the folder cannot be read or built anew.
        """
        if not self.count():
            return []
        vector = fingerprint(profile, request.target, request.constraints)
        near = self._with_index((), lambda index: index.near(vector, model, limit * _BREADTH))
        found = [
            Recalled(
                outcome=outcome, similarity=max(-1.0, min(1.0, near[outcome.id])), same_model=outcome.model == model
            )
            for outcome in self._read(list(near))
        ]
        return sorted(found, key=lambda item: _rank(item, hardware))[:limit]

    def count(self) -> int:
        """Return how many outcomes are kept."""
        return self._log.count()

    def _with_index(self, fresh: Sequence[Outcome], use: Callable[[OpenIndex], T]) -> T:
        """Index what is fresh in the ledger and use the index, or a new one where it is damaged."""
        try:
            with self._index.open() as index:
                return self._up_to_date(index, fresh, use)
        except Damaged:
            pass
        try:
            with self._index.open(anew=True) as index:
                return self._up_to_date(index, fresh, use)
        except Damaged as error:
            raise MachineError(f"{self._path} cannot be built anew: {error}; move it away and run again") from error

    def _up_to_date(self, index: OpenIndex, fresh: Sequence[Outcome], use: Callable[[OpenIndex], T]) -> T:
        """Make the index hold what the ledger holds, also after a crash between the two, and use it."""
        index.add(_entries(fresh))
        indexed, kept = index.ids(), self._log.ids()
        unindexed = [name for name in kept if name not in indexed and name not in self.skipped]
        index.add(_entries(self._read(unindexed)))
        index.remove(sorted(indexed.difference(kept)))
        return use(index)

    def _read(self, ids: Sequence[str]) -> list[Outcome]:
        """Return the outcomes of `ids` that are sound; what was kept may have been tampered with or be too old."""
        parsed = {name: _parse(name, body) for name, body in self._log.get(ids).items()}
        self.skipped |= {name for name, outcome in parsed.items() if outcome is None}
        return [outcome for outcome in parsed.values() if outcome is not None]


def _entries(outcomes: Sequence[Outcome]) -> list[Entry]:
    return [Entry(item.id, item.model, fingerprint(item.profile, item.target, item.constraints)) for item in outcomes]


def _parse(name: str, body: str) -> Outcome | None:
    if len(body) > _MAX_CHARS:
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
