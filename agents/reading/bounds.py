"""Bounds: what a clause with a measure asks for."""

from __future__ import annotations

from dataclasses import replace

from .clauses import Clause, trimmed
from .context import Context
from .items import Item
from .measures import Measure
from .relative import Way, faster_by_time, ratio, rounded, speedup
from .statements import Outcome, Statement, Unread

# Absolute kind → quantity that it is of where no noun says so.
_OF_KIND = {"bytes": "size", "duration": "latency", "rate": "throughput", "decibel": "fidelity"}
_FIELDS = {
    "size": "max_size_bytes", "memory": "max_memory_bytes", "latency": "max_latency_ms",
    "throughput": "min_throughput_per_s", "fidelity": "min_fidelity_db",
}  # fmt: skip
_UPPER = frozenset({"size", "memory", "latency"})
_LEAST_ACCURACY = 0.5
_UNLIKELY_ACCURACY = 0.3
_LARGEST_BARE_DROP = 0.1
_STATISTICS = ("mean", "p50", "p95", "p99")


class BoundReader:
    """Reads one clause that has a measure."""

    def __init__(self, clause: Clause, context: Context, about: str = "") -> None:
        """Read `clause`; `about` is the quantity where another clause names it."""
        self._clause, self._context, self._about = clause, context, about
        item = clause.measured
        assert item is not None
        assert item.measure is not None
        self._item, self._measure = item, item.measure
        self._before, self._after = clause.before(item), clause.after(item)

    def read(self) -> list[Outcome]:
        """Return what the clause asks for."""
        if self._is_retracted():
            return []
        measure = self._with_carried_unit()
        if measure.kind in _OF_KIND:
            return self._absolute(measure)
        if measure.kind in ("long", "foreign", "bits"):
            return [self._unread()]
        found = self._relative(measure)
        if found is None and measure.kind == "bare" and self._item.text.isalpha() and not self._is_telling():
            return []  # `two things`
        return found if found is not None else [self._unread()]

    def _is_telling(self) -> bool:
        return self._has("quantity", "upper", "lower", "direction", "change", "loss", "goal")

    # What surrounds the measure

    def _has(self, *concepts: str) -> bool:
        return self._clause.has(*concepts)  # type: ignore[arg-type]

    def _quantities(self) -> list[Item]:
        return [item for item in self._clause.items if item.has("quantity")]

    def _quantity(self) -> str:
        """Return the quantity that the measure is of: what follows it, else what stands nearest before it."""
        after = next((item for item in self._after if item.has("quantity")), None)
        before = next((item for item in reversed(self._before) if item.has("quantity")), None)
        if after and before and before.value("quantity") != after.value("quantity"):
            near = self._item.start - before.end > after.start - self._item.end
            return after.value("quantity") if near else before.value("quantity")
        chosen = before or after
        return chosen.value("quantity") if chosen else self._about

    def _negated(self, until: Item | None = None) -> bool:
        end = until.start if until else self._item.start
        return any(item.has("negation") and item.start < end for item in self._clause.items)

    def _comparator(self) -> str:
        """Return `upper`, `lower` or nothing: the comparator nearest to the measure, turned by what negates it."""
        places = [item for item in self._clause.items if item.has("upper", "lower")]
        near = [item for item in places if item.start < self._item.start][-1:]
        near = near or [item for item in places if not item.has("direction")][:1]
        if not near:
            return ""
        upper = near[0].has("upper") and not (near[0].has("lower") and self._prefers_lower())
        if near[0].value("upper") == "within":
            upper = True
        elif self._negated(near[0]) and not (upper and self._is_of_loss()):
            upper = not upper
        elif not upper and self._is_refused(near[0]):
            upper = True
        elif upper and self._is_refused(near[0]):
            upper = False
        return "upper" if upper else "lower"

    def _prefers_lower(self) -> bool:
        return self._measure.kind in ("rate", "decibel")

    def _is_refused(self, comparator: Item) -> bool:
        """Tell whether what lies beyond the bound is called bad: `anything over 10 MB is a problem`."""
        return any(item.has("refused") and item.start > comparator.start for item in self._clause.items)

    def _is_retracted(self) -> bool:
        """Tell whether the measure is what is not wanted any more: `not 20 ms but …`, `instead of 20 ms`."""
        previous = self._before[-1] if self._before else None
        if previous is None:
            return False
        if previous.has("article") and len(self._before) > 1:
            previous = self._before[-2]
        return previous.has("instead") or (previous.has("negation") and not previous.has("upper", "lower"))

    def _with_carried_unit(self) -> Measure:
        """Return the measure; a bare number takes up the unit of the last one where it can be of nothing else."""
        last, measure = self._context.measure, self._measure
        if measure.kind != "bare" or last is None or self._quantities() or self._is_of_loss():
            return measure
        told = self._context.measured is not None and self._context.measured.strength in ("present", "fact")
        if self._has("direction", "adjective", "change", "reference") or not (
            self._context.correcting or told or self._has("hedge")
        ):
            return measure
        scale = last.value / last.bare if last.bare else 0.0
        taken = replace(last, value=rounded(measure.value * scale), bare=measure.value, high=None, sign="")
        return taken if scale else measure

    # Absolute amounts

    def _absolute(self, measure: Measure) -> list[Outcome]:
        about = self._absolute_quantity(measure)
        if not about or self._is_difference() or self._is_of_something_else() or measure.sign == "-":
            return [self._unread()]
        comparator = self._comparator()
        about = self._opposed(about, comparator)
        value = measure.top if about in _UPPER else measure.value
        if about == "size" or about == "memory":
            value = int(value)
        made = self._statement(_FIELDS[about], value, about)
        if self._is_present(comparator):
            told = self._has("present", "past", "reference") or self._clause.opener is not None
            made = replace(made, strength="present" if told else "fact")
        self._context.measure, self._context.measured = replace(measure, high=None, sign=""), made
        if made.strength in ("present", "fact"):
            return [made]
        wanted = "upper" if about in _UPPER else "lower"
        if comparator and comparator != wanted:
            return [replace(made, below=True)]
        return [made, *self._statistic(about)]

    def _opposed(self, about: str, comparator: str) -> str:
        """Return the quantity of the bound before where this is its other side: `below 100 MB and at least 50 MB`."""
        last, wanted = self._context.measured, "upper" if about in _UPPER else "lower"
        other_side = comparator not in ("", wanted) and not self._quantities()
        alike = (
            last is not None and self._context.measure is not None and self._context.measure.kind == self._measure.kind
        )
        return last.about if last is not None and other_side and alike and last.about in _FIELDS else about

    def _absolute_quantity(self, measure: Measure) -> str:
        named, usual = self._quantity(), _OF_KIND[measure.kind]
        if measure.kind == "bytes":
            return "memory" if named == "memory" else "" if named == "first" else usual
        if measure.kind == "duration":
            statistics = [item.value("statistic") for item in self._clause.items if item.has("statistic")]
            return "" if named == "first" or "other" in statistics else usual
        return "" if self._is_of_loss() and measure.kind == "decibel" else usual

    def _is_difference(self) -> bool:
        """Tell whether an amount is what is to be saved rather than what may be left: `reduce it by 5 MB`."""
        ends = self._after[:1] and self._after[0].has("direction") and not self._after[0].has("upper", "lower")
        previous = self._before[-1] if self._before else None
        saved = any(
            item.value("change") == "-" and item.text in ("save", "saves", "shave", "knock") for item in self._before
        )
        return bool(ends) or saved or bool(previous and previous.has("by") and self._has("change", "direction", "loss"))

    def _is_of_something_else(self) -> bool:
        behind = [item for item in self._after[:2] if not item.has("of", "article") or item.has("foreign")]
        if behind and behind[0].has("foreign") and not behind[0].has("quantity"):
            return True
        owns = any(item.has("has") and not item.has("is") for item in self._before)
        return owns and not self._comparator() and not self._has("goal", "only")

    def _is_present(self, comparator: str) -> bool:
        """Tell whether the clause says how things are now."""
        wished = any(item.has("goal", "upper", "lower", "to", "modal") for item in self._clause.items)
        if self._has("past") and not self._has("goal", "modal") and not comparator:
            return True
        told = any(item.has("present") for item in self._clause.items)
        named = any(item.has("reference") for item in self._before) and self._has("is", "quantity")
        if told or named or self._is_fact():
            return not wished and not comparator
        opener = self._clause.opener
        return (
            not wished and opener is not None and opener.text == "(" and not self._quantities() and self._named_before()
        )

    def _is_fact(self) -> bool:
        """Tell whether the measure follows `is`: `the model is 50 MB`."""
        before = [item for item in self._before if not item.has("article", "approximate")]
        return bool(before) and before[-1].has("is") and not before[-1].has("goal", "modal")

    def _named_before(self) -> bool:
        return True

    def _statistic(self, about: str) -> list[Statement]:
        if about != "latency":
            return []
        found = next((item for item in self._clause.items if item.value("statistic") in _STATISTICS), None)
        if found is None:
            return []
        made = Statement("latency_statistic", found.value("statistic"), found.start, found.end, about="statistic")
        return [replace(made, replaces=self._context.correcting)]

    # Relative amounts

    def _relative(self, measure: Measure) -> list[Outcome] | None:
        previous = self._correction_of(measure)
        if previous is not None:
            return previous
        about, comparator = self._quantity(), self._comparator()
        if self._has("past") and not self._has("goal", "reference"):
            return None  # of something that was
        if about == "error" or about == "first":
            return None
        if self._is_of_loss():
            return self._floor(measure) or self._left_of(measure) or self._drop(measure, comparator)
        side, sign = self._direction(about)
        about = side or about or self._implied(measure)
        if about in ("size", "memory"):
            return self._resized(measure, about, sign, comparator)
        if about == "latency":
            return self._timed(measure, sign, comparator)
        if about in ("speed", "throughput"):
            return self._sped(measure, about, sign, comparator)
        if about in ("accuracy", "fidelity"):
            return self._accuracy(measure, about, comparator)
        if self._has("fine", "modal") or comparator == "upper":
            return self._drop(measure, comparator) if measure.kind == "points" else None
        return None

    def _correction_of(self, measure: Measure) -> list[Outcome] | None:
        """Return the last statement with another number, where that is all the clause says."""
        last = self._context.last()
        bare = not self._has("quantity", "direction", "change", "loss", "adjective")
        if not (self._context.correcting and bare and last) or not isinstance(last.value, float):
            return None
        if last.field in ("min_accuracy", "max_accuracy_drop") and measure.kind in ("percent", "points", "bare"):
            return [self._statement(last.field, measure.value, last.about)]
        if last.field == "min_speedup" and measure.kind in ("factor", "bare") and measure.value > 0:
            return [self._statement(last.field, measure.value, last.about)]
        if last.field.endswith("_ratio") and measure.kind in ("percent", "share") and measure.value > 0:
            taken = 1 - measure.value if self._has("by") else measure.value
            return [self._statement(last.field, rounded(taken), last.about)] if taken > 0 else None
        return None

    def _implied(self, measure: Measure) -> str:
        """Return the quantity where no word names one."""
        if self._has("change"):
            return self._context.topic or "size"
        if self._clause.items and any(item.value("upper") == "within" for item in self._clause.items):
            return "accuracy" if self._has("reference") or measure.kind == "points" else ""
        if self._has("reference") and measure.kind in ("percent", "share"):
            return self._context.topic or "size"
        return (
            self._context.topic if self._has("upper", "lower", "goal") and measure.kind in ("percent", "factor") else ""
        )

    def _is_of_loss(self) -> bool:
        """Tell whether the clause speaks of lost quality."""
        about = self._quantity()
        quality = about in ("", "accuracy", "fidelity")
        sides = {item.value("direction") for item in self._clause.items}
        if "accuracy-" in sides:
            return quality
        if any(item.has("loss") for item in self._clause.items):
            return quality and not any(each.startswith(("size", "speed")) for each in sides)
        changes = {item.value("change") for item in self._clause.items}
        return about in ("accuracy", "fidelity") and ("-" in sides or "-" in changes or self._measure.sign == "-")

    def _direction(self, about: str) -> tuple[str, str]:
        """Return the quantity that words of direction name, if they do, and the sign they give."""
        for concept in ("direction", "change", "adjective"):
            for item in self._nearest(concept):
                side = item.value(concept)  # type: ignore[arg-type]
                if side[:-1]:
                    quantity = side[:-1]
                    if quantity == "size" and about == "memory":
                        return "memory", side[-1]
                    if quantity == "size" and about in ("latency", "speed", "throughput"):
                        return about, "-" if about == "latency" else "+"
                    if quantity == "speed" and about == "throughput":
                        return "throughput", side[-1]
                    return quantity, side[-1]
                return "", side
        if any(item.has("loss") for item in self._clause.items):
            return "", "-"
        return "", self._measure.sign

    def _nearest(self, concept: str) -> list[Item]:
        found = [item for item in self._clause.items if item.has(concept)]  # type: ignore[arg-type]
        if concept == "adjective":
            found = [item for item in found if self._is_compared(item)]
        return sorted(found, key=lambda item: abs(item.start - self._item.start))

    def _is_compared(self, item: Item) -> bool:
        """Tell whether an adjective is in `twice as fast` or `half so big`."""
        before = [each for each in self._clause.items if each.start < item.start]
        return bool(before) and before[-1].has("as")

    def _way(self, sign: str) -> Way:
        """Tell what the measure is: what is left, or the difference."""
        previous = next(
            (item for item in reversed(self._before) if not item.has("article", "approximate", "upper", "lower")), None
        )
        if previous is not None and previous.has("to"):
            return "to"
        if previous is not None and previous.has("by") and not previous.has("of"):
            return "by"
        cut = any(item.has("change") for item in self._clause.items)
        taken_off = cut and self._measure.kind != "factor" and any(item.value("change") for item in self._before)
        if not taken_off and (self._is_compared_at_all() or self._is_part_of_whole()):
            return "to"
        halved = previous is not None and previous.has("of") and previous.text == "in" and self._measure.kind == "share"
        if cut and halved:
            return "to" if self._measure.value == 0.5 else "by"
        return "by" if sign else "to"

    def _is_compared_at_all(self) -> bool:
        return any(item.has("adjective") and self._is_compared(item) for item in self._after)

    def _is_part_of_whole(self) -> bool:
        """Tell whether `of the original`, or `the size`, follows: `30 % of its size`, `half the latency`."""
        if self._measure.kind == "factor" and not self._has("reference"):
            return False
        after = self._after[0] if self._after else None
        if after is None or any(item.has("direction") for item in self._after[:2]):
            return False
        of = after.has("of") and after.text == "of"
        return (
            of
            or (after.has("article") and after.text != "a")
            or (after.has("quantity") and self._measure.kind == "share")
        )

    def _resized(self, measure: Measure, about: str, sign: str, comparator: str) -> list[Outcome] | None:
        way = self._way(sign)
        if measure.kind == "bare" and sign == "-" and measure.value > 1 and not self._quantities():
            measure = replace(measure, kind="factor")  # `a compression ratio of 4`
        if measure.kind == "factor" and not sign and not (comparator == "upper" or measure.value < 1):
            return None
        value = ratio(measure, way, sign)
        if value is None or (way == "by" and not sign):
            return None
        grows, left = value > 1, way == "to"
        if not self._is_sensible(comparator, grows, left):
            return None
        return [self._statement(f"max_{about}_ratio", value, about)]

    def _timed(self, measure: Measure, sign: str, comparator: str) -> list[Outcome] | None:
        way = self._way(sign)
        if measure.kind == "factor" and not sign and comparator != "upper":
            return None
        left = ratio(measure, way, sign)
        value = faster_by_time(left)
        if value is None or left is None or not self._is_sensible(comparator, left > 1, way == "to"):
            return None
        return [self._statement("min_speedup", value, "speed")]

    def _sped(self, measure: Measure, about: str, sign: str, comparator: str) -> list[Outcome] | None:
        way = "by" if sign == "+" and measure.kind == "percent" and self._way(sign) != "to" else self._way(sign)
        if measure.kind == "bare":
            named = about == "speed" and any(
                item.text.startswith(("speedup", "speed", "accel")) for item in self._quantities()
            )
            measure = replace(measure, kind="factor") if named else measure
        if measure.kind == "percent" and not sign and way == "to" and measure.value < 1:
            way = "by" if any("up" in item.text or "accel" in item.text for item in self._quantities()) else way
        value = speedup(measure, way, sign)
        slower = sign == "-" or (value is not None and value < 1)
        if value is None or (measure.kind == "bare"):
            return None
        if slower:
            return [self._statement("min_speedup", value, "speed")] if self._is_allowed(comparator) else None
        return (
            None if comparator == "upper" and not self._is_only() else [self._statement("min_speedup", value, "speed")]
        )

    def _is_sensible(self, comparator: str, grows: bool, left: bool) -> bool:
        """Tell whether a comparator goes with what is asked: at least 30 % smaller, at most 30 % of it, 20 % more."""
        if grows:
            return self._is_allowed(comparator) or (left and comparator == "upper")
        if left:
            return comparator != "lower"
        return comparator != "upper" or self._is_only()

    def _is_allowed(self, comparator: str) -> bool:
        return comparator == "upper" or (comparator == "" and self._has("fine", "modal"))

    def _is_only(self) -> bool:
        return self._has("only")

    # Accuracy

    def _floor(self, measure: Measure) -> list[Outcome] | None:
        """Return a least accuracy from `must not fall below 90 %`."""
        places = [item for item in self._clause.items if item.has("upper", "lower") and item.start < self._item.start]
        falls = any(item.value("loss") in ("verb", "drop") or item.has("change") for item in self._before)
        refused = self._negated() or any(item.has("refused") for item in self._after) or self._clause.opened_by("if")
        value = _score(measure)
        if not (places and falls and value is not None and value >= _LEAST_ACCURACY):
            return None
        below = places[-1].has("upper") or places[-1].text in ("not", "never", "no")
        if below and (refused or places[-1].has("lower")):
            return [self._statement("min_accuracy", value, "accuracy")]
        return None

    def _left_of(self, measure: Measure) -> list[Outcome] | None:
        """Return a least accuracy from `may drop to 90 %`."""
        value, previous = _score(measure), self._before[-1] if self._before else None
        if previous is None or not previous.has("to") or value is None or value < _LEAST_ACCURACY:
            return None
        return None if self._negated() else [self._statement("min_accuracy", value, "accuracy")]

    def _drop(self, measure: Measure, comparator: str) -> list[Outcome] | None:
        value = measure.top
        if measure.kind == "bare" and not 0 <= value <= _LARGEST_BARE_DROP:
            return None
        if measure.kind not in ("percent", "points", "bare") or not 0 <= value < 1:
            return None
        if comparator == "lower" and not self._clause.opened_by("if"):
            return None
        if self._negated() and not comparator:
            return None
        return [self._statement("max_accuracy_drop", value, "drop")]

    def _accuracy(self, measure: Measure, about: str, comparator: str) -> list[Outcome] | None:
        within = any(item.value("upper") == "within" for item in self._clause.items)
        if within or (measure.kind == "points" and (comparator == "upper" or self._has("fine", "modal"))):
            return self._drop(measure, "upper")
        if about == "fidelity":
            fits = measure.kind == "bare" and comparator != "upper" and 0 < measure.value <= 200
            return [self._statement("min_fidelity_db", measure.value, "fidelity")] if fits else None
        value = _score(measure)
        if value is None or self._has("change") or measure.sign:
            return None
        whole = self._has("reference") or (self._has("keep") and self._is_part_of_whole())
        if measure.kind == "percent" and whole and value >= _LEAST_ACCURACY and comparator != "upper":
            return [self._statement("max_accuracy_drop", rounded(1 - value), "drop")]
        if value < _UNLIKELY_ACCURACY and comparator != "lower":
            return None
        made = self._statement("min_accuracy", value, "accuracy")
        if self._is_present(comparator):
            return [replace(made, strength="present")]
        if comparator == "upper":
            return [replace(made, below=True)]
        return [made]

    # What comes of it

    def _statement(self, field: str, value: float, about: str) -> Statement:
        start, end = self._span()
        soft = self._has("hedge")
        made = Statement(field, value, start, end, "soft" if soft else "firm", about)
        return replace(made, replaces=self._context.correcting, provided=self._clause.opened_by("provided"))

    def _unread(self) -> Unread:
        return Unread(*self._span())

    def _span(self) -> tuple[int, int]:
        return trimmed(self._clause.items, is_content)


def is_content(item: Item) -> bool:
    """Tell whether an item belongs into the span of what was read."""
    if item.measure:
        return True
    telling = item.has(
        "quantity", "statistic", "upper", "lower", "direction", "change", "loss", "by", "to", "as", "lossless", "keep",
        "reference", "adjective", "superlative", "lever", "unlevered", "negation", "vague", "wished", "indifferent", "fine",
    )  # fmt: skip
    return telling and not item.has("goal") or item.has("upper", "lower")


def _score(measure: Measure) -> float | None:
    """Return a score as a fraction: 95 % and a bare 95 are 0.95."""
    value = measure.value
    if measure.kind == "bare" and 1 < value <= 100:
        value = value / 100
    fits = measure.kind in ("percent", "bare") and 0 < value <= 1
    return rounded(value) if fits else None
