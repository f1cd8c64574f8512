"""A choice of one form for each unit: what every choice costs, and what choices cost together.

Noise powers of units add up (independent rounding errors at the output), bytes add up, and time adds up once the
changes of form between neighbours are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Pick = tuple[int, int]  # index of a unit, index of one of its choices


@dataclass(frozen=True)
class Choice:
    """One form of one unit.

    Attributes:
        noise: power of the error at the output relative to the output's own power.
        us: microseconds of a call, relative to those of the unit's first choice.
        size: bytes in the file, relative to those of the unit's first choice.
    """

    form: str
    noise: float = 0.0
    us: float = 0.0
    size: float = 0.0


@dataclass(frozen=True)
class Unit:
    """A node or an initializer; its first choice is to leave it as it is."""

    name: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Cost:
    """What is paid once as soon as, in any of the rows, the first pick is made and none of the others.

    A change of form along an edge is a row of two; an integer copy of a weight that several nodes read has a row for
    each of them.
    """

    rows: tuple[tuple[Pick, tuple[Pick, ...]], ...]
    us: float = 0.0
    size: float = 0.0


@dataclass(frozen=True)
class Need:
    """A pick that may be made only with one of others, such as a weight that is dropped because its reader holds it."""

    pick: Pick
    any_of: tuple[Pick, ...]


@dataclass(frozen=True)
class Problem:
    """Units with their choices; `size` and `us` are what the model takes with every first choice."""

    units: tuple[Unit, ...]
    size: float
    us: float
    costs: tuple[Cost, ...] = ()
    needs: tuple[Need, ...] = ()

    def picks(self) -> Iterator[Pick]:
        """Yield every choice of every unit, in their order."""
        for index, unit in enumerate(self.units):
            yield from ((index, at) for at in range(len(unit.choices)))

    def choice(self, pick: Pick) -> Choice:
        """Return the choice that `pick` names."""
        return self.units[pick[0]].choices[pick[1]]

    def totals(self, chosen: Sequence[int]) -> Totals:
        """Return what the choices take together, `chosen` having the index of one for each unit."""
        made = set(enumerate(chosen))
        choices = [self.choice(pick) for pick in sorted(made)]
        paid = [cost for cost in self.costs if _is_paid(cost.rows, made)]
        both: list[Choice | Cost] = [*choices, *paid]
        return Totals(
            size=self.size + _total(each.size for each in both),
            us=self.us + _total(each.us for each in both),
            noise=_total(each.noise for each in choices),
        )

    def allows(self, chosen: Sequence[int]) -> bool:
        """Tell whether every need is fulfilled."""
        made = set(enumerate(chosen))
        return all(need.pick not in made or not made.isdisjoint(need.any_of) for need in self.needs)


@dataclass(frozen=True)
class Totals:
    """Bytes of the file, microseconds of a call, noise power."""

    size: float
    us: float
    noise: float


@dataclass(frozen=True)
class Targets:
    """Upper bounds on the totals; absent ones bound nothing."""

    size: float | None = None
    us: float | None = None
    noise: float | None = None


@dataclass(frozen=True)
class Goal:
    """How much the logarithms of bytes, time and noise count against each other."""

    size: float = 1.0
    us: float = 1.0
    noise: float = 0.0


def _is_paid(rows: Iterable[tuple[Pick, tuple[Pick, ...]]], made: set[Pick]) -> bool:
    return any(pick in made and made.isdisjoint(unless) for pick, unless in rows)


def _total(values: Iterable[float]) -> float:
    return float(sum(values))
