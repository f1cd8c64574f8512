"""Memory as people look after it: what is kept, what is similar to a case, what is taken in, given out or forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ..contracts import Contract, Executor, Outcome, Plan, Policy, Profile, Recalled, Request, RequestError, Settings
from ..memory.exchange import Imported, export_lines, import_lines
from ..memory.fingerprint import VECTOR_VERSION
from ..memory.ledger import Ledger
from ..memory.outcome_form import Unreadable, read_outcome
from ..memory.outcome_log import Kept
from ..memory.outcomes import ChromaOutcomeStore
from .dry_run import foresee
from .search.experience import forms_of


class Remembered(Contract):
    """An outcome as it is kept.

    Attributes:
        origin: the file it was imported from; empty where it was measured by this installation.
        outcome: what it says, None where it cannot be read; `damage` then says why.
        forms: what its plan did to which kind of operator.
    """

    id: str
    run: str
    created: float
    model: str
    origin: str
    outcome: Outcome | None = None
    damage: str = ""
    forms: tuple[str, ...] = ()


class Found(Contract):
    """What a run would recall for a model, the most similar first, and the plan that it would try first."""

    profile: Profile
    recalled: tuple[Recalled, ...]
    first: Plan | None


class MemoryStats(Contract):
    """What memory holds.

    Attributes:
        verdicts: verdict → how many outcomes.
        foreign: how many were imported.
        damaged: how many cannot be read; `damages` says why of the first ten, by id.
        vector_version: of the vectors; `index_bytes` what the index takes on disk, 0 before it was needed.
    """

    outcomes: int
    runs: int
    models: int
    verdicts: dict[str, int]
    foreign: int
    damaged: int
    damages: dict[str, str]
    oldest: float | None
    newest: float | None
    vector_version: int
    index_bytes: int


class Recollection:
    """Memory of one installation. Only searching and rebuilding load the vector index."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._log = ledger.outcomes

    def latest(
        self, limit: int, *, run: str | None = None, model: str | None = None, verdict: str | None = None
    ) -> list[Remembered]:
        """Return the latest outcomes, damaged ones with what is wrong with them."""
        found: list[Remembered] = []
        for kept in self._log.latest():
            if not (kept.run.startswith(run or "") and kept.model.startswith(model or "")):
                continue
            item = _remembered(kept)
            if verdict is None or (item.outcome is not None and item.outcome.verdict == verdict):
                found.append(item)
            if len(found) >= limit:
                break
        return found

    def show(self, name: str) -> Remembered:
        """Return the outcome whose id begins with `name`.

        Raises:
            RequestError: there is none, or more than one.
        """
        found = self._log.named(name)
        if len(found) != 1 or not name:
            which = "several outcomes have an id that begins so" if len(found) > 1 else "no outcome has this id"
            raise RequestError(f"{which}: {name!r}; `shipfit memory list` shows ids")
        return _remembered(found[0])

    def search(self, request: Request, executor: Executor, policy: Policy, limit: int) -> Found:
        """Return what a run of `request` would recall; nothing is kept."""
        seen = foresee(request, self._settings, self._ledger, executor, limit)
        return Found(profile=seen.state.profile, recalled=seen.state.recalled, first=policy.propose(seen.state))

    def export_lines(self) -> Iterator[str]:
        """Yield every outcome that can be read as one line of JSON."""
        return export_lines(self._log)

    def import_lines(self, file: BinaryIO, origin: str) -> Imported:
        """Keep the outcomes of JSON lines that are sound and not known yet, marked as coming from `origin`."""
        return import_lines(file, self._log, origin)

    def forget(self, *, ids: Sequence[str] = (), run: str | None = None, model: str | None = None) -> int:
        """Drop outcomes by the beginnings of their ids, or those whose run and model begin so; return how many.

        Raises:
            RequestError: an id fits none, or more than one.
        """
        names = [self.show(name).id for name in ids]
        if run or model:
            names += self._log.where(run=run, model=model)
        return self._log.forget(list(dict.fromkeys(names)))

    def forget_all(self) -> int:
        """Drop everything."""
        return self._log.forget(self._log.where())

    def rebuild(self) -> tuple[int, dict[str, str]]:
        """Build the index anew; return how many outcomes it has, and id → why of those that cannot be read."""
        store = ChromaOutcomeStore(self._settings.outcomes, self._ledger)
        indexed = store.rebuild()
        bodies = self._log.get(sorted(store.skipped))
        return indexed, {name: _read(name, body)[1] for name, body in bodies.items()}

    def stats(self) -> MemoryStats:
        """Return what memory holds, everything read once."""
        verdicts: Counter[str] = Counter()
        damages: dict[str, str] = {}
        runs: set[str] = set()
        models: set[str] = set()
        times: list[float] = []
        foreign = damaged = 0
        for kept in self._log.latest():
            outcome, damage = _read(kept.id, kept.body)
            runs.add(kept.run)
            models.add(kept.model)
            times.append(kept.created)
            foreign += bool(kept.origin)
            if outcome is not None:
                verdicts[outcome.verdict] += 1
                continue
            damaged += 1
            if len(damages) < 10:
                damages[kept.id] = damage
        return MemoryStats(
            outcomes=len(times), runs=len(runs), models=len(models), verdicts=dict(sorted(verdicts.items())),
            foreign=foreign, damaged=damaged, damages=damages, oldest=min(times, default=None),
            newest=max(times, default=None), vector_version=VECTOR_VERSION, index_bytes=_bytes(self._settings.outcomes),
        )  # fmt: skip


def _remembered(kept: Kept) -> Remembered:
    outcome, damage = _read(kept.id, kept.body)
    forms = tuple(sorted(forms_of(outcome.plan))) if outcome else ()
    return Remembered(
        id=kept.id, run=kept.run, created=kept.created, model=kept.model, origin=kept.origin, outcome=outcome,
        damage=damage, forms=forms,
    )  # fmt: skip


def _read(name: str, body: str) -> tuple[Outcome | None, str]:
    try:
        outcome = read_outcome(body)
    except Unreadable as error:
        return None, str(error)
    return (outcome, "") if outcome.id == name else (None, f"it says that its id is {outcome.id!r}")


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
