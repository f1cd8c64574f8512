"""One case with one policy: a whole run of shipfit, ended with its first success or its last attempt."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

from asked import BUDGET, Case
from places import folder_of
from policies import Known, policy
from pydantic import BaseModel, ConfigDict
from record import RecordedExecutor

from shipfit.agents.service import Service
from shipfit.contracts import Attempt, AttemptFinished, Interrupted, Plan, Policy, PolicyState, Settings

# What the trials of plans that show cases to be feasible have as their policy.
KNOWN = "known"


class Tried(BaseModel):
    """One attempt, as far as it counts here."""

    model_config = ConfigDict(frozen=True)

    verdict: Literal["met", "not_met", "inconclusive", "failed"]
    reason: str
    levers: str
    size_ratio: float | None = None
    speedup: float | None = None
    drop: float | None = None
    fidelity_db: float | None = None
    cpu_s: float = 0.0
    sample_runs: int = 0
    proposer: str = "policy"


class Trial(BaseModel):
    """One run.

    Attributes:
        attempts: in order; none comes after the first that met everything.
        product: what the last attempt made, if it met everything; below the products' folder.
    """

    model_config = ConfigDict(frozen=True)

    case: str
    policy: str
    memory: bool
    seed: int
    attempts: tuple[Tried, ...]
    product: str | None = None

    @property
    def first_met(self) -> int | None:
        """The number of the attempt that met everything, counted from 1."""
        return next((number for number, each in enumerate(self.attempts, 1) if each.verdict == "met"), None)

    def met_within(self, budget: int) -> bool:
        """Tell whether everything was met in at most `budget` attempts."""
        return self.first_met is not None and self.first_met <= budget


class UntilMet:
    """Ends a search with its first success: what it may gain after that is not asked here."""

    def __init__(self, inner: Policy) -> None:
        self._inner = inner

    def propose(self, state: PolicyState) -> Plan | None:
        """Return what `inner` proposes while nothing is met."""
        if any(attempt.verdict.kind == "met" for attempt in state.attempts):
            return None
        return self._inner.propose(state)


class Bench:
    """Where trials run: the record that they share, and the folder that keeps what they met."""

    def __init__(self, record: Path, products: Path, probe: Path) -> None:
        self.record, self.products, self.probe = record, products, probe

    def known(self, case: Case, seed: int) -> Trial:
        """Try the plan that shows a case to be feasible."""
        return self.chosen(case, KNOWN, Known(case.known), seed)

    def chosen(self, case: Case, name: str, chosen: Policy, seed: int) -> Trial:
        """Run a case with a policy that is at hand, which remembers nothing."""
        with tempfile.TemporaryDirectory(prefix="shipfit-search-") as home:
            return self._trial(case, name, chosen, seed, Path(home), memory=False)

    def trial(self, case: Case, name: str, seed: int, home: Path | None = None, model: Path | None = None) -> Trial:
        """Run a case with a policy; with a home, what was learned in it before is remembered, and this run too.

        With `model`, that file takes the place of the case's own.
        """
        if home is not None:
            chosen = policy(name, case.model, seed, memory=True)
            return self._trial(case, name, chosen, seed, home, memory=True, model=model)
        with tempfile.TemporaryDirectory(prefix="shipfit-search-") as fresh:
            return self._trial(
                case, name, policy(name, case.model, seed, memory=False), seed, Path(fresh), memory=False
            )

    def _trial(
        self, case: Case, name: str, chosen: Policy, seed: int, home: Path, *, memory: bool, model: Path | None = None
    ) -> Trial:
        folder = folder_of(case.model)
        request = case.request(model or folder / "model.onnx", folder / "data.npz", seed, memory=memory)
        executor = RecordedExecutor(self.record)
        settings = Settings(home=home, host_probe=self.probe)
        service = Service(settings, executor, UntilMet(chosen), alone=False)
        attempts = _attempts(service, service.start(request), to_the_end=memory)
        met = [attempt for attempt in attempts if attempt.verdict.kind == "met"]
        product = self._keep(service, case, met[0]) if met else None
        tried = tuple(map(_tried, attempts))
        return Trial(case=case.name, policy=name, memory=memory, seed=seed, attempts=tried, product=product)

    def _keep(self, service: Service, case: Case, met: Attempt) -> str:
        """Keep a met candidate, once for all who made the same of the same model, and return where."""
        assert met.candidate is not None
        name = f"{case.model}/{met.candidate.id[:16]}"
        target = self.products / name
        if not target.exists():
            shutil.copytree(service.store.path(met.candidate), target)
        return name


def _attempts(service: Service, run: str, *, to_the_end: bool) -> list[Attempt]:
    """Return the attempts of a run, which is ended with the first success or the last of the budget.

    Only what shall be remembered is concluded: that costs jobs, and adds no attempt.
    """
    found: list[Attempt] = []
    events = service.events(run)
    for event in events:
        if isinstance(event, AttemptFinished):
            found.append(event.attempt)
            is_last = event.attempt.verdict.kind == "met" or len(found) == BUDGET
            if is_last and not to_the_end:
                break
    with suppress(Interrupted):
        events.close()
    return found


def _tried(attempt: Attempt) -> Tried:
    comparison = attempt.comparison
    delta = comparison.accuracy_delta if comparison else None
    return Tried(
        verdict=attempt.verdict.kind,
        reason=attempt.verdict.reason,
        levers=describe(attempt.plan),
        size_ratio=comparison.size_ratio.value if comparison else None,
        speedup=comparison.speedup.value if comparison and comparison.speedup else None,
        drop=-delta.value if delta else None,
        fidelity_db=comparison.fidelity.value if comparison and comparison.fidelity else None,
        cpu_s=attempt.cpu_s,
        sample_runs=attempt.sample_runs,
        proposer=attempt.plan.proposer,
    )


def describe(plan: Plan) -> str:
    """Return a plan in one short line."""
    lever = plan.quantize
    parts = ["passes"] if plan.graph else []
    if plan.prune:
        parts.append(f"prune {plan.prune.ratio or plan.prune.threshold}")
    if lever is not None:
        forms = [f"{op_type} {'/'.join(each)}" for op_type, each in lever.offered.items()]
        parts += [*forms, *([f"stored {lever.storage}"] if lever.storage != "none" else [])]
        parts += [lever.calibration] if "static" in lever.forms and lever.calibration != "minmax" else []
        parts += [f"by unit, {lever.min_fidelity_db:g} dB"] if lever.mixture and lever.min_fidelity_db else []
        parts += list(lever.recovery)
    return ", ".join(parts) or "nothing"
