"""Put statements together: corrections replace, wishes give way to bounds, what disagrees is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from ...contracts import Constraints, Target, Understanding, Understood, units
from .statements import Outcome, Retraction, Statement, Unread

_QUANTITY_OF = {
    "max_size_bytes": "size", "max_size_ratio": "size", "max_memory_bytes": "memory", "max_memory_ratio": "memory",
    "max_latency_ms": "latency", "min_speedup": "latency", "min_throughput_per_s": "latency",
    "min_accuracy": "accuracy", "max_accuracy_drop": "accuracy",
}  # fmt: skip
_LISTS = ("forbid", "allow_regression")
_WIDTHS = {"int8", "int4", "fp16"}


def assemble(words: str, outcomes: Sequence[Outcome]) -> Understanding:
    """Return what all statements mean together; spans are cut from `words`."""
    statements, passed = _corrected(outcomes)
    statements, more = _without_what_gives_way(statements)
    statements, invalid = _valid(statements)
    chosen, contradictions = _one_each(statements)
    contradictions += _disagreements(chosen, outcomes)
    unread = sorted({*passed, *more, *invalid})
    fields = {each.field: each.value for each in chosen if each.field not in _LISTS}
    targets = {name.removeprefix("target."): value for name, value in fields.items() if name.startswith("target.")}
    bounds = {name: value for name, value in fields.items() if name in Constraints.model_fields}
    if "max_latency_ms" in bounds:
        bounds.setdefault("latency_statistic", "p95")
    else:
        bounds.pop("latency_statistic", None)
    return Understanding.model_validate({
        "constraints": bounds,
        "target": targets,
        "objective": fields.get("objective"),
        **{name: _listed(chosen, name) for name in _LISTS},
        "understood": [_understood(each, words) for each in chosen if _is_used(each, bounds)],
        "not_understood": [words[start:end] for start, end in _apart(unread, chosen)],
        "contradictions": contradictions,
    })  # fmt: skip


def _is_used(statement: Statement, bounds: dict[str, Any]) -> bool:
    return statement.field != "latency_statistic" or "max_latency_ms" in bounds


def _understood(statement: Statement, words: str) -> Understood:
    return Understood(span=words[statement.start : statement.end], field=statement.field, value=statement.value)


def _listed(chosen: Sequence[Statement], name: str) -> list[Any]:
    return [each.value for each in chosen if each.field == name]


def _corrected(outcomes: Sequence[Outcome]) -> tuple[list[Statement], set[tuple[int, int]]]:
    """Return the statements that stand once corrections are made, and the passages that were not read."""
    standing: list[Statement] = []
    unread: set[tuple[int, int]] = set()
    for each in outcomes:
        if isinstance(each, Unread):
            unread.add((each.start, each.end))
        elif isinstance(each, Retraction):
            _take_back(standing, each)
        elif each.strength == "lift":
            lifted = {each.value, "quantization"} if each.value in _WIDTHS else {each.value}
            standing = [other for other in standing if other.field != each.field or other.value not in lifted]
        else:
            if each.replaces:
                same = [other for other in standing if other.about == each.about and other.field not in _LISTS]
                if each.restates and not same:
                    _take_back(standing, Retraction(each.start))
                standing = [other for other in standing if other not in same]
            standing.append(each)
    return standing, unread


def _take_back(standing: list[Statement], retraction: Retraction) -> None:
    """Drop the latest statement before a retraction, with what was read from the same passage."""
    last = next((each for each in reversed(standing) if each.start < retraction.start), None)
    if last is not None:
        standing[:] = [each for each in standing if (each.start, each.end) != (last.start, last.end)]


def _without_what_gives_way(statements: list[Statement]) -> tuple[list[Statement], list[tuple[int, int]]]:
    """Return firm statements, and others where nothing firm says more; with passages that came to nothing."""
    firm = [each for each in statements if each.strength == "firm" and not each.below]
    fields = {each.field for each in firm}
    soft = [each for each in statements if each.strength == "soft" and not each.below]
    kept_soft = [replace(each, strength="firm") for each in soft if each.field not in fields]
    unread = [(each.start, each.end) for each in soft if each.field in fields]
    standing = [each for each in statements if each in firm] + kept_soft
    unread += [(each.start, each.end) for each in statements if each.below and not _opposed(each, standing)]
    wanted = {_QUANTITY_OF.get(each.field) for each in standing}
    unread += [
        (each.start, each.end)
        for each in statements
        if each.strength == "fact" and _QUANTITY_OF.get(each.field) not in wanted
    ]
    weak = [each for each in statements if each.strength == "weak"]
    standing += _weak_that_stand(weak, standing)
    standing, dropped = _with_conditions(standing)
    return sorted(standing, key=lambda each: (each.start, each.end)), unread + dropped


def _opposed(below: Statement, standing: list[Statement]) -> bool:
    return any(each.field == below.field for each in standing)


def _weak_that_stand(weak: list[Statement], standing: list[Statement]) -> list[Statement]:
    """Return an objective for what no bound speaks of."""
    if any(each.field == "objective" for each in standing):
        return []
    bounded = {_QUANTITY_OF.get(each.field, "") for each in standing}
    open_ones = [each for each in weak if each.field == "objective" and each.value not in bounded]
    named = list(dict.fromkeys(each.value for each in open_ones))
    if {"size", "latency"} <= set(named):
        first, last = open_ones[0], open_ones[-1]
        value = "balanced"
        return [replace(first, value=value, end=max(first.end, last.end))]
    return open_ones[:1]


def _with_conditions(standing: list[Statement]) -> tuple[list[Statement], list[tuple[int, int]]]:
    """Drop an allowance that a condition takes back: `I don't care about the size as long as it is under 10 MB`."""
    conditions = {_QUANTITY_OF.get(each.field, "") for each in standing if each.provided}
    kept = [each for each in standing if not (each.field == "allow_regression" and each.value in conditions)]
    return kept, []


def _valid(statements: list[Statement]) -> tuple[list[Statement], list[tuple[int, int]]]:
    """Return statements whose value the field can have, and the passages of the others."""
    good: list[Statement] = []
    bad: list[tuple[int, int]] = []
    for each in statements:
        try:
            if each.field in Constraints.model_fields:
                Constraints.model_validate({each.field: each.value})
            elif each.field.startswith("target."):
                Target.model_validate({each.field.removeprefix("target."): each.value})
        except ValidationError:
            bad.append((each.start, each.end))
        else:
            good.append(each)
    return good, bad


def _one_each(statements: list[Statement]) -> tuple[list[Statement], list[str]]:
    """Return one statement for each field, the stricter of two bounds, and what two disagree about."""
    chosen: list[Statement] = []
    contradictions: list[str] = []
    for each in _without_hosts(statements):
        same = next((other for other in chosen if other.field == each.field and _is_same_slot(other, each)), None)
        if same is None:
            chosen.append(each)
        elif same.value != each.value:
            if each.field == "objective" and {same.value, each.value} == {"size", "latency"}:
                chosen[chosen.index(same)] = replace(same, value="balanced", end=max(same.end, each.end))
                continue
            if same.bare != each.bare:  # what only stands there, as `ResNet, 98 MB`, tells what is
                chosen[chosen.index(same)] = each if same.bare else same
                continue
            if same.aims != each.aims:
                wider, liked = (each, same) if same.aims else (same, each)
                if _is_stricter(liked, wider):
                    chosen[chosen.index(same)] = wider
                    continue
            contradictions.append(f"{_words(same)} and {_words(each)}: say which one")
            if _is_stricter(each, same):
                chosen[chosen.index(same)] = each
    return chosen, contradictions


def _without_hosts(statements: list[Statement]) -> list[Statement]:
    """Drop a server where it is node that runs on it: `in node, on our server`."""
    node = any(each.field == "target.platform" and each.value == "node" for each in statements)
    return [each for each in statements if not (node and each.field == "target.platform" and each.value == "server")]


def _is_same_slot(one: Statement, other: Statement) -> bool:
    return one.value == other.value if one.field in _LISTS else True


def _is_stricter(each: Statement, same: Statement) -> bool:
    if not isinstance(each.value, int | float) or not isinstance(same.value, int | float):
        return False
    return each.value < same.value if each.field.startswith("max_") else each.value > same.value


def _disagreements(chosen: list[Statement], outcomes: Sequence[Outcome]) -> list[str]:
    found: list[str] = []
    for each in outcomes:
        if isinstance(each, Statement) and each.below:
            same = next((other for other in chosen if other.field == each.field), None)
            if same is not None and _excludes(each, same):
                found.append(f"{_words(same)} and the opposite bound {_amount(each)}: nothing can be both")
    allowed = {each.value for each in chosen if each.field == "allow_regression"}
    for each in chosen:
        quantity = _QUANTITY_OF.get(each.field)
        if quantity in allowed:
            found.append(f"{_words(each)}, and {quantity} may get worse: drop one of the two")
    return found + _of_levers(chosen)


def _of_levers(chosen: list[Statement]) -> list[str]:
    forbidden = {each.value for each in chosen if each.field == "forbid"}
    widths = _WIDTHS & forbidden
    if "quantization" in forbidden and len(widths) == 2:
        left = (_WIDTHS - widths).pop()
        return [f"only {left}, and no quantization: drop one of the two"]
    return []


def _excludes(below: Statement, bound: Statement) -> bool:
    if isinstance(below.value, str) or isinstance(bound.value, str):
        return False
    return below.value > bound.value if bound.field.startswith("max_") else below.value < bound.value


def _words(statement: Statement) -> str:
    return f"{statement.field} = {_amount(statement)}"


def _amount(statement: Statement) -> str:
    if isinstance(statement.value, str):
        return statement.value
    bound = next(iter(Constraints.model_validate({statement.field: statement.value}).bounds()), None)
    return units.format_value(bound.bound, bound.unit) if bound else str(statement.value)


def _apart(unread: Sequence[tuple[int, int]], chosen: Sequence[Statement]) -> list[tuple[int, int]]:
    """Return passages of which nothing was used, none inside another."""
    kept: list[tuple[int, int]] = []
    for start, end in unread:
        used = any(each.start <= start and end <= each.end for each in chosen)
        inside = any(a <= start and end <= b and (a, b) != (start, end) for a, b in unread)
        if not used and not inside:
            kept.append((start, end))
    return kept
