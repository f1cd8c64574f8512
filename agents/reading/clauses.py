"""Cut items into sentences and clauses; a clause holds at most one measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from .items import Item
from .lexicon import Concept

_INSERTING = frozenset(",()–—-")
_SEPARATORS = frozenset({",", "(", ")", "[", "]", "{", "}", "|", "/", "-", "–", "—"})
# Measures that say by themselves which quantity they are of; a noun behind one may belong to the next.
_COMPLETE = frozenset({"bytes", "duration", "rate", "decibel"})
_OF_COMPLETE = {
    "bytes": ("size", "memory"),
    "duration": ("latency", "first"),
    "rate": ("throughput",),
    "decibel": ("fidelity",),
}


@dataclass(frozen=True)
class Clause:
    """Items that belong together, with what opened them.

    Attributes:
        items: without separators.
        opener: the concepts of the conjunction before, or the mark; empty at the start of a sentence.
        first: whether it opens a sentence.
        lead: the item before what opened it.
        judged: whether what its measure bounds is called bad: `if it is over 10 MB, we can't ship it`.
    """

    items: tuple[Item, ...]
    opener: Item | None = None
    first: bool = False
    lead: Item | None = None
    judged: bool = False

    def having(self, *concepts: Concept) -> list[Item]:
        """Return the items that may stand for one of `concepts`."""
        return [item for item in self.items if item.has(*concepts)]

    def has(self, *concepts: Concept) -> bool:
        """Tell whether any item may stand for one of `concepts`."""
        return any(item.has(*concepts) for item in self.items)

    def without(self, gone: Iterable[Item]) -> Clause:
        """Return the clause without some items, compared by where they stand."""
        starts = {item.start for item in gone}
        kept = tuple(item for item in self.items if item.start not in starts)
        return replace(self, items=kept)

    def opened_by(self, *concepts: Concept) -> bool:
        """Tell whether a conjunction before it may stand for one of `concepts`."""
        return self.opener is not None and self.opener.has(*concepts)

    @property
    def measured(self) -> Item | None:
        """The item that is a measure."""
        return next((item for item in self.items if item.measure), None)

    def before(self, item: Item) -> tuple[Item, ...]:
        """Return the items before one."""
        return tuple(each for each in self.items if each.start < item.start)

    def after(self, item: Item) -> tuple[Item, ...]:
        """Return the items after one."""
        return tuple(each for each in self.items if each.start > item.start)


def sentences(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Yield the items of each sentence."""
    current: list[Item] = []
    for item in items:
        if item.kind == "end":
            if current:
                yield current
            current = []
        else:
            current.append(item)
    if current:
        yield current


def clauses(sentence: Sequence[Item]) -> list[Clause]:
    """Return the clauses of a sentence: cut at separators, then so that each has one measure."""
    found: list[Clause] = []
    opener: Item | None = None
    lead: Item | None = None
    current: list[Item] = []
    sentence = _without_insertions(sentence)
    for index, item in enumerate(sentence):
        if current and (item.has("without") or _is_aside(item, current)):
            found += _cut(current, opener, not found, lead)
            opener, current = None, [item]
        elif _is_passed_over(item, current, sentence[index + 1 : index + 4]):
            continue
        elif _separates(item, sentence, index):
            if current:
                found += _cut(current, opener, not found, lead)
            if current or opener is None or not opener.has("provided", "if", "but"):
                opener, lead = item, sentence[index - 1] if index else None
            current = []
        else:
            current.append(item)
    if current:
        found += _cut(current, opener, not found, lead)
    return found


def _without_insertions(sentence: Sequence[Item]) -> Sequence[Item]:
    """Leave out what is inserted of the present: `accuracy, now 88 %, should stay above 86 %`."""
    marks = [index for index, item in enumerate(sentence) if item.kind == "mark" and item.text in _INSERTING]
    kept, done, before = list[Item](), 0, 0
    for start, end in pairwise(marks):
        if start < done:
            continue
        if _is_insertion(sentence[before:start], sentence[start + 1 : end], sentence[end + 1 : end + 2]):
            kept += sentence[done:start]
            done = before = end + 1
        else:
            before = start + 1
    return [*kept, *sentence[done:]]


def _is_insertion(before: Sequence[Item], inside: Sequence[Item], behind: Sequence[Item]) -> bool:
    """Tell whether a clause is of a quantity and goes on behind what is told of its present."""
    told = sum(item.measure is not None for item in inside) == 1 and any(item.has("present") for item in inside)
    asked = any(item.has("goal", "modal", "upper", "lower", "fine", "direction", "keep") for item in inside)
    named = any(item.has("quantity") for item in before) and not any(item.measure for item in before)
    return told and not asked and named and any(item.has("goal", "modal") for item in behind)


