"""Words of a request on the command line: read, shown before any work, laid under the options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contracts import Understanding, Understood
from ..asked import field_text, value_text
from ..text import clean
from .console import say

SHOWN = 200


def with_words(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request with what its `words` ask for laid under them; says on stderr what that is.

    Raises:
        RequestError: words that contradict themselves, say nothing, or leave open what is to be reached.
    """
    words = given.get("words")
    if words is None:
        return dict(given)
    from ...agents.reading import merge_words, read, refuse_unclear

    understanding = read(words)
    say_understanding(understanding)
    refuse_unclear(understanding, given)
    asked = merge_words(given, words, understanding)
    for each in asked.overridden:
        say(f"given otherwise, which wins over “{_span(each.span)}”: {field_text(each.field)}")
    return asked.fields


def say_understanding(understanding: Understanding) -> None:
    """Say on stderr what was read from which passage, and what was not understood."""
    for each in understanding.understood:
        say(f"understood: {field_text(each.field)} {value_text(each)}, from “{_span(each.span)}”")
    for passage in understanding.not_understood:
        say(f"not understood: “{_span(passage)}”")


def understanding_rows(understood: tuple[Understood, ...]) -> list[tuple[str, str, str]]:
    """Return span, field and value of what was read."""
    return [(_span(each.span), field_text(each.field), value_text(each)) for each in understood]


def _span(text: str) -> str:
    return clean(text, SHOWN)
