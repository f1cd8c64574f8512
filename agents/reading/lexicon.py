"""A lexicon: words of one language and the concepts that the grammar speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from .tokens import Token, fold, tokenize

Concept = Literal[
    "about", "adjective", "allotted", "and", "any", "approximate", "article", "as", "attains", "bare_cut",
    "bare_possible", "becomes",
    "between", "but", "by", "change", "choice", "correct", "costs", "counted", "decimal", "device", "direction",
    "divide", "everything", "except", "exchange", "factor", "fine", "foreign", "from", "gain_noun", "goal", "has",
    "hedge",
    "idiom", "if", "indifferent", "inside", "instead", "is", "keep", "label", "lever", "losing", "loss", "lost",
    "lossless", "lower", "made", "mattering", "mild", "modal", "model", "named", "negation", "no",
    "not_under", "not_worse",
    "nothing", "of", "one", "only", "or", "out", "over", "past", "peak", "per", "platform", "plus",
    "possible", "present",
    "priority", "provided", "quantity", "reference", "refused", "retract", "runtime", "sacrificing", "saving",
    "score", "second", "several", "so", "statistic", "superlative", "talk", "targeting", "than", "that", "the", "thing",
    "through", "to", "too", "unlevered", "unsaid", "upper", "vague", "verdict", "whole", "why", "wished", "without",
]  # fmt: skip
Readings = Mapping[Concept, str]
# Slips are mended in words of these; elsewhere words are too many, and too like others.
_OFTEN_MISSPELT = frozenset({
    "quantity", "upper", "lower", "direction", "change", "loss", "lever", "superlative", "possible", "reference",
    "lossless",
})  # fmt: skip
# Shorter words have too many neighbours to guess at.
LEAST_TYPO, LEAST_MEANT = 4, 5


@dataclass
class _Node:
    """A place in the tree of phrases: what ends here, and the words that go on."""

    readings: dict[Concept, str] = field(default_factory=dict[Concept, str])
    after: dict[str, _Node] = field(default_factory=dict[str, "_Node"])


@dataclass(frozen=True)
class Lexicon:
    """Words of a language; made once, read by everything else.

    Attributes:
        numbers, scales, fractions, factors: words → what they count.
        units: written form → kind of measure, and the unit as `contracts.units` writes it.
        unit_phrases: likewise, of several words.
        asking: verbs that ask for what follows, or by which a model does it, and that the grammar needs no more of.
        doing: the same verbs, of what somebody or something does.
        fillers: words that tell nothing.
        slips: words that are often misspelt → as they are meant.
        adverbs: words, and pairs of them, that stand in the middle of phrases and change nothing.
    """

    numbers: Mapping[str, float]
    scales: Mapping[str, float]
    fractions: Mapping[str, float]
    factors: Mapping[str, float]
    units: Mapping[str, tuple[str, str]]
    unit_phrases: Mapping[tuple[str, ...], tuple[str, str]]
    mixed: frozenset[str]
    _root: _Node
    _near: Mapping[str, frozenset[str]]
    _words: frozenset[str]
    _no_typos: frozenset[str]
    asking: frozenset[str]
    doing: frozenset[str]
    fillers: frozenset[str]
    adverbs: frozenset[str]
    slips: Mapping[str, str]

    @classmethod
    def of(
        cls,
        numbers: Mapping[str, float],
        scales: Mapping[str, float],
        fractions: Mapping[str, float],
        factors: Mapping[str, float],
        units: Mapping[str, tuple[str, str]],
        unit_phrases: Mapping[str, tuple[str, str]],
        concepts: Mapping[Concept, Mapping[str, str]],
        no_typos: str,
        asking: str,
        doing: str,
        fillers: str,
        adverbs: str,
        slips: Mapping[str, str],
    ) -> Lexicon:
        """Return a lexicon from phrases separated by `|`."""
        root, words, near = _Node(), set[str](), set[str]()
        mixed = {
            word
            for phrase in _phrases(concepts)
            for word in phrase.split()
            if not word.isalpha() and not word.isdigit()
        }
        for concept, by_value in concepts.items():
            for value, phrases in by_value.items():
                for phrase in phrases.split("|"):
                    parts = [token.text for token in tokenize(phrase, mixed, units)]
                    words |= {part for part in parts if part.isalpha()}
                    near |= set(parts) if concept in _OFTEN_MISSPELT else set()
                    _add(root, parts, concept, value)
                    if "'" in phrase:  # which people leave out
                        _add(root, [part.replace("'", "") for part in parts], concept, value)
        counted = {*numbers, *fractions, *factors, *(unit for unit in units if len(unit) > 3)}
        long = {word for word in near | counted if len(word) >= LEAST_MEANT and word.isalpha()}
        return cls(
            numbers, scales, fractions, factors, units,
            {tuple(fold(phrase).split()): unit for phrase, unit in unit_phrases.items()},
            frozenset(mixed), root, _neighbours(long), frozenset(words | counted | set(units) | set(scales)),
            frozenset(no_typos.split("|")),
            frozenset(asking.split("|")), frozenset(doing.split("|")), frozenset(fillers.split("|")),
            frozenset(adverbs.split("|")),
            slips,
        )  # fmt: skip

    def longest(self, tokens: Sequence[Token], at: int) -> tuple[int, Readings]:
        """Return how many tokens the longest phrase from `at` on takes, and its readings; 0 where none begins."""
        node, best, readings = self._root, 0, {}
        for index in range(at, len(tokens)):
            if tokens[index].kind == "name" or (following := node.after.get(tokens[index].text)) is None:
                break
            node = following
            if node.readings:
                best, readings = index - at + 1, node.readings
        return best, readings

    @cached_property
    def written_units(self) -> frozenset[str]:
        """What may be written right behind a number."""
        about = {word for word, node in self._root.after.items() if "about" in node.readings}
        return frozenset({*self.units, *self.scales, *about})

    def single(self, word: str) -> Readings:
        """Return the readings of one word."""
        node = self._root.after.get(word)
        return node.readings if node else {}

    def corrected(self, word: str) -> str:
        """Return the word that a misspelt one stands for, itself where there is none or more than one."""
        if word in self.slips:
            return self.slips[word]
        if len(word) < LEAST_TYPO or word in self._words or word in self._no_typos or not word.isalpha():
            return word
        near = {meant for key in _deletions(word) for meant in self._near.get(key, ()) if _is_slip(word, meant)}
        return near.pop() if len(near) == 1 else word


def _phrases(concepts: Mapping[Concept, Mapping[str, str]]) -> Iterator[str]:
    for by_value in concepts.values():
        for phrases in by_value.values():
            yield from phrases.split("|")


def _add(root: _Node, parts: Iterable[str], concept: Concept, value: str) -> None:
    node = root
    for part in parts:
        node = node.after.setdefault(part, _Node())
    node.readings.setdefault(concept, value)


def _neighbours(words: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return each spelling with one letter less, or none → the words that it may have come from."""
    found: dict[str, set[str]] = {}
    for word in words:
        for key in _deletions(word):
            found.setdefault(key, set()).add(word)
    return {key: frozenset(meant) for key, meant in found.items()}


def _deletions(word: str) -> Iterator[str]:
    word = word[:40]
    yield word
    for index in range(len(word)):
        yield word[:index] + word[index + 1 :]


def _is_slip(typed: str, meant: str) -> bool:
    """Tell whether one letter was left out, added, mistaken or swapped with its neighbour; never the first."""
    if typed[0] != meant[0] or abs(len(typed) - len(meant)) > 1:
        return False
    same = next((index for index, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b), None)
    if same is None:
        return True
    a, b = typed[same:], meant[same:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
