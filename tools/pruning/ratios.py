"""How many channels each group keeps: the least damage within bounds on bytes and time, both of the whole model.

Damages of groups add up; bytes and times do not, for a weight between two groups shrinks by both. So the sums are
taken as they are around the widths at hand, each group changed alone, the choice is solved as mixtures are (`solve`),
and the same is done around its answer until that stays. What is told of an answer is exact, not the sum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..mixture.problem import Choice, Goal, Problem, Targets, Totals, Unit
from ..mixture.solve import solve
from .blocks import offered_widths, width_left
from .costs import Costs
from .coupling import Group
from .damage import Damages, noise_at

ROUNDS = 8
_LEAST_DAMAGE = Goal(size=0.01, us=0.01, noise=1.0)


@dataclass(frozen=True)
class Chosen:
    """Widths of the groups that lose channels, what they take together, and whether that is within the bounds."""

    widths: dict[str, int]
    totals: Totals
    within: bool


def choose_widths(
    groups: Sequence[Group], costs: Costs, damages: Damages, targets: Targets, goal: Goal = _LEAST_DAMAGE
) -> Chosen:
    """Return the best widths within `targets`, or those that miss them by the least; unmeasured groups keep theirs.

    Args:
        groups: those that can lose channels.
        costs: of their model.
        damages: width → noise, by group.
        targets: bounds on bytes, microseconds and noise.
        goal: what is gained within them; the least noise unless told otherwise.
    """
    able = [group for group in groups if damages.get(group.id)]
    offers = {group.id: offered_widths(group.width, min(damages[group.id])) for group in able}
    at = {each.id: max(min(offers[each.id]), width_left(each.width, 0.5)) for each in able}
    tried: list[Chosen] = []
    for _ in range(ROUNDS if able else 0):
        solution = solve(_problem(able, offers, costs, damages, at), targets, goal)
        at = {group.id: offers[group.id][index] for group, index in zip(able, solution.chosen, strict=True)}
        found = _chosen(able, costs, damages, at, targets)
        if found in tried:
            break
        tried.append(found)
    tried.append(_mended(able, offers, costs, damages, at, targets))
    inside = [each for each in tried if each.within]
    if inside:
        return min(inside, key=lambda each: _value(goal, each.totals))
    return min(tried, key=lambda each: _missed(each.totals, targets))


def _problem(
    able: Sequence[Group], offers: Mapping[str, list[int]], costs: Costs, damages: Damages, at: Mapping[str, int]
) -> Problem:
    """Return the choice with each group's bytes and times as they are beside the others' widths `at`."""
    size, us = costs.bytes(at), costs.microseconds(at)
    units: list[Unit] = []
    base_size, base_us = size, us
    for group in able:
        whole = {**at, group.id: group.width}
        whole_size, whole_us = costs.bytes(whole), costs.microseconds(whole)
        base_size, base_us = base_size + whole_size - size, base_us + whole_us - us
        choices: list[Choice] = []
        for width in offers[group.id]:
            changed = {**at, group.id: width}
            choices.append(
                Choice(
                    form=str(width),
                    noise=noise_at(group.width, width, damages[group.id]),
                    us=costs.microseconds(changed) - whole_us,
                    size=costs.bytes(changed) - whole_size,
                )
            )
        units.append(Unit(group.id, tuple(choices)))
    return Problem(tuple(units), base_size, base_us)


def _mended(
    able: Sequence[Group],
    offers: Mapping[str, list[int]],
    costs: Costs,
    damages: Damages,
    start: Mapping[str, int],
    targets: Targets,
) -> Chosen:
    """Take one block after the other where it costs least for what it brings, until bytes and times are within."""
    at = dict(start)
    found = _chosen(able, costs, damages, at, targets)
    while not found.within:
        steps: list[tuple[float, Chosen, dict[str, int]]] = []
        for group in able:
            narrower = [width for width in offers[group.id] if width < at[group.id]]
            if narrower:
                changed = {**at, group.id: narrower[0]}
                one = _chosen(able, costs, damages, changed, targets)
                gained = _missed(found.totals, targets) - _missed(one.totals, targets)
                if gained > 0:
                    steps.append(((one.totals.noise - found.totals.noise) / gained, one, changed))
        if not steps:
            break
        _, found, at = min(steps, key=lambda step: step[0])
    return found


def _chosen(able: Sequence[Group], costs: Costs, damages: Damages, at: Mapping[str, int], targets: Targets) -> Chosen:
    noise = sum(noise_at(group.width, at[group.id], damages[group.id]) for group in able)
    totals = Totals(costs.bytes(at), costs.microseconds(at), noise)
    widths = {group.id: at[group.id] for group in able if at[group.id] < group.width}
    return Chosen(widths, totals, _missed(totals, targets) <= 0)


def _missed(totals: Totals, targets: Targets) -> float:
    """Return by what share bounds are missed, all together."""
    pairs = ((totals.size, targets.size), (totals.us, targets.us), (totals.noise, targets.noise))
    return sum(max(0.0, value / max(bound, 1e-30) - 1 - 1e-9) for value, bound in pairs if bound is not None)


def _value(goal: Goal, at: Totals) -> float:
    logs = (math.log(max(each, floor)) for each, floor in ((at.size, 1.0), (at.us, 1e-3), (at.noise, 1e-12)))
    return sum(weight * each for weight, each in zip((goal.size, goal.us, goal.noise), logs, strict=True))
