"""Words of a request on the command line: read, shown before any work, laid under the options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...contracts import Understood
from ..asked import field_text, value_text
from ..text import clean
from .console import say

if TYPE_CHECKING:
    from ...agents.language.words import WordReader
    from ...agents.reading import Asked

SHOWN = 200


def read_words(given: Mapping[str, Any], reader: WordReader) -> Asked | None:
    """Return the fields of a request with what its `words` ask for laid under them; None where it has no words.

    Raises:
        RequestError: words that contradict themselves, say nothing, or leave open what is to be reached.
        LanguageModelError: a required language model cannot be reached.
    """
    words = given.get("words")
    if words is None:
        return None
    from ...agents.reading import merge_words

    return merge_words(given, words, reader.read(words, given.get("llm") or {}))


def say_understood(asked: Asked) -> None:
    """Say on stderr what was read from which passage, what was not understood, and what is given otherwise."""
    for each in asked.understanding.understood:
        by = ", by the language model" if each.by else ""
        say(f"understood: {field_text(each.field)} {value_text(each)}, from “{_span(each.span)}”{by}")
    for told in asked.understanding.differences:
        say(f"read in two ways: {clean(told, 2 * SHOWN)}")
    for passage in asked.understanding.not_understood:
        say(f"not understood: “{_span(passage)}”")
    for each in asked.overridden:
        say(f"given otherwise, which wins over “{_span(each.span)}”: {field_text(each.field)}")


def understanding_rows(understood: tuple[Understood, ...]) -> list[tuple[str, str, str, str]]:
    """Return span, field and value of what was read, and by what."""
    return [
        (_span(each.span), field_text(each.field), value_text(each), "language model" if each.by else "grammar")
        for each in understood
    ]


def _span(text: str) -> str:
    return clean(text, SHOWN)
