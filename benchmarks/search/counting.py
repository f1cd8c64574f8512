"""Count what policies reached: which share of the cases within how many attempts, CPU seconds and sample runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from pydantic import BaseModel
from trials import Trial

BUDGETS = (1, 2, 3, 4, 5, 6)
# A case that was never met took more attempts than there are; for a median it is enough that they are more.
NEVER = math.inf
_DRAWS = 2000


class Share(BaseModel):
    """A share of the runs that met everything, with its 95 % interval over cases and seeds."""

    value: float
    low: float
    high: float


class Arm(BaseModel):
    """What one policy reached, with or without memory.

    Attributes:
        runs: how many there were: cases × seeds.
        within: share met within 1, 2, … attempts.
        median_attempts: to the first success; None where less than half of the runs had one.
        cpu_s, sample_runs: median until the first success, or until the budget was spent.
    """

    policy: str
    memory: bool
    runs: int
    within: list[Share]
    median_attempts: float | None
    cpu_s: float
    sample_runs: float

    @property
    def name(self) -> str:
        """How it is called on the page."""
        return f"{self.policy}, memory" if self.memory else self.policy


def feasible(known: Iterable[Trial]) -> set[tuple[str, int]]:
    """Return the pairs of case and seed that the known plan met."""
    return {(trial.case, trial.seed) for trial in known if trial.met_within(1)}


def arms(trials: Sequence[Trial], among: set[tuple[str, int]]) -> list[Arm]:
    """Return the arms in the order in which they first appear, over the cases in `among` alone."""
    counted = [trial for trial in trials if (trial.case, trial.seed) in among]
    names = dict.fromkeys((trial.policy, trial.memory) for trial in counted)
    return [arm([trial for trial in counted if (trial.policy, trial.memory) == name]) for name in names]


def arm(trials: Sequence[Trial]) -> Arm:
    """Return what the runs of one policy come to."""
    first = [trial.first_met or NEVER for trial in trials]
    middle = statistics.median_high(first)
    return Arm(
        policy=trials[0].policy,
        memory=trials[0].memory,
        runs=len(trials),
        within=[share(trials, lambda trial, most=budget: trial.met_within(most)) for budget in BUDGETS],
        median_attempts=None if math.isinf(middle) else middle,
        cpu_s=statistics.median(cpu_s(trial) for trial in trials),
        sample_runs=statistics.median(sample_runs(trial) for trial in trials),
    )


def cpu_s(trial: Trial) -> float:
    """Return the CPU seconds of a run's attempts; none comes after the first success."""
    return sum(each.cpu_s for each in trial.attempts)


def sample_runs(trial: Trial) -> int:
    """Return how often a run had a model answer a sample."""
    return sum(each.sample_runs for each in trial.attempts)


def share(trials: Sequence[Trial], is_met: Callable[[Trial], bool]) -> Share:
    """Return the share of runs that are met.

    The interval is a bootstrap that draws cases, and of each case drawn its seeds: what another choice of cases and
    another luck would have given.
    """
    by_case: dict[str, list[float]] = {}
    for trial in trials:
        by_case.setdefault(trial.case, []).append(float(is_met(trial)))
    low, high = np.percentile(_draws(list(by_case.values())), [2.5, 97.5])
    return Share(value=float(np.mean([met for each in by_case.values() for met in each])), low=low, high=high)


def _draws(cases: Sequence[Sequence[float]]) -> np.ndarray:
    """Return means of as many cases, drawn with replacement, each with as many of its own seeds drawn likewise."""
    seeds = np.array([len(each) for each in cases])
    table = np.zeros((len(cases), seeds.max()))
    for row, each in zip(table, cases, strict=True):
        row[: len(each)] = each
    rng = np.random.default_rng(0)
    chosen = rng.integers(len(cases), size=(_DRAWS, len(cases), 1))
    drawn = (rng.random((_DRAWS, len(cases), seeds.max())) * seeds[chosen]).astype(int)
    return np.asarray(table[chosen, drawn].mean((1, 2)))


def ahead(first: Arm, second: Arm) -> list[int]:
    """Return the budgets at which `first` has met a greater share of the same runs than `second`.

    Where both have met everything, nobody can be ahead; that counts as held.
    """
    pairs = zip(BUDGETS, first.within, second.within, strict=True)
    return [budget for budget, ours, theirs in pairs if ours.value > theirs.value or ours.value == theirs.value == 1.0]


def worse_with_memory(trials: Sequence[Trial], name: str) -> list[tuple[str, int]]:
    """Return the runs (case, seed) that took more attempts with memory than without."""
    first = {
        (trial.memory, trial.case, trial.seed): trial.first_met or NEVER for trial in trials if trial.policy == name
    }
    return [
        (case, seed)
        for (memory, case, seed), took in first.items()
        if memory and took > first.get((False, case, seed), NEVER)
    ]


def within_cost(trials: Sequence[Trial], cost: Callable[[Trial], float], limits: Sequence[float]) -> list[float]:
    """Return the share of runs that met everything at a cost of at most each limit."""
    spent = [cost(trial) if trial.first_met else NEVER for trial in trials]
    return [sum(each <= limit for each in spent) / len(spent) for limit in limits]