def _is_passed_over(item: Item, current: list[Item], behind: Sequence[Item]) -> bool:
    """Tell whether what would separate clauses joins them."""
    if item.has("and", "or") and _is_kept_out(current, behind):
        return True
    return (item.has("if") and _is_permission(current)) or (item.text == "," and _is_afterthought(behind))


def _is_kept_out(current: Sequence[Item], behind: Sequence[Item]) -> bool:
    """Tell whether the second of two levers comes before what refuses both: `leave fp16 and pruning out of it`."""
    levers = bool(current) and current[-1].has("lever") and bool(behind) and behind[0].has("lever")
    kept = bool(current) and current[0].has("keep")
    return levers and kept and len(behind) > 1 and behind[1].has("out", "refused")


def _is_afterthought(behind: Sequence[Item]) -> bool:
    """Tell whether a sentence ends with what its number is of: `30 % of what it uses today, in RAM`."""
    ends = len(behind) == 2 or (len(behind) == 3 and behind[2].kind == "mark")
    return ends and behind[0].has("inside") and behind[1].has("quantity")


def _is_aside(item: Item, current: list[Item]) -> bool:
    """Tell whether what does not matter follows a bound: `get it to 12 ms no matter how big it becomes`."""
    before = item.value("indifferent") == "before" and not item.has("negation", "sacrificing")
    return before and any(each.measure for each in current)


def _is_permission(items: list[Item]) -> bool:
    """Tell whether what is said before an `if` lets it be: `it is fine if it gets slower`."""
    return any(item.has("fine", "indifferent") for item in items) and not any(item.measure for item in items)


def _separates(item: Item, sentence: Sequence[Item], index: int) -> bool:
    if item.kind == "mark" and item.measure is None and item.text in _SEPARATORS:
        return True
    if item.has("to", "upper", "quantity", "negation") and not item.has("but", "provided"):
        return False
    if item.has("so"):  # `half so big` goes on
        return not (index + 1 < len(sentence) and sentence[index + 1].has("adjective", "vague"))
    return item.has("and", "or", "but", "provided", "if")


def _cut(items: list[Item], opener: Item | None, first: bool, lead: Item | None) -> Iterator[Clause]:
    """Yield clauses with one measure each: `5mb 15ms acc>=0.97` is three."""
    places = [index for index, item in enumerate(items) if item.measure]
    start = 0
    for here, there in pairwise(places):
        if _belongs(items[here + 1 : there]):
            continue
        end = here + 1 + _taken(items[start : here + 1], items[here + 1 : there])
        yield Clause(tuple(items[start:end]), opener, first, lead)
        start, opener, first, lead = end, None, False, None
    yield Clause(tuple(items[start:]), opener, first, lead)


def _belongs(between: Sequence[Item]) -> bool:
    """Tell whether two measures are in one clause: `15 ms instead of 20 ms`."""
    return any(item.has("instead") for item in between)


def _taken(before: Sequence[Item], between: Sequence[Item]) -> int:
    """Return how many of the items between two measures belong to the first."""
    measure = before[-1].measure
    assert measure is not None
    named = any(item.has("quantity", "direction", "loss", "adjective") for item in before[:-1])
    cut = next((index for index, item in enumerate(between) if _opens_bound(item)), None)
    cut = len(between) if cut is None else _noun_before(between, cut)
    mine = 0
    for index, item in enumerate(between[:cut]):
        quantity = item.value("quantity")
        if measure.kind in _COMPLETE and quantity and quantity not in _OF_COMPLETE[measure.kind]:
            break
        if quantity and named and measure.kind not in _COMPLETE and not between[index - 1].has("of"):
            break
        mine = index + 1
    return mine


def _opens_bound(item: Item) -> bool:
    corrects = item.has("correct", "retract") and not item.has("direction", "instead")
    return corrects or item.has("upper", "lower", "goal", "is") or (item.has("negation") and item.has("and"))


def _noun_before(between: Sequence[Item], cut: int) -> int:
    """Return where the noun begins that stands before a comparator: `… acc >= 0.97`."""
    at = cut
    while (
        at > 0 and not between[cut].has("negation") and between[at - 1].has("quantity", "article", "statistic", "loss")
    ):
        at -= 1
    return at


def trimmed(items: Sequence[Item], is_content: Callable[[Item], bool]) -> tuple[int, int]:
    """Return where the items that say something begin and end."""
    content = [item for item in items if is_content(item)] or list(items)
    return content[0].start, content[-1].end
