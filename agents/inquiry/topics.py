"""Kinds of plans that people ask about: which a plan is of, which words mean them, and which switches rule them out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import get_args

from ...contracts import Compute, OptimizationConfig, Plan, PolicyState, Storage, Topic
from ..search.chance import chance
from ..search.plans import plans
from ..search.predict import estimate

TOPICS: tuple[Topic, ...] = get_args(Topic)
NAMES: dict[Topic, str] = {
    "graph": "graph passes", "pruning": "pruning", "static": "static int8", "dynamic": "dynamic int8", "int8": "int8",
    "int4": "int4", "fp16": "fp16", "mixture": "a mixture of forms",
}  # fmt: skip
_WORDS: dict[Topic, str] = {
    "graph": r"graph|fus(?:e|ion|ing)s?|folding",
    "pruning": r"prun(?:e|ed|ing)|spars(?:e|ity)|channels",
    "static": r"static",
    "dynamic": r"dynamic(?:ally)?",
    "int8": r"u?int8|(?:8|eight)[- ]?bits?",
    "int4": r"u?int4|(?:4|four)[- ]?bits?",
    "fp16": r"fp16|float16|half|(?:16|sixteen)[- ]?bits?",
    "mixture": r"mix(?:ed|ture|tures)?|per[- ]layer",
}
_PATTERNS: dict[Topic, re.Pattern[str]] = {
    topic: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for topic, words in _WORDS.items()
}


def topics_in(words: str) -> tuple[Topic, ...]:
    """Return the kinds of plans that words name."""
    return tuple(topic for topic in TOPICS if _PATTERNS[topic].search(words))


_STORED: Mapping[Storage, Topic] = {"fp16": "fp16", "int8": "int8", "int8_block": "int8", "int4": "int4"}
_COMPUTED: Mapping[Compute, tuple[Topic, ...]] = {
    "static": ("static", "int8"),
    "dynamic": ("dynamic", "int8"),
    "half": ("fp16",),
}


def topics_of(plan: Plan) -> frozenset[Topic]:
    """Return every kind that a plan is of."""
    found: set[Topic] = set()
    if plan.graph:
        found.add("graph")
    if plan.prune:
        found.add("pruning")
    if (lever := plan.quantize) is None:
        return frozenset(found)
    found.update(topic for form in lever.forms for topic in _COMPUTED[form])
    if lever.storage in _STORED:
        found.add(_STORED[lever.storage])
    if lever.mixture:
        found.add("mixture")
    return frozenset(found)


def open_plans(state: PolicyState) -> list[Plan]:
    """Return what may still be tried, each with its prediction, the likeliest first."""
    found = [plan for plan in plans(state) if state.is_open(plan) and not estimate(plan, state).repeats]
    told = [plan.model_copy(update={"predicted": chance(plan, state)[1]}) for plan in found]
    return sorted(told, key=lambda plan: -(plan.predicted.chance if plan.predicted else 0.0))


Relief = Callable[[OptimizationConfig], OptimizationConfig]


def _with(**update: object) -> Relief:
    return lambda config: config.model_copy(update=update)


def _inside(group: str, **update: object) -> Relief:
    return lambda config: config.model_copy(update={group: getattr(config, group).model_copy(update=update)})


# Setting → the request without what it restricts.
_RELIEFS: Mapping[str, Relief] = {
    "forbid": _with(forbid=()),
    "quantization.enabled": _inside("quantization", enabled=True),
    "quantization.precision": _inside("quantization", precision=None),
    "pruning.enabled": _inside("pruning", enabled=None),
    "pruning.method": _inside("pruning", method=None),
    "graph": _inside("graph", elimination=True, fusion=True, constant_folding=True, passes=None),
    "level": _with(level="aggressive"),
}


def ruled_out_by(topic: Topic, state: PolicyState) -> tuple[tuple[str, ...], PolicyState | None]:
    """Return the settings that keep plans of a kind out, and the state without them; None where nothing would help."""
    needed = [name for name, relief in _RELIEFS.items() if _differs(relief, state)]
    if not _offers(topic, _relieved(state, needed)):
        return (), None
    for name in list(needed):
        rest = [other for other in needed if other != name]
        if _offers(topic, _relieved(state, rest)):
            needed = rest
    return tuple(needed), _relieved(state, needed)


def _differs(relief: Relief, state: PolicyState) -> bool:
    return relief(state.request.optimization) != state.request.optimization


def _relieved(state: PolicyState, names: list[str]) -> PolicyState:
    config = state.request.optimization
    for name in names:
        config = _RELIEFS[name](config)
    return state.model_copy(update={"request": state.request.model_copy(update={"optimization": config})})


def _offers(topic: Topic, state: PolicyState) -> bool:
    return any(topic in topics_of(plan) for plan in plans(state))
