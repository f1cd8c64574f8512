"""Solve the choice of forms as a mixed integer programme.

One binary variable for each choice of each unit; a cost that depends on several choices has a variable of its own,
at least as large as each row of it demands (products of binaries linearised, as in McCormick 1976). The goal, a sum
of logarithms, is concave: it is replaced by its tangent at the last solution until nothing improves, which never
gets worse (majorisation, Hunter and Lange 2004). HiGHS solves each (through `scipy.optimize.milp`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .problem import Choice, Cost, Goal, Pick, Problem, Targets, Totals

TIME_LIMIT_S = 2.0
# Bounds the work by what does not depend on the machine; the time limit is for what this does not foresee.
NODE_LIMIT = 5_000
GAP = 1e-3
ROUNDS = 4
# Below this noise (80 dB) less of it is worth nothing.
NOISE_FLOOR = 1e-8
# A missing dB is 26 % more noise and, of 20 dB, 5 % of the target: shares of noise count a fifth.
NOISE_PER_SHARE = 5.0
# Size, time and noise: what may be missed.
MISSES = 3
# What a relaxed target is widened by, for rounding in the solver.
SLACK = 1e-6
# Beyond this, relative to the target, a choice is as good as forbidden; larger coefficients upset the solver.
MOST_NOISE = 1e4


@dataclass(frozen=True)
class Solution:
    """The index of a choice for each unit, what they take together, and how far from optimal they may be (0 to 1)."""

    chosen: tuple[int, ...]
    totals: Totals
    within: bool
    gap: float


@dataclass(frozen=True)
class _Answer:
    chosen: tuple[int, ...]
    violation: float
    gap: float


def solve(problem: Problem, targets: Targets, goal: Goal) -> Solution:
    """Return the best choice within `targets`, or the one whose shares by which it misses them add up to the least.

    Their sum, not the worst of them: where one target is out of reach, the others are still kept.
    """
    programme = _Programme(problem, targets)
    starts = _starts(problem, targets)
    first = programme.solve(_tangent(goal, starts[0]), 0.0)
    nearest = programme.nearest() if first is None else None
    violation = 0.0
    if first is None:
        violation = nearest.violation + SLACK if nearest else math.inf
    answers = [_descend(programme, goal, start, violation) for start in starts]
    found = [answer for answer in answers if answer is not None]
    if not found and nearest is not None:  # HiGHS may fail at a limit that only this one choice is within
        found = [nearest]
    if not found:
        return _left_alone(problem, targets)
    best = min(found, key=lambda answer: _value(goal, problem.totals(answer.chosen)))
    return Solution(best.chosen, problem.totals(best.chosen), first is not None, best.gap)


def _starts(problem: Problem, targets: Targets) -> list[Totals]:
    """Return points to take the first tangents at: the model as it is, and one half of it."""
    noise = targets.noise or NOISE_FLOOR
    return [Totals(problem.size, problem.us, noise), Totals(problem.size / 4, problem.us / 2, noise / 2)]


def _tangent(goal: Goal, at: Totals) -> Totals:
    """Return the slope of the goal in bytes, microseconds and noise."""
    return Totals(
        size=goal.size / max(at.size, 1.0), us=goal.us / max(at.us, 1e-3), noise=goal.noise / (at.noise + NOISE_FLOOR)
    )


def _value(goal: Goal, at: Totals) -> float:
    logs = math.log(max(at.size, 1.0)), math.log(max(at.us, 1e-3)), math.log(at.noise + NOISE_FLOOR)
    return goal.size * logs[0] + goal.us * logs[1] + goal.noise * logs[2]


def _descend(programme: _Programme, goal: Goal, start: Totals, violation: float) -> _Answer | None:
    best: _Answer | None = None
    at = start
    for _ in range(ROUNDS):
        answer = programme.solve(_tangent(goal, at), violation)
        if answer is None or (best is not None and answer.chosen == best.chosen):
            return best
        at, best = programme.problem.totals(answer.chosen), answer
    return best


def _left_alone(problem: Problem, targets: Targets) -> Solution:
    """Return the model as it is, for what the solver has no answer to."""
    chosen = (0,) * len(problem.units)
    totals = problem.totals(chosen)
    pairs = ((totals.size, targets.size), (totals.us, targets.us), (totals.noise, targets.noise))
    return Solution(chosen, totals, all(bound is None or value <= bound for value, bound in pairs), 1.0)


class _Programme:
    """The constraints of one problem under its targets; the last variables are the shares by which each is missed."""

    def __init__(self, problem: Problem, targets: Targets) -> None:
        from scipy.sparse import coo_array

        self.problem = problem
        self._places: dict[Pick, int] = {pick: at for at, pick in enumerate(problem.picks())}
        self._misses = len(self._places) + len(problem.costs)
        self._count = self._misses + MISSES
        self._rows = _Rows()
        self._structure()
        self._slopes = self._resources()
        for at, (name, bound, per_share) in enumerate(
            (("size", targets.size, 1.0), ("us", targets.us, 1.0), ("noise", targets.noise, NOISE_PER_SHARE))
        ):
            if bound is not None:
                self._bound(name, bound, self._misses + at, per_share)
        self._rows.add({self._misses + at: 1.0 for at in range(MISSES)}, 0.0, np.inf)
        values, where = self._rows.entries()
        self._matrix = coo_array((values, where), shape=(len(self._rows), self._count)).tocsr()

    def _structure(self) -> None:
        for index, unit in enumerate(self.problem.units):
            picks = {self._places[index, at]: 1.0 for at in range(len(unit.choices))}
            self._rows.add(picks, 1.0, 1.0)
        for need in self.problem.needs:
            self._rows.add({self._places[need.pick]: 1.0, **self._negative(need.any_of)}, -np.inf, 0.0)
        for at, cost in enumerate(self.problem.costs, len(self._places)):
            for pick, unless in cost.rows:
                self._rows.add({at: -1.0, self._places[pick]: 1.0, **self._negative(unless)}, -np.inf, 0.0)

    def _negative(self, picks: Iterable[Pick]) -> dict[int, float]:
        return {self._places[pick]: -1.0 for pick in picks}

    def _resources(self) -> dict[str, np.ndarray]:
        """Return what each variable adds to bytes, microseconds and noise."""
        choices = [self.problem.choice(pick) for pick in self._places]
        both: list[Choice | Cost] = [*choices, *self.problem.costs]
        no_misses = [0.0] * MISSES
        return {
            "size": np.array([*(each.size for each in both), *no_misses]),
            "us": np.array([*(each.us for each in both), *no_misses]),
            "noise": np.array([*(each.noise for each in choices), *([0.0] * len(self.problem.costs)), *no_misses]),
        }

    def _bound(self, name: str, bound: float, miss: int, per_share: float) -> None:
        """Add a row that keeps one total below `bound`, in shares of it."""
        base = {"size": self.problem.size, "us": self.problem.us, "noise": 0.0}[name]
        unit = max(abs(bound), 1e-30)
        shares = np.clip(self._slopes[name] / unit, -MOST_NOISE, MOST_NOISE)
        row = {at: float(share) for at, share in enumerate(shares) if abs(share) > 1e-9}
        self._rows.add({**row, miss: -per_share}, -np.inf, (bound - base) / unit)

    def solve(self, slope: Totals, violation: float) -> _Answer | None:
        """Return the choice of the least weighted total that misses targets by at most `violation` in all."""
        weights = {"size": slope.size, "us": slope.us, "noise": slope.noise}
        cost = sum((self._slopes[name] * weight for name, weight in weights.items()), np.zeros(self._count))
        return self._run(cost, violation)

    def nearest(self) -> _Answer | None:
        """Return the choice that misses the targets by the least in all."""
        cost = np.zeros(self._count)
        cost[self._misses :] = 1.0
        return self._run(cost, np.inf)

    def _run(self, cost: np.ndarray, violation: float) -> _Answer | None:
        from scipy import optimize

        # Its annotations say float where arrays are meant.
        solver: Any = optimize
        upper = np.ones(self._count)
        upper[self._misses :] = violation
        low, high = self._rows.limits()
        high[-1] = violation
        integral = np.zeros(self._count)
        integral[: len(self._places)] = 1
        result = solver.milp(
            cost,
            integrality=integral,
            bounds=solver.Bounds(np.zeros(self._count), upper),
            constraints=solver.LinearConstraint(self._matrix, low, high),
            options={"time_limit": TIME_LIMIT_S, "node_limit": NODE_LIMIT, "mip_rel_gap": GAP},
        )
        if result.x is None:
            return None
        gap = float(result.mip_gap) if result.mip_gap is not None else 0.0
        return _Answer(self._chosen(result.x), float(result.x[self._misses :].sum()), gap)

    def _chosen(self, values: np.ndarray) -> tuple[int, ...]:
        """Return the index of the choice that each unit has."""
        chosen = [0] * len(self.problem.units)
        for (unit, at), place in self._places.items():
            if values[place] > 0.5:
                chosen[unit] = at
        return tuple(chosen)


class _Rows:
    """Linear constraints, collected one by one."""

    def __init__(self) -> None:
        self._rows: list[Mapping[int, float]] = []
        self._low: list[float] = []
        self._high: list[float] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Mapping[int, float], low: float, high: float) -> None:
        """Keep the weighted sum of the variables in `row` between `low` and `high`."""
        self._rows.append(row)
        self._low.append(low)
        self._high.append(high)

    def entries(self) -> tuple[list[float], tuple[list[int], list[int]]]:
        """Return the values, and the row and column of each."""
        found = [(value, at, column) for at, row in enumerate(self._rows) for column, value in row.items()]
        return [value for value, _, _ in found], ([at for _, at, _ in found], [column for _, _, column in found])

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and the upper limits of all rows."""
        return np.array(self._low), np.array(self._high)
