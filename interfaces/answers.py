"""Answers as people type them: one word, or settings as options write them, several at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, get_args

from ..contracts import (
    Action,
    Answer,
    Changes,
    Constraints,
    Guarded,
    Lever,
    Objective,
    Request,
    RequestError,
    Understanding,
    units,
    validate,
)
from .cli.bounds import BOUND_NAMES, bound_fields, read_bound
from .text import clean

HOW = "go, reject, stop, or what shall be otherwise, such as: max_size 8MB, max_latency 5ms"
MAX_ANSWER = 8000
_ACTIONS: dict[str, Action] = {
    **dict.fromkeys(("go", "go on", "yes", "y", "ok", "accept", "approve"), "go"),
    **dict.fromkeys(("reject", "no", "n", "another"), "reject"),
    **dict.fromkeys(("stop", "quit", "abort", "roll back", "rollback"), "stop"),
}  # fmt: skip
_NONE = frozenset({"none", "no", "off"})
_SHORT = tuple(sorted(BOUND_NAMES - set(Constraints.model_fields) | {"min_speedup", "min_accuracy"}))
_OTHERS = ("latency_statistic", "allow_regression", "forbid", "objective", "max_attempts", "time_limit")
# `max_size`, `max-size`, `--max-size` and `max size` are the same name.
_NAMES = re.compile(
    r"(?<![\w-])(?:--)?("
    + "|".join(sorted((re.sub("_", "[-_ ]+", name) for name in (*_SHORT, *_OTHERS)), key=len, reverse=True))
    + r")(?![\w])",
    re.IGNORECASE,
)
_LEAD = re.compile(r"^(?:edit|set|please|and|with)?[\s,;:]*$", re.IGNORECASE)


def read_answer(text: str, by: str = "person", request: Request | None = None) -> Answer:
    """Return what was answered: one of the words, settings, or else a wish in plain language.

    Args:
        text: as it was typed.
        by: who answers.
        request: as it stands; a wish adds to the guards and levers that it names.

    Raises:
        RequestError: it is nothing of the kind, or something in it cannot be read.
    """
    words = " ".join(text.split()).strip(" .!")
    if len(text) > MAX_ANSWER:
        raise RequestError(f"an answer of more than {MAX_ANSWER} characters is none; write {HOW}")
    if (action := _ACTIONS.get(words.lower())) is not None:
        return Answer(action=action, words=words, by=by)
    settings = settings_in(words)
    changes = read_changes(settings) if settings else _wished(words, request)
    return validate(Answer, {"action": "edit", "changes": changes, "words": words, "by": by})


def _wished(words: str, request: Request | None) -> Changes:
    from ..agents.reading import read

    return changes_of(read(words), words, request)


def changes_of(found: Understanding, words: str, request: Request | None) -> Changes:
    """Return a wish in plain language as an edit; all of it must be understood, and the target stays as it is.

    Args:
        found: what the words mean.
        words: of the wish.
        request: as it stands; a wish adds to the guards and levers that it names.

    Raises:
        RequestError: it is none, or not all of it was understood.
    """
    if found.is_empty:
        raise RequestError(f"{clean(words, 80)!r} is no answer; write {HOW}")
    for problem in found.contradictions:
        raise RequestError(clean(problem, 300))
    if found.not_understood:
        raise RequestError(f"{clean(found.not_understood[0], 80)!r} was not understood; write {HOW}")
    if found.target.model_fields_set:
        raise RequestError("where the model will run cannot change while it is worked on; start another run")
    lifted = request.allow_regression if request else ()
    forbidden = request.optimization.forbid if request else ()
    return Changes(
        constraints=found.constraints.model_dump(exclude_unset=True),
        allow_regression=tuple(dict.fromkeys((*lifted, *found.allow_regression))) if found.allow_regression else None,
        forbid=tuple(dict.fromkeys((*forbidden, *found.forbid))) if found.forbid else None,
        objective=found.objective,
    )


def settings_in(text: str) -> list[tuple[str, str]]:
    """Return name and value of each setting in a text; none at all where something else stands before the first."""
    return list(_settings(text))


def _settings(text: str) -> Iterator[tuple[str, str]]:
    found = list(_NAMES.finditer(text))
    if not found or not _LEAD.match(text[: found[0].start()]):
        return
    ends = [*(match.start() for match in found[1:]), len(text)]
    for match, end in zip(found, ends, strict=True):
        value = text[match.end() : end].strip(" ,;:=")
        yield re.sub("[- ]+", "_", match[1].lower()), re.sub(r"\s+and$", "", value, flags=re.IGNORECASE).strip(" ,;")


def read_changes(settings: list[tuple[str, str]]) -> Changes:
    """Return settings as an edit of a request, each read as its option is.

    Raises:
        RequestError: a value that cannot be read, or a setting that is there twice.
    """
    fields: dict[str, Any] = {"constraints": {}}
    for name, value in settings:
        if not value:
            raise RequestError(f"{name} has no value; write it like max_size 8MB, or `{name} none` to lift it")
        place: dict[str, Any] = fields["constraints"] if name in (*_SHORT, "latency_statistic") else fields
        read = _read(name, value)
        if set(read) & set(place):
            raise RequestError(f"{name} is given twice; give it once")
        place.update(read)
    return validate(Changes, fields)


def _read(name: str, value: str) -> dict[str, Any]:
    lifted = value.lower() in _NONE
    if name in _LISTS:
        return {name: () if lifted else _listed(name, value)}
    if name in _READ:
        field, read = _READ[name]
        return {field: read(value)}
    if name == "latency_statistic":
        return {name: value.lower()}
    if lifted:
        return dict.fromkeys(bound_fields(name))
    field, number = read_bound(name, value, name)
    return {field: number}


_LISTS: dict[str, tuple[str, ...]] = {"allow_regression": get_args(Guarded), "forbid": get_args(Lever)}


def _listed(name: str, value: str) -> tuple[str, ...]:
    items = tuple(item for item in re.split(r"[\s,;]+|\band\b", value.lower()) if item)
    if unknown := [item for item in items if item not in _LISTS[name]]:
        raise RequestError(f"{name} {clean(unknown[0], 80)!r} is unknown; there are {', '.join(_LISTS[name])}")
    return items


def _objective(value: str) -> str:
    if value.lower() not in get_args(Objective):
        raise RequestError(f"objective {clean(value, 80)!r} is unknown; there are {', '.join(get_args(Objective))}")
    return value.lower()


def _count(value: str) -> int:
    if not value.isdecimal() or len(value) > 9:
        raise RequestError(f"max_attempts {clean(value, 80)!r} is no whole number")
    return int(value)


_READ: dict[str, tuple[str, Callable[[str], Any]]] = {
    "objective": ("objective", _objective),
    "max_attempts": ("max_attempts", _count),
    "time_limit": ("time_limit_s", lambda value: units.parse_seconds(value, "time_limit")),
}
