"""Numbers and measures as people write and say them: `two and a half`, `10 megs`, `half a point`, `30 a second`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...contracts import RequestError, units
from .lexicon import Concept, Lexicon
from .tokens import FRACTIONS, Token

MeasureKind = Literal[
    "bytes", "duration", "long", "rate", "decibel", "percent", "points", "factor", "share", "bare", "bits", "foreign"
]
_COUNTABLE = frozenset({"bytes", "duration", "points", "percent", "basis"})
_DASHES = frozenset("-−–—")


@dataclass(frozen=True)
class Measure:
    """An amount.

    Attributes:
        kind: `bytes`, `duration` in ms, `rate` per second, `decibel`; `percent`, `points` and `share` as fractions;
            `factor`; `bits`; `long` are minutes and more, which no call may take; `foreign` counts what no bound is of.
        value: in that unit; of a range, its lower end.
        high: the upper end of a range.
        sign: `-` or `+` where one is written before it.
        counted: whether it is a share of things that were counted: `90 out of 100`.
    """

    kind: MeasureKind
    value: float
    high: float | None = None
    sign: str = ""

    @property
    def top(self) -> float:
        """The upper end."""
        return self.value if self.high is None else self.high

    def as_range(self, low: Measure) -> Measure:
        """Return the range from `low`, which may lack its unit, to this."""
        scale = 1.0
        if low.kind == "bare" and self.kind != "bare":
            scale = self.value / self.bare if self.bare else 1.0
        ends = sorted((low.value * scale, self.value))
        return replace(self, value=ends[0], high=ends[1])

    bare: float = 0.0
    counted: bool = False


class MeasureGrammar:
    """A recursive-descent grammar over tokens; each method returns how many it takes, 0 for none."""

    def __init__(self, tokens: Sequence[Token], lexicon: Lexicon) -> None:
        self._tokens, self._lexicon = tokens, lexicon

    def measure(self, at: int) -> tuple[int, Measure | None]:
        """Measure := [sign] number [unit | 'per' time] | [article] fraction ['of'] ['a'] unit | factor."""
        sign = self._sign(at)
        if sign:
            length, measure = self._unsigned(at + 1)
            return (length + 1, replace(measure, sign=sign)) if measure else (0, None)
        return self._unsigned(at)

    def _sign(self, at: int) -> str:
        token = self._at(at)
        if token is None or token.kind != "mark" or token.text not in {"-", "+", *_DASHES}:
            return ""
        after = self._at(at + 1)
        touches = after is not None and after.kind == "number" and after.start == token.end
        before = self._at(at - 1)
        apart = before is None or before.end < token.start or before.kind == "mark"
        return ("+" if token.text == "+" else "-") if touches and apart else ""

    def _unsigned(self, at: int) -> tuple[int, Measure | None]:
        token = self._at(at)
        if token is None or token.kind not in ("word", "number"):
            return 0, None
        if token.text in self._lexicon.factors and token.kind == "word":
            factor = self._lexicon.factors[token.text]
            return 1, Measure("factor", abs(factor), sign="-" if factor < 0 else "")
        if self._is(at, "factor"):
            return self._factor(at)
        if self._is(at, "divide"):
            return self._divided(at)
        if self._is(at, "several"):
            return self._several(at)
        length, value = self.number(at)
        if length:
            return self._with_unit(at, length, value)
        return self._fraction(at)

    def _factor(self, at: int) -> tuple[int, Measure | None]:
        skip = 2 if self._text(at + 1) in (":",) or self._is(at + 1, "whole") else 1
        length, value = self.number(at + skip)
        return (skip + length, Measure("factor", value)) if length else (0, None)

    def _divided(self, at: int) -> tuple[int, Measure | None]:
        skip = 2 if self._is(at + 1, "by") else 1
        length, value = self.number(at + skip)
        return (skip + length, Measure("factor", value, sign="-")) if length else (0, None)

    def _several(self, at: int) -> tuple[int, Measure | None]:
        """Take `a couple of megabytes` for an amount that is no number."""
        skip = 2 if self._is(at + 1, "whole") else 1
        skip += 1 if self._text(at + skip) in self._lexicon.scales else 0  # `a few hundred kB`
        taken, _, _ = self._unit(at + skip)
        return (skip + taken, Measure("foreign", 0.0)) if taken else (0, None)

    def _fraction(self, at: int) -> tuple[int, Measure | None]:
        """[article] fraction ['of'] ['a'] [unit], or an article and a unit."""
        skip = 1 if self._is_article(at) else 0
        name = self._text(at + skip)
        part = self._lexicon.fractions.get(name)
        of = self._is(at + skip + 1, "whole") and (
            self._is_article(at + skip + 2) or self._is(at + skip + 2, "quantity")
        )
        if part is not None and (skip or of or part in (0.5, 0.25)):
            return self._part(at, skip + 1, part)
        if not skip:
            return 0, None
        length, kind, unit = self._unit(at + 1)
        if length and kind in _COUNTABLE and self._is(at, "one") and not self._is_ordinal(at + 1, kind):
            return 1 + length, self._of(1.0, kind, unit)
        return (1 + length, Measure("factor", 10.0)) if kind == "magnitude" else (0, None)

    def _is_ordinal(self, at: int, kind: str) -> bool:
        """Tell whether `second` counts something: `a second model`."""
        after = self._at(at + 1)
        counts = after is not None and after.kind == "word" and not self._lexicon.single(after.text)
        return kind == "duration" and (counts or self._is(at + 1, "model") or self._is(at + 1, "quantity"))

    def _part(self, at: int, length: int, part: float) -> tuple[int, Measure | None]:
        skip = length
        skip += 1 if self._is(at + skip, "whole") else 0
        skip += 1 if self._is(at + skip, "one") else 0
        dozens, several = self.number(at + skip) if self._is(at + skip - 1, "one") else (0, 0.0)
        skip, part = skip + dozens, part * several if dozens else part
        taken, kind, unit = self._unit(at + skip)
        if taken and kind in _COUNTABLE and not self._is(at + skip, "quantity"):
            return self._trailing(at, skip + taken, self._of(part, kind, unit))
        return length, Measure("share", part)

    def _with_unit(self, at: int, length: int, value: float) -> tuple[int, Measure | None]:
        rate = self._rate(at, length, value)
        if rate is not None:
            return rate
        counted = 1 if self._is(at + length, "counted") else 0
        if self._is(at + length + counted, "out") and self._is(at + length + counted + 1, "whole"):
            skip = length + counted + 2
            count, of = self.number(at + skip)
            if count and 0 < value <= of:
                return skip + count, Measure("percent", round(value / of, 12), counted=True)
        if (one_in := self._one_in(at + length + counted, value)) is not None:
            return one_in
        part = self._lexicon.fractions.get(self._text(at + length))
        if part is not None and not self._is(at + length + 1, "as"):
            return self._part(at, length + 1, value * part)
        taken, kind, unit = self._unit(at + length)
        if not taken:
            written = length == 1 and ("/" in self._tokens[at].text or self._tokens[at].text in FRACTIONS)
            return length, Measure("share" if written else "bare", value, bare=value)
        measure = self._of(value, kind, unit)
        return self._trailing(at, length + taken, measure)

    def _one_in(self, at: int, value: float) -> tuple[int, Measure] | None:
        """Take `in every two hundred [answers]` behind a number: a share of things that were counted."""
        if not (self._is(at, "inside") and self._is(at + 1, "per")):
            return None
        count, of = self.number(at + 2)
        if not count or not 0 < value <= of or self._unit(at + 2 + count)[0]:
            return None
        return at + 2 + count, Measure("percent", round(value / of, 12), counted=True)

    def _trailing(self, at: int, length: int, measure: Measure | None) -> tuple[int, Measure | None]:
        """Take `per image` along, which changes nothing."""
        if measure is None:
            return 0, None
        per, counted = self._is(at + length, "per"), self._is(at + length + 1, "counted")
        if measure.kind == "duration" and per and counted and not self._is(at + length, "by"):
            return length + 2, measure
        return length, measure

    def _rate(self, at: int, length: int, value: float) -> tuple[int, Measure | None] | None:
        """Number [what is counted] 'per' time."""
        skip = length
        while skip < length + 2 and self._is(at + skip, "counted"):
            skip += 1
        if not self._is(at + skip, "per"):
            return None
        time = self._lexicon.single(self._text(at + skip + 1)).get("second")
        if time is None:
            return None
        rate = self._of(value, "rate", f"/{time}")
        return (skip + 2, rate) if rate else None

    def number(self, at: int) -> tuple[int, float]:
        """Number := digits [scale] | spoken [('and' 'a' fraction) | ('point' digits…)]."""
        token = self._at(at)
        if token is not None and token.kind == "number":
            length, value = (2 if self._is(at + 1, "about") else 1), token.value
            scale = self._lexicon.scales.get(self._text(at + 1))
            return (2, value * scale) if scale and length == 1 else self._and_part(at, length, value)
        length, value = self._spoken(at)
        if not length:
            return 0, 0.0
        if self._is(at + length, "decimal"):
            return self._decimals(at, length, value)
        return self._and_part(at, length, value)

    def _and_part(self, at: int, length: int, value: float) -> tuple[int, float]:
        """Take `and a half` along."""
        part = self._lexicon.fractions.get(self._text(at + length + 2), 0.0)
        if part and self._is(at + length, "plus") and self._is(at + length + 1, "one"):
            return length + 3, value + part
        return length, value

    def _decimals(self, at: int, length: int, value: float) -> tuple[int, float]:
        digits, skip = "", length + 1
        while (digit := self._lexicon.numbers.get(self._text(at + skip), -1.0)) in range(10) and len(digits) < 9:
            digits, skip = digits + str(int(digit)), skip + 1
        return (skip, value + float(f"0.{digits}")) if digits else (length, value)

    def _spoken(self, at: int) -> tuple[int, float]:
        """Add up `one hundred and twenty five`; `a hundred` counts as one."""
        total, current, length = 0.0, 0.0, 0
        if self._is_article(at) and self._text(at + 1) in self._lexicon.scales and self._is(at, "one"):
            current, length = 1.0, 1
        while True:
            word = self._text(at + length)
            if word in self._lexicon.numbers:
                current += self._lexicon.numbers[word]
            elif word in self._lexicon.scales and (
                length or (word.isalpha() and len(word) > 3 and self._unit(at + 1)[0])
            ):
                scale = self._lexicon.scales[word]
                current = max(current, 1.0) * scale
                total, current = (total + current, 0.0) if scale >= 1000 else (total, current)
            elif self._is(at + length, "plus") and length and self._goes_on(at + length):
                pass
            else:
                return (length, total + current) if length else (0, 0.0)
            length += 1

    def _goes_on(self, at: int) -> bool:
        """Tell whether `and` is inside a number: `hundred and twenty`, not `ten and twenty`."""
        return self._text(at - 1) in self._lexicon.scales and self._text(at + 1) in self._lexicon.numbers

    def _unit(self, at: int) -> tuple[int, str, str]:
        """Return the length, kind and canonical form of the unit at a place; length 0 for none."""
        for length in (3, 2):
            found = self._lexicon.unit_phrases.get(tuple(self._text(at + step) for step in range(length)))
            if found:
                return length, *found
        found = self._lexicon.units.get(self._text(at))
        return (1, *found) if found else (0, "", "")

    def _of(self, value: float, kind: str, unit: str) -> Measure | None:
        """Return a measure; arithmetic between units is `contracts.units`'."""
        try:
            if kind == "bytes":
                return Measure("bytes", units.parse_bytes(f"{value!r}{unit}"), bare=value)
            if kind in ("duration", "long"):
                milliseconds = units.parse_milliseconds(f"{value!r}{unit}")
                return Measure("duration" if kind == "duration" else "long", milliseconds, bare=value)
            if kind == "rate":
                return Measure("rate", units.parse_rate(f"{value!r}{unit}"), bare=value)
            if kind in ("percent", "points", "basis"):
                share = units.parse_share(f"{value!r}{unit}") / (100 if kind == "basis" else 1)
                return Measure("percent" if kind == "percent" else "points", round(share, 12), bare=value)
        except RequestError:  # nothing, or beyond all measure
            return Measure("foreign", value)
        if kind == "magnitude":
            return Measure("factor", 10.0 ** min(value, 9.0))
        if kind == "letter":  # `64M`, which is of bytes where memory or size is spoken of
            return Measure("foreign", value, bare=units.parse_bytes(f"{value!r}{unit}"))
        kinds: dict[str, MeasureKind] = {"decibel": "decibel", "factor": "factor", "bits": "bits"}
        return Measure(kinds.get(kind, "foreign"), value, bare=value)

    def _at(self, at: int) -> Token | None:
        return self._tokens[at] if 0 <= at < len(self._tokens) else None

    def _text(self, at: int) -> str:
        token = self._at(at)
        return token.text if token is not None and token.kind in ("word", "mark") else ""

    def _is(self, at: int, concept: Concept) -> bool:
        return concept in self._lexicon.single(self._text(at))

    def _is_article(self, at: int) -> bool:
        return self._is(at, "one") or self._is(at, "the")
