"""The language-model reader: fills what the grammar left unread, and nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, get_args

from ...contracts import (
    Lever,
    Objective,
    Platform,
    Request,
    RequestError,
    RuntimeName,
    Understanding,
    Understood,
    validate,
)
from ..reading.english import ENGLISH
from ..reading.items import items_of
from .plausible import follows

if TYPE_CHECKING:
    from ..reading.measures import Measure
    from .advisor import Advisor
    from .modules.reader import Said

MOST = 12
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "objective": get_args(Objective),
    "target.platform": get_args(Platform),
    "target.runtime": get_args(RuntimeName),
    "forbid": get_args(Lever),
}
# A lever is ruled out only by words that name it.
_NAMES: Mapping[str, re.Pattern[str]] = {
    "pruning": re.compile(r"prun|spars|channel", re.IGNORECASE),
    "quantization": re.compile(r"quanti[sz]|integer|\bbits?\b|precision", re.IGNORECASE),
    "int8": re.compile(r"8|eight", re.IGNORECASE),
    "int4": re.compile(r"4|four", re.IGNORECASE),
    "fp16": re.compile(r"16|half|sixteen", re.IGNORECASE),
}


def complete(words: str, read: Understanding, advisor: Advisor) -> Understanding:
    """Return what the grammar read, with what a language model reads in the passages that it left.

    Args:
        words: as the user wrote them.
        read: what the grammar made of them.
        advisor: asked once.

    Raises:
        LanguageModelError: no usable answer; what the grammar read is all there is.
    """
    from .modules.reader import ReaderModule

    known = [f"{item.field} = {item.value} ({item.span})" for item in read.understood]
    answer = advisor.call("reader", ReaderModule(), words=words, unread=list(read.not_understood), known=known)
    return filled(words, read, cast("list[Said]", answer.said))


def filled(words: str, read: Understanding, said: Sequence[Said]) -> Understanding:
    """Return what the grammar read, with those items of a language model that may be added.

    Each comes with a span that stands verbatim in the words and overlaps an unread passage; a number must follow from
    an amount where both are: what else stands in the words was read, or told something else. What the grammar read
    stays; where the model reads it otherwise, that is told. Guards are never lifted this way, and no path, data or
    budget is a field at all.
    """
    reading = _Reading(words, read)
    for item in said[:MOST]:
        reading.take(item)
    return reading.result


class _Reading:
    """What is understood so far, one item of the model's after the other."""

    def __init__(self, words: str, read: Understanding) -> None:
        self._words = words
        self._grammar = read
        self.result = read
        self._unread = [place for passage in read.not_understood for place in _places(words, passage)]

    def take(self, said: Said) -> None:
        """Add an item where it may be added; else leave everything as it is."""
        value = self._value(said)
        if value is None:
            return
        known = self._known(said.field)
        if known is not None and said.field != "forbid":
            self._differ(said, value, known)
            return
        touched = self._touched(said)
        if not touched or not self._is_borne_out(said, value):
            return
        merged = self._with(Understood(span=said.span, field=said.field, value=value, by="model"), touched)
        if merged is not None:
            self.result = merged

    def _value(self, said: Said) -> str | float | None:
        choices = _CHOICES.get(said.field)
        text = said.value.strip()
        if choices is not None:
            return text.lower() if text.lower() in choices else None
        try:
            number = float(text)
        except ValueError:
            return None
        return number if math.isfinite(number) and number > 0 else None

    def _known(self, field: str) -> Any:
        return next((item.value for item in self.result.understood if item.field == field), None)

    def _differ(self, said: Said, value: str | float, known: Any) -> None:
        same = value == known or (
            isinstance(value, float) and isinstance(known, int | float) and math.isclose(value, known, rel_tol=1e-6)
        )
        by_grammar = any(item.field == said.field for item in self._grammar.understood)
        if same or not by_grammar or said.span not in self._words:
            return
        told = f"{said.field}: the words say {known}, the language model read {value} in “{said.span}”; the words hold"
        self.result = self.result.model_copy(update={"differences": (*self.result.differences, told)})

    def _touched(self, said: Said) -> list[str]:
        """Return the unread passages that the span stands in, at least in part."""
        return [self._words[start:end] for start, end in self._unread if any(self._overlaps(said.span, start, end))]

    def _overlaps(self, span: str, start: int, end: int) -> Iterator[str]:
        """Yield what a span and the passage from `start` to `end` have in common."""
        for begin, stop in _places(self._words, span.strip()):
            if begin < end and start < stop:
                yield self._words[max(begin, start) : min(stop, end)]

    def _is_borne_out(self, said: Said, value: str | float) -> bool:
        """Return whether the span itself says it: an amount for a number, its name for a lever."""
        amounts = list(self._amounts(said.span))
        if said.field == "forbid":
            return _NAMES[str(value)].search(said.span) is not None
        if isinstance(value, str):
            return said.field != "objective" or not any(amounts)  # a wish with a number is a bound
        return any(follows(said.field, value, each) for each in amounts)

    def _amounts(self, span: str) -> Iterator[list[Measure]]:
        """Yield the amounts that stand where the span and an unread passage overlap."""
        for start, end in self._unread:
            for common in self._overlaps(span, start, end):
                yield [item.measure for item in items_of(common, ENGLISH) if item.measure]

    def _with(self, item: Understood, touched: list[str]) -> Understanding | None:
        """Return what is understood with one more item, or None where that is no request any more."""
        document = self.result.model_dump(mode="json")
        group, dot, name = item.field.partition(".")
        if dot:
            document.setdefault(group, {})[name] = item.value
        elif item.field == "forbid":
            document["forbid"] = [*document.get("forbid", []), item.value]
        elif item.field == "objective":
            document["objective"] = item.value
        else:
            whole = item.field.endswith("_bytes")
            document.setdefault("constraints", {})[item.field] = round(float(item.value)) if whole else item.value
            if item.field == "max_latency_ms":
                document["constraints"].setdefault("latency_statistic", "p95")
        document["understood"] = [*document.get("understood", []), item.model_dump(mode="json")]
        document["not_understood"] = [each for each in document.get("not_understood", []) if each not in touched]
        try:
            merged = validate(Understanding, document)
            validate(Request, {"model": "-", **merged.request_fields()})
        except RequestError:
            return None
        return merged


def _places(words: str, passage: str) -> Iterator[tuple[int, int]]:
    """Yield where a passage stands in the words, verbatim."""
    at = words.find(passage) if passage else -1
    while at >= 0:
        yield at, at + len(passage)
        at = words.find(passage, at + 1)
