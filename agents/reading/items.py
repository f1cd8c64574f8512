"""From tokens to items: concepts of the lexicon, measures, and what separates them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .lexicon import Concept, Lexicon, Readings
from .measures import Measure, MeasureGrammar
from .normal import normal
from .tokens import Token, tokenize

_DEVICE = re.compile(r"[a-z]+\d*|[a-z]+")
# What leads the eye to a number: `SIZE ...... 5 MB`.
_LEADER = re.compile(r"(?<![.·_])[.·_]{4,}+(?=[^\S\n]{0,8}[<>≤≥~=]{0,2}[^\S\n]{0,8}\d)")
_FEW = 3
_NO_READINGS: Readings = {}


@dataclass(frozen=True)
class Item:
    """What the grammar works on.

    Attributes:
        start, end: where it stands in the words.
        text: of its first token, folded.
        readings: the concepts that it may stand for; none for words that the lexicon does not know, and for marks.
        measure: an amount, if it is one.
        kind: of its first token.
        hint: `asking`, `doing` or `filler` where the lexicon knows no more of a word than that.
    """

    start: int
    end: int
    text: str
    kind: str
    readings: Readings = field(default_factory=lambda: _NO_READINGS)
    measure: Measure | None = None
    hint: str = ""

    def has(self, *concepts: Concept) -> bool:
        """Tell whether it may stand for one of `concepts`."""
        return any(concept in self.readings for concept in concepts)

    def value(self, concept: Concept) -> str:
        """Return which one of a concept it is, empty where it is none."""
        return self.readings.get(concept, "")


def items_of(words: str, lexicon: Lexicon) -> list[Item]:
    """Return the items of `words`, in their order."""
    tokens = tokenize(_visible(words), lexicon.mixed, lexicon.written_units)
    tokens = [replace(token, text=lexicon.corrected(token.text)) if token.kind == "word" else token for token in tokens]
    return _ranges(_without_brackets(_without_counts(_without_labels(_tagged(normal(tokens, lexicon), lexicon)))))


def _visible(words: str) -> str:
    """Return the words, each character in its place, with blanks for what cannot be seen, as control codes.

    A row of dots that leads to a number becomes a colon.
    """
    seen = "".join(" " if unicodedata.category(each)[0] == "C" and each != "\n" else each for each in words)
    return _LEADER.sub(lambda found: ":".ljust(len(found[0])), seen)


def _tagged(tokens: Sequence[Token], lexicon: Lexicon) -> list[Item]:
    grammar, items, at = MeasureGrammar(tokens, lexicon), list[Item](), 0
    while at < len(tokens):
        count, readings = lexicon.longest(tokens, at)
        length, measure = grammar.measure(at)
        taken = max(count, length, 1)
        first, last = tokens[at], tokens[at + taken - 1]
        if length > count:
            items.append(Item(first.start, last.end, first.text, first.kind, measure=measure))
        elif first.kind == "name":
            items.append(Item(first.start, last.end, first.text, first.kind, _device(first.text, lexicon)))
        else:
            hint = "" if readings else _hint(first.text, lexicon)
            items.append(Item(first.start, last.end, first.text, first.kind, readings, hint=hint))
        at += taken
    return items


def _hint(word: str, lexicon: Lexicon) -> str:
    if word in lexicon.doing:
        return "doing"
    return "asking" if word in lexicon.asking else "filler" if word in lexicon.fillers else ""


def _without_brackets(items: list[Item]) -> list[Item]:
    """Drop the brackets around a few words without a number: `tail latency (p99) of 40 ms`."""
    gone: set[int] = set()
    opened: int | None = None
    for index, item in enumerate(items):
        if item.kind == "mark" and item.text == "(":
            opened = index
        elif item.kind == "mark" and item.text == ")" and opened is not None:
            inside = items[opened + 1 : index]
            commas = {at for at in range(opened, index) if items[at].text == ","}
            words = [each for each in inside if each.text != ","]
            if len(words) <= _FEW and not any(each.measure or each.kind in ("mark", "end") for each in words):
                gone |= {opened, index, *commas}
            opened = None
    return [item for index, item in enumerate(items) if index not in gone]


def _without_counts(items: list[Item]) -> list[Item]:
    """Drop over how many calls a statistic is taken: `mean over 1000 runs`."""
    gone: set[int] = set()
    for at, (one, two, three, four) in enumerate(zip(items, items[1:], items[2:], items[3:], strict=False)):
        if one.has("statistic") and two.has("over") and three.measure is not None and four.has("counted"):
            gone |= {at + 1, at + 2, at + 3}
    return [item for at, item in enumerate(items) if at not in gone]


def _device(name: str, lexicon: Lexicon) -> Readings:
    """Return the platform of hardware that a name begins with, as `cortex-m4`."""
    for pattern in (r"[a-z]+\d+", r"[a-z]+"):
        found = re.match(pattern, name)
        platform = lexicon.single(found[0]).get("device") if found else None
        if platform:
            return {"platform": platform}
    return _NO_READINGS


def _without_labels(items: list[Item]) -> list[Item]:
    """Take numbers that name something, as in `ticket 4711` or `Pixel 7`, for parts of the name."""
    kept: list[Item] = []
    for item in items:
        before = kept[-1] if kept else None
        if before and _is_labelled(item, before):
            kept[-1] = replace(before, end=item.end)
        else:
            kept.append(item)
    return kept


def _is_labelled(item: Item, before: Item) -> bool:
    bare = item.measure is not None and item.measure.kind == "bare" and before.end < item.start
    return bare and before.has("label", "device", "platform") and not before.has("quantity", "statistic")


def _ranges(items: list[Item]) -> list[Item]:
    """Join `5-10 MB` and `between 5 and 10 MB`; of `from 40 MB to 10 MB` only where it leads is left."""
    out: list[Item] = []
    at = 0
    while at < len(items):
        one, joint, two = (items[at + step] if at + step < len(items) else None for step in range(3))
        joined = _joined(out, one, joint, two) if one and joint and two else None
        if one and joint and two and joined is None and _leads_on(out, one, joint, items[at + 2 : at + 5]):
            at += 1  # where it comes from; where it leads follows
            items = _with_unit_of(one, items, at)
        elif joined is None:
            out.append(items[at])
            at += 1
        else:
            out += joined
            at += 3
    return out


def _joined(before: list[Item], one: Item, joint: Item, two: Item) -> list[Item] | None:
    low, high = one.measure, two.measure
    if low is None or high is None or (low.kind not in ("bare", high.kind) and high.kind != "bare"):
        return None
    if joint.has("or") and low.kind != "bare" and high.kind == "bare" and low.bare:
        return [replace(one, end=two.end, measure=replace(low, high=low.value / low.bare * high.value))]
    if high.kind == "bare" and low.kind != "bare":
        return None
    dash = joint.kind == "mark" and joint.text in ("-", "–", "—")
    between = bool(before) and before[-1].has("between")
    if joint.has("to") and (low.kind != "bare" or _leads(before)):
        return [joint, two]
    if not (dash or (between and joint.has("and", "to")) or (joint.has("to") and low.kind == "bare")):
        return None
    ends = high.as_range(low)
    return [replace(one, end=two.end, measure=ends)]


def _leads_on(before: list[Item], one: Item, joint: Item, rest: list[Item]) -> bool:
    """Tell whether `from 100 ms to under 40 ms` begins here."""
    kind = one.measure.kind if one.measure else ""
    alike = any(item.measure is not None and (kind == "bare" or item.measure.kind in (kind, "bare")) for item in rest)
    return bool(kind) and _leads(before) and joint.has("to") and alike


def _with_unit_of(one: Item, items: list[Item], at: int) -> list[Item]:
    """Return items whose next number takes the unit of `one`: `from 80 MB down to around 20`."""
    place = next((place for place in range(at, min(at + 5, len(items))) if items[place].measure), None)
    low, high = one.measure, items[place].measure if place is not None else None
    if place is None or low is None or high is None or high.kind != "bare" or not low.bare:
        return items
    taken = replace(low, value=high.value * low.value / low.bare, bare=high.value)
    return [*items[:place], replace(items[place], measure=taken), *items[place + 1 :]]


def _leads(before: list[Item]) -> bool:
    return bool(before) and before[-1].has("from", "present")
