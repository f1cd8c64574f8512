"""A request as it grows: wishes are laid over what stands, settings replace, and what changed is told in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...contracts import (
    BOUNDS_ON,
    MAX_WORDS,
    Budget,
    Changes,
    Constraints,
    Draft,
    Request,
    RequestError,
    Understanding,
    check_served,
    edits_between,
    override_bounds,
    units,
    validate,
)
from ..text import clean
from .inputs import input_settings

# Stands for the model or the data while a request is only drafted.
_ANY = "-"
_INSTEAD = re.compile(r"\b(?:instead|rather than|replace)\b", re.IGNORECASE)
# What people call a quantity → the bounds that they mean.
_LIFTED: Mapping[str, tuple[str, ...]] = {
    "size": BOUNDS_ON["size"],
    "memory": BOUNDS_ON["memory"],
    **dict.fromkeys(("latency", "speed", "throughput"), BOUNDS_ON["latency"]),
    "accuracy": BOUNDS_ON["accuracy"],
    "fidelity": ("min_fidelity_db", "min_logits_fidelity_db"),
    "quality": (*BOUNDS_ON["accuracy"], "min_fidelity_db", "min_logits_fidelity_db"),
}


def as_request(draft: Draft) -> Request:
    """Return a draft as a request, whatever is missing of it.

    Raises:
        RequestError: its parts contradict each other.
    """
    return draft.request(_ANY, _ANY)


def check(draft: Draft) -> Draft:
    """Return a draft that could be served.

    Raises:
        RequestError: its parts contradict each other, or nothing serves them.
    """
    check_served(as_request(draft))
    return draft


def laid_over(draft: Draft, found: Understanding, words: str) -> Draft:
    """Return a draft with a wish laid over it: what was just said wins.

    Args:
        draft: as it stands.
        found: what `words` mean.
        words: of the wish.

    Raises:
        RequestError: the wish contradicts itself.
    """
    if found.contradictions:
        raise RequestError(f"that contradicts itself: {'; '.join(found.contradictions)}")
    asked = found.constraints.model_dump(exclude_unset=True)
    if "latency_statistic" in asked and all(each.field != "latency_statistic" for each in found.understood):
        asked["latency_statistic"] = draft.constraints.latency_statistic  # a corrected latency is meant as before
    kept = _without(draft.constraints.model_dump(exclude_none=True), _replaced(found, asked, words))
    lifted = [name for name in draft.allow_regression if not set(BOUNDS_ON[name]) & set(asked)]
    forbidden = (*draft.optimization.forbid, *found.forbid)
    changed = draft.model_copy(
        update={
            "constraints": validate(Constraints, override_bounds(kept, asked)),
            "target": draft.target.model_copy(update=found.target.model_dump(exclude_unset=True)),
            "objective": found.objective or draft.objective,
            "optimization": draft.optimization.model_copy(update={"forbid": _once(forbidden)}),
            "allow_regression": _once((*lifted, *found.allow_regression)),
            "words": _last_words(f"{draft.words}\n{words}" if draft.words else words),
        }
    )
    return _with_sources(changed, found)


def changed_by(draft: Draft, changes: Changes) -> Draft:
    """Return a draft with settings changed.

    Raises:
        RequestError: a value out of range, a contradiction, or something that is not served.
    """
    request = changes.applied_to(as_request(draft))
    own = {name: getattr(request, name) for name in ("constraints", "optimization", "allow_regression", "budget")}
    objective = changes.objective or draft.objective
    return _with_sources(draft.model_copy(update={**own, "objective": objective}), Understanding())


def lifting(quantity: str) -> Changes:
    """Return the changes that take back every bound on what people call `quantity`."""
    return Changes(constraints=dict.fromkeys(_LIFTED[quantity]))


def differences(old: Draft, new: Draft) -> tuple[str, ...]:
    """Return what is otherwise in a draft, setting by setting, in words."""
    after = input_settings(new)
    told = [edit.text() for edit in edits_between(as_request(old), as_request(new)) if edit.name != "objective"]
    plain: Iterable[tuple[str, Any, Any]] = (
        ("objective", old.objective, new.objective),
        ("model", old.model, new.model),
        ("data", old.data, new.data),
        ("platform", old.target.platform, new.target.platform),
        ("runtime", old.target.runtime, new.target.runtime),
        ("metric", old.metric, new.metric),
        ("level", old.optimization.level, new.optimization.level),
        *((name, before, after[name]) for name, before in input_settings(old).items()),
        ("asks before it changes anything", _word(old.approve), _word(new.approve)),
    )
    told += [f"{name}: {_shown(before)} → {_shown(after)}" for name, before, after in plain if before != after]
    return tuple(clean(text, 500) for text in told)


def draft_lines(draft: Draft) -> list[str]:
    """Return a draft in words, a line for each thing that stands."""
    bounds = [bound.text(draft.metric or "") for bound in draft.constraints.bounds()]
    lines = [
        f"model     {_shown(draft.model)}",
        f"data      {_shown(draft.data)}",
        f"bounds    {', '.join(bounds) or 'none'}",
    ]
    usual = Budget()
    told = {
        "aim": draft.objective,
        "where": None if draft.target.platform == "server" else draft.target.platform,
        "runtime": None if draft.target.runtime == "onnx" else draft.target.runtime,
        "without": ", ".join(draft.optimization.forbid),
        "may lose": ", ".join(draft.allow_regression),
        "metric": draft.metric,
        **input_settings(draft),
        "level": "" if draft.optimization.level == "basic" else draft.optimization.level,
        "attempts": _unusual(draft.budget.max_attempts, usual.max_attempts),
        "time": units.format_seconds(draft.budget.time_limit_s) if draft.budget != usual else "",
        "asks": "before it changes anything" if draft.approve else "",
    }
    return lines + [f"{name:9} {_shown(value)}" for name, value in told.items() if value]


def _replaced(found: Understanding, asked: Mapping[str, Any], words: str) -> set[str]:
    """Return the bounds that a wish takes back: what may get worse has none, and "instead" replaces the quantity's."""
    gone = {name for quantity in found.allow_regression for name in BOUNDS_ON[quantity]}
    if _INSTEAD.search(words):
        gone |= {name for names in BOUNDS_ON.values() if set(names) & set(asked) for name in names}
    return gone


def _without(bounds: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in bounds.items() if name not in names}


def _with_sources(draft: Draft, found: Understanding) -> Draft:
    """Return a draft that knows where its fields come from: of what stands, the last that said it."""
    stands = {**draft.constraints.model_dump(exclude_none=True), "objective": draft.objective}
    stands |= {f"target.{name}": value for name, value in draft.target.model_dump().items()}
    lists = {"forbid": draft.optimization.forbid, "allow_regression": draft.allow_regression}
    kept = {
        (each.field, each.value if each.field in lists else None): each
        for each in (*draft.understood, *found.understood)
        if (each.value in lists[each.field] if each.field in lists else stands.get(each.field) == each.value)
    }
    return draft.model_copy(update={"understood": tuple(kept.values())})


def _last_words(words: str) -> str:
    return words if len(words) <= MAX_WORDS else words[-MAX_WORDS:]


def _once(names: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(names))


def _unusual(value: int, usual: int) -> str:
    return str(value) if value != usual else ""


def _word(value: bool) -> str:
    return "yes" if value else "no"


def _shown(value: object) -> str:
    return "none" if value in (None, "") else clean(value, 200)
