"""What a run cannot change while it is at work: the level of the search and the metric, said as options say them."""

from __future__ import annotations

import re
from typing import get_args

from ...contracts import Draft, RequestError, check_metric
from ...contracts.request import Level

_LEVELS: tuple[str, ...] = get_args(Level)
_SETTING = re.compile(
    r"(?<![\w-])(?:(?:use|set|with|be) )?(?:the )?(?:--)?"
    rf"(?:level(?: to)?[ =:]+(?P<level>{'|'.join(_LEVELS)})|(?P<named>{'|'.join(_LEVELS)}) level"
    r"|metric(?: is| to)?[ =:]+(?P<metric>\w{1,20}))(?![\w-])",
    re.IGNORECASE,
)
_ALONE = re.compile(
    r"^(?:(?:use|set) )?(?:the )?(?P<name>level|metric)(?: is| to)?[ =:]+(?P<value>[\w.-]{1,40})$", re.IGNORECASE
)
_AGGRESSIVE = re.compile(r"^(?:be )?(?:more )?aggressive$", re.IGNORECASE)


def with_handling(draft: Draft, words: str) -> tuple[Draft, str]:
    """Return a draft with the level and the metric that words set, and the rest of the words.

    Raises:
        RequestError: there is no such level or metric.
    """
    bare = words.strip(" .!")
    if _AGGRESSIVE.match(bare):
        return _with_level(draft, "aggressive"), ""
    found = [match for match in _SETTING.finditer(words) if match["metric"] is None or _is_metric(match["metric"])]
    if not found and (alone := _ALONE.match(bare)):
        raise _unknown(alone["name"].lower(), alone["value"])
    rest = words
    for match in found:
        level = match["level"] or match["named"]
        draft = _with_level(draft, level) if level else draft.model_copy(update={"metric": match["metric"].lower()})
        rest = rest.replace(match[0], " ", 1)
    return draft, rest.strip(" ,;.") if found else words


def _with_level(draft: Draft, level: str) -> Draft:
    return draft.model_copy(update={"optimization": draft.optimization.model_copy(update={"level": level.lower()})})


def _is_metric(name: str) -> bool:
    try:
        check_metric(name.lower())
    except RequestError:
        return False
    return True


def _unknown(name: str, value: str) -> RequestError:
    if name == "metric":
        try:
            check_metric(value)
        except RequestError as error:
            return error
    return RequestError(f"{name} {value!r} is unknown; there are {', '.join(_LEVELS)}")
