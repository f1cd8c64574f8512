"""Relative bounds: shares, percentages and factors of what the original has."""

from __future__ import annotations

import math
from dataclasses import replace

from .measures import Measure
from .quality import LARGEST_BARE_DROP, QualityPassage
from .roles import is_of_its_own
from .shares import Way, faster_by_time, ratio, rounded, speedup
from .statements import Outcome, Statement

_LARGEST_MARGIN = 0.25  # `within 30 % of the size` may be what is left
# Bounds that a bare share may correct, and from which ratio on it is hardly meant for the last of them.
_SHARES = frozenset({"max_size_ratio", "max_memory_ratio", "max_accuracy_drop", "min_accuracy"})
_FAR_OFF = 3.0
_SCORE = 0.5  # a share of this or less is hardly a score


class RelativePassage(QualityPassage):
    """A clause whose measure says how the product stands to the original."""

    def read(self) -> list[Outcome] | None:
        """Return what is asked for, None where that cannot be said."""
        previous = self._correction_of(self.measure)
        if previous is not None:
            return previous
        about, comparator = self.quantity(), self.comparator()
        if self._is_beside_the_point(about):
            return None
        if self.is_of_loss():
            return self.floor(self.measure) or self.left_of(self.measure) or self.drop(self.measure, comparator)
        return self._bound(*self._subject(about), comparator)

    def _is_beside_the_point(self, about: str) -> bool:
        """Tell whether the number is of something that was, or of something that has no field."""
        was = self.has("past") and not self.has("goal", "reference")
        asks = self.has("goal", "modal", "fine", "only") or bool(self.comparator())
        was = was or (self.context.telling and self._is_one_more() and not asks)
        attains = next((item for item in self.before if item.has("attains") and not item.has("has", "is")), None)
        told = attains is not None and not self.context.wishes
        if told and self.measure.kind == "percent" and self.measure.value > _SCORE and not about:
            self.context.topic = "accuracy"  # `it scores 93 %`
        if told and self.measure.kind == "factor":
            return True  # `int8 gives 4x compression`
        now = self.has("present") or any(item.has("reference") for item in self.before)
        if self.is_fact() and now and not self.context.wishes and self.has("direction"):
            return True  # `it is 5x smaller now`
        if self.measure.kind in ("percent", "points") and self._is_a_rate():
            return True  # `0.5 % per day late`
        if self.after and "lead" in (self.after[0].value("lower"), self.after[0].value("upper")):
            if not self.has("reference", "fine", "modal") and not self.before:
                return True
            if self.is_fact() or self.has("saving"):
                return True  # `we are 20 % over budget`
        if self._is_of_something_counted():
            return True  # `8 % of our users`
        return was or about in ("error", "first") or (not about and self.has("foreign", "wished"))

    def _is_of_something_counted(self) -> bool:
        """Tell whether a share is of something that no bound is of."""
        following = [item for item in self.after[:3] if not item.has("article", "the", "everything")]
        led = bool(self.after) and self.after[0].has("whole", "article")
        thing = next((item for item in following if not item.has("whole")), None)
        if not led or thing is None or self.measure.kind not in ("percent", "share"):
            return False
        return is_of_its_own(thing) or (thing.has("counted") and not thing.has("quantity", "reference", "model"))

    def _is_a_rate(self) -> bool:
        following = self.after[:2]
        return len(following) == 2 and following[0].has("per") and not following[1].readings

    def _subject(self, about: str) -> tuple[str, str]:
        """Return the quantity that the number is of, and the sign of the change."""
        side, sign = self.direction(about)
        if not (side or about or sign) and self.context.towards and self._continues(self.measure):
            return self.context.topic, self.context.towards
        about = side or about or self._implied(self.measure)
        if not about and self.measure.kind == "factor" and self.context.last_topic[1]:
            return self.context.last_topic
        return about, sign

    def _bound(self, about: str, sign: str, comparator: str) -> list[Outcome] | None:
        measure = self.measure
        if about in ("size", "memory"):
            return self._resized(measure, about, sign, comparator)
        if about == "latency":
            return self._timed(measure, sign, comparator)
        if about in ("speed", "throughput"):
            return self._sped(measure, about, sign, comparator)
        if about in ("accuracy", "fidelity") or self._is_called_accurate():
            return self.accuracy(measure, about, comparator)
        if not about and self._is_below_the_original():
            return self.drop(measure, "upper") if self.has("fine", "modal", "goal") or comparator == "upper" else None
        if self._is_told_score():
            return self.accuracy(measure, "accuracy", comparator)
        allowed = measure.kind == "points" and (
            self.has("fine", "modal") or comparator == "upper" or measure.sign == "-"
        )
        return self.drop(measure, comparator) if allowed else None

    def _is_below_the_original(self) -> bool:
        """Tell whether the number is how far below the original the product may be: `1 % below baseline is fine`."""
        below = self.after[:1] and self.after[0].value("upper") == "lead" and self.has("reference")
        return bool(below) and self.measure.kind in ("percent", "points") and self.measure.value <= LARGEST_BARE_DROP

    def _is_told_score(self) -> bool:
        """Tell whether a number is a score, since one was told of: `it has 95 % accuracy, I would accept 93 %`."""
        last = self.context.last()
        spoken = "accuracy" in (self.context.topic, self.context.last_topic[0])
        told = (
            (spoken or (last is not None and last.field == "min_accuracy"))
            and self.measure.kind in ("percent", "bare")
            and _SCORE < self.measure.value <= (1 if self.measure.kind == "percent" else 100)
            and not (self.measure.kind == "bare" and 1 < self.measure.value < 100 * _SCORE)
        )
        wished = self.has("fine", "goal") or self.comparator() == "lower"
        return told and wished and all(item.has("fine", "is", "lower", "article", "the") for item in self.after)

    def _correction_of(self, measure: Measure) -> list[Outcome] | None:
        """Return the last statement with another number, where that is all the clause says."""
        last = self._corrected(measure)
        bare = not self.has("quantity", "direction", "change", "loss", "adjective")
        if not (self.context.correcting and bare and last) or not isinstance(last.value, float):
            return None
        if last.field in ("min_accuracy", "max_accuracy_drop") and measure.kind in ("percent", "points", "bare"):
            number = self.context.number if measure.kind == "bare" else None
            scale = last.value / number if number else 1.0
            if last.field == "max_accuracy_drop" and last.value <= LARGEST_BARE_DROP < measure.value * scale:
                return [self.unread()]  # accuracy is not given away by a guess
            return [self.statement(last.field, rounded(measure.value * scale), last.about)]
        if last.field == "min_speedup" and measure.kind in ("factor", "bare") and measure.value > 0:
            return [self.statement(last.field, measure.value, last.about)]
        again = last.field == "min_speedup" or last.field.endswith("_ratio")
        relation = self.context.relation
        related = relation is not None and last.about == ("speed" if relation[0] == "latency" else relation[0])
        proportion = measure.kind in ("percent", "share", "factor") and not self.has("by", "to")
        if again and proportion and relation is not None and related:
            return self._again(measure, last, *relation)
        if last.field.endswith("_ratio") and measure.kind in ("percent", "share") and measure.value > 0:
            taken = 1 - measure.value if self.has("by") else measure.value
            return [self.statement(last.field, rounded(taken), last.about)] if taken > 0 else None
        return None

    def _corrected(self, measure: Measure) -> Statement | None:
        """Return the statement whose number is another: the last, or one that a share is much nearer to.

        After `40 % of its size, lose at most 1 %`, `30 % instead` is of the size.
        """
        last = self.context.last()
        if last is None or measure.kind not in ("percent", "share") or measure.value <= 0 or last.field not in _SHARES:
            return last
        said = [each for each in self.context.outcomes if isinstance(each, Statement) and each.field in _SHARES]
        near = min(reversed(said), key=lambda each: _apart(each, measure.value))
        return last if _apart(last, measure.value) <= math.log(_FAR_OFF) else near

    def _again(self, measure: Measure, last: Statement, about: str, sign: str, way: Way) -> list[Outcome] | None:
        """Return the last relative bound with another number: `40 % smaller, no, 60 %`."""
        value = speedup(measure, way, sign) if about == "speed" else ratio(measure, way, sign)
        value = faster_by_time(value) if about == "latency" else value
        return None if value is None else [self.statement(last.field, value, last.about)]

    def _is_called_accurate(self) -> bool:
        """Tell whether `accurate` follows the number: `90 % accurate`."""
        asked = self.before if self.has("goal") and self.measure.kind == "percent" else ()
        return any(item.value("adjective") == "accuracy+" for item in (*asked, *self.after[:2]))

    def _continues(self, measure: Measure) -> bool:
        """Tell whether the number is of what the clause before is about: `make it faster, 1.5x`."""
        return measure.kind == "factor" or self.has("by", "lower") or bool(measure.sign)

    def _implied(self, measure: Measure) -> str:
        """Return the quantity where no word names one."""
        if self.has("change"):
            return self.context.topic or "size"
        if self.clause.items and any(item.value("upper") == "within" for item in self.clause.items):
            return "accuracy" if self.has("reference") or measure.kind == "points" else ""
        off = any("lead" in (item.value("lower"), item.value("upper")) for item in self.after[:1])
        whole = any(item.has("reference") for item in self.after) or not self.has("present")
        proportion = measure.kind in ("percent", "share") and not measure.counted  # nobody counts bytes out of bytes
        if self.has("reference") and proportion and not off and whole:
            told = self.context.measured if self.has("that") else None
            return told.about if told is not None else self.context.topic or "size"
        return (
            self.context.topic if self.has("upper", "lower", "goal") and measure.kind in ("percent", "factor") else ""
        )

    def _resized(self, measure: Measure, about: str, sign: str, comparator: str) -> list[Outcome] | None:
        way = self.way(sign)
        if measure.kind == "factor" and measure.value < 1 and not sign:  # `0.7x the size`
            measure, way = replace(measure, kind="share"), "to"
        if measure.kind == "bare" and sign == "-" and measure.value > 1 and not self.quantities() and way == "by":
            measure = replace(measure, kind="factor")  # `a compression ratio of 4`
        if measure.kind == "factor" and not sign and self._is_led_to_noun() and measure.value > 1:
            way, sign = "by", "-"  # `4x on size`
        if self._is_margin(measure):  # `within 10 % of the original size`
            way, sign = "by", "+"
        limited = comparator == "upper" or measure.value < 1 or self.has("modal", "fine")
        if measure.kind == "factor" and not sign and not limited:
            return None
        value = ratio(measure, way, sign)
        if value is None or (way == "by" and not sign):
            return None
        grows, left = value > 1, way == "to"
        if not self._is_sensible(comparator, grows, left):
            return None
        self.context.relation = about, sign, way
        return [self.statement(f"max_{about}_ratio", value, about)]

    def _is_margin(self, measure: Measure) -> bool:
        """Tell whether a share is how far the product may be off: `within 10 % of the original latency`."""
        within = any(item.value("upper") == "within" for item in self.before)
        whole = self.has("reference") or self.is_part_of_whole()
        return within and measure.kind == "percent" and measure.value < _LARGEST_MARGIN and whole

    def _is_led_to_noun(self) -> bool:
        """Tell whether `in` or `on` leads from the measure to its noun."""
        return (
            len(self.after) > 1 and self.after[0].has("inside", "through") and self.after[1].has("quantity", "article")
        )

    def _timed(self, measure: Measure, sign: str, comparator: str) -> list[Outcome] | None:
        way = self.way(sign)
        if measure.kind == "factor" and measure.value < 1 and not sign:
            measure, way = replace(measure, kind="share"), "to"
        if self._is_margin(measure):
            way, sign = "by", "+"
        if measure.kind == "factor" and not sign and comparator != "upper" and not self.has("fine"):
            return None
        left = ratio(measure, way, sign)
        value = faster_by_time(left)
        if value is None or left is None or not self._is_sensible(comparator, left > 1, way == "to"):
            return None
        self.context.relation = "latency", sign, way
        return [self.statement("min_speedup", value, "speed")]

    def _sped(self, measure: Measure, about: str, sign: str, comparator: str) -> list[Outcome] | None:
        way = "by" if sign == "+" and measure.kind == "percent" and self.way(sign) != "to" else self.way(sign)
        if measure.kind == "bare":
            gains = any(item.value("change") == "speed+" for item in self.clause.items)
            named = gains or (
                about == "speed"
                and any(item.has("gain_noun") or item.value("quantity") == "speed" for item in self.quantities())
            )
            measure = replace(measure, kind="factor") if named else measure
        if measure.kind == "percent" and not sign and way == "to" and measure.value < 1:
            way = "by" if any(item.has("gain_noun") for item in self.quantities()) else way
        value = speedup(measure, way, sign)
        self.context.relation = "speed", sign, way
        slower = sign == "-" or (value is not None and value < 1)
        if value is None or (measure.kind == "bare"):
            return None
        if slower:
            return [self.statement("min_speedup", value, "speed")] if self.is_allowed(comparator) else None
        return None if comparator == "upper" and not self.is_only() else [self.statement("min_speedup", value, "speed")]

    def _is_sensible(self, comparator: str, grows: bool, left: bool) -> bool:
        """Tell whether a comparator goes with what is asked: at least 30 % smaller, at most 30 % of it, 20 % more."""
        if grows:
            return self.is_allowed(comparator) or (left and comparator == "upper")
        if left:
            return comparator != "lower"
        return comparator != "upper" or self.is_only()


def _apart(said: Statement, value: float) -> float:
    """Return how far a share lies from that of a statement, as the logarithm of their ratio."""
    number = said.value if isinstance(said.value, float) else 0.0
    return abs(math.log(value / number)) if number > 0 else math.inf
