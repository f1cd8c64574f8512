"""Outcome stores: what past runs found out, recalled by likeness."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..contracts import Outcome, Profile, Recalled, Request
from .fingerprint import VECTOR_VERSION, cosine, fingerprint, likeness
from .index import Batch, Damaged, Entry, VectorIndex
from .ledger import Ledger
from .outcome_form import Unreadable, read_outcome
from .outcome_log import Change, OutcomeLog

# Neighbours looked for for each that is returned, so that more than the vector can order those as similar as the last.
_BREADTH = 4
_AS_SIMILAR = 0.002
# Chroma's search is approximate and many models of a zoo look alike: of a model's own the latest are always looked at.
_OWN = 32
# From so many changes on that the index has not seen it is brought up to date; fewer are compared one by one.
_TAIL = 256


class NoOutcomeStore:
    """Implements `contracts.OutcomeStore` for runs that shall neither recall nor be remembered."""

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Forget at once."""

    def recall(self, profile: Profile, request: Request, model: str, hardware: str, limit: int = 24) -> list[Recalled]:
        """Return nothing."""
        return []

    def count(self) -> int:
        """Return 0."""
        return 0


class ChromaOutcomeStore:
    """Implements `contracts.OutcomeStore`: the ledger keeps outcomes, an embedded Chroma collection finds them.

    The collection holds nothing but ids and our own vectors. It is brought up to date when it is first used and when
    it is far behind, and built anew from the ledger when it is missing or damaged. All stores of a process that share
    a folder share what is open there, which stays open.

    Args:
        path: Chroma's folder, made at the first use.
        ledger: where outcomes are kept.

    Attributes:
        skipped: ids of outcomes in the ledger that could not be read.
    """

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self._log = ledger.outcomes
        self._index = _shared(path)
        self._newer = _Newer(self._log)
        self.skipped: set[str] = set()

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes; one of the same id is replaced.

        Raises:
            MachineError: the ledger cannot be written.
        """
        if outcomes:
            self._log.put(outcomes)

    def recall(self, profile: Profile, request: Request, model: str, hardware: str, limit: int = 24) -> list[Recalled]:
        """Return past outcomes, most similar first; of the equally similar, those of this model and machine first.

        Raises:
            MachineError: the ledger or the folder cannot be read or built anew.
        """
        ledger, latest = self._log.position()
        if not latest:
            return []
        vector = fingerprint(profile, request.target, request.constraints, request.objective)
        near = _nearest(self._near(vector, limit * _BREADTH, ledger, latest), limit)
        # Of many points at one place Chroma's search finds some; where all are asked for, all are looked at.
        own = self._log.where() if limit >= self.count() else self._log.of_model(model, _OWN)
        found = [_recalled(outcome, vector, model) for outcome in self._read([*near, *own])]
        return sorted(found, key=lambda item: _rank(item, hardware))[:limit]

    def count(self) -> int:
        """Return how many outcomes are kept."""
        return self._log.count()

    def rebuild(self) -> int:
        """Build the index anew from the ledger, and return how many outcomes it has."""
        ledger, _ = self._log.position()
        self.skipped.clear()
        self._index.refresh(ledger, self._feed, anew=True)
        return self.count() - len(self.skipped)

    def close(self) -> None:
        """Let go of what this process has open of the folder; the next recall opens it again."""
        self._index.close()

    def _near(self, vector: list[float], limit: int, ledger: str, latest: int) -> dict[str, float]:
        """Return id → cosine of the nearest outcomes of those that the index has seen, and of all that are newer."""
        with self._index.lock:
            mark = self._index.mark
            if mark is None or mark.ledger != ledger or not 0 <= latest - mark.change <= _TAIL:
                self._index.refresh(ledger, self._feed)
            try:
                indexed = self._index.near(vector, limit)
            except Damaged:
                indexed = self._opened_again(vector, limit, ledger)
            newer = self._newer.vectors(ledger, self._index.mark.change if self._index.mark else 0)
        found = {name: near for name, near in indexed.items() if name not in newer}
        return found | {name: cosine(vector, other) for name, other in newer.items() if other is not None}

    def _opened_again(self, vector: list[float], limit: int, ledger: str) -> dict[str, float]:
        """Return what is near where the snapshot is of no more use, as after another process built the index anew."""
        self._index.refresh(ledger, self._feed)
        try:
            return self._index.near(vector, limit)
        except Damaged:
            self._index.refresh(ledger, self._feed, anew=True)
        return self._index.near(vector, limit)

    def _feed(self, after: int) -> Iterator[Batch]:
        """Yield what the ledger has since its change `after`, for the index."""
        while changes := self._log.changes(after):
            read = {change.id: self._parsed(change.id, change.body) for change in changes if change.body is not None}
            added = [_entry(outcome) for outcome in read.values() if outcome is not None]
            kept = {entry.id for entry in added}
            after = changes[-1].number
            yield Batch(after, added, [change.id for change in changes if change.id not in kept])

    def _read(self, ids: Sequence[str]) -> list[Outcome]:
        """Return the outcomes of `ids` that are sound; what was kept may have been tampered with or be too old."""
        bodies = self._log.get(list(dict.fromkeys(ids)))
        parsed = (self._parsed(name, body) for name, body in bodies.items())
        return [outcome for outcome in parsed if outcome is not None]

    def _parsed(self, name: str, body: str) -> Outcome | None:
        outcome = parsed(name, body)
        if outcome is None:
            self.skipped.add(name)
        return outcome


def _nearest(near: dict[str, float], limit: int) -> list[str]:
    """Return the ids of the `limit` nearest, and of those that are as similar as the last of them."""
    ranked = sorted(near, key=lambda name: -near[name])[: limit * _BREADTH]
    last = near[ranked[:limit][-1]] if ranked else 0.0
    return [name for name in ranked if near[name] >= last - _AS_SIMILAR]


class _Newer:
    """The vectors of what the ledger has beyond an index; each is made once."""

    def __init__(self, log: OutcomeLog) -> None:
        self._log = log
        self._seen: tuple[str, int, int] = ("", 0, 0)
        self._vectors: dict[str, list[float] | None] = {}

    def vectors(self, ledger: str, after: int) -> dict[str, list[float] | None]:
        """Return id → vector of what changed after `after`, None for what is gone or of no use."""
        if self._seen[:2] != (ledger, after):
            self._seen, self._vectors = (ledger, after, after), {}
        while changes := self._log.changes(self._seen[2]):
            self._vectors |= {change.id: _vector(change) for change in changes}
            self._seen = ledger, after, changes[-1].number
        return self._vectors


def parsed(name: str, body: str) -> Outcome | None:
    """Return the outcome that is kept under `name`, or None where it is of no use."""
    try:
        outcome = read_outcome(body)
    except Unreadable:
        return None
    return outcome if outcome.id == name else None


def _vector(change: Change) -> list[float] | None:
    outcome = parsed(change.id, change.body) if change.body is not None else None
    return _fingerprint(outcome) if outcome else None


def _fingerprint(outcome: Outcome) -> list[float]:
    return fingerprint(outcome.profile, outcome.target, outcome.constraints, outcome.objective)


def _entry(outcome: Outcome) -> Entry:
    return Entry(outcome.id, _fingerprint(outcome))


def _recalled(outcome: Outcome, vector: list[float], model: str) -> Recalled:
    """Return an outcome with its likeness, compared exactly: what the index says is of 32 bits, and maybe of before."""
    other = _fingerprint(outcome)
    return Recalled(
        outcome=outcome,
        similarity=cosine(vector, other),
        likeness=likeness(vector, other),
        same_model=outcome.model == model,
    )


def _rank(item: Recalled, hardware: str) -> tuple[float, bool, bool, bool, bool, float, str]:
    outcome = item.outcome
    return (
        -round(item.similarity, 3),
        not item.same_model,
        outcome.hardware != hardware,
        outcome.verdict != "met",
        not outcome.delivered,
        -outcome.created,
        outcome.id,
    )


_indexes: dict[Path, VectorIndex] = {}
_indexes_lock = threading.Lock()


def _shared(path: Path) -> VectorIndex:
    """Return this process's index in a folder: two clients of one folder in a process would be one to Chroma."""
    with _indexes_lock:
        return _indexes.setdefault(path.absolute(), VectorIndex(path, VECTOR_VERSION))
