"""Bounds on quality: least accuracy, and how much of it may be lost."""

from __future__ import annotations

from dataclasses import replace

from .measures import Measure
from .passage import Passage
from .roles import asks
from .shares import rounded
from .statements import Outcome

_LEAST_ACCURACY, _UNLIKELY_ACCURACY = 0.5, 0.3
_LOWEST_ACCURACY = 0.05
LARGEST_BARE_DROP = 0.1


class QualityPassage(Passage):
    """A clause whose measure is of quality."""

    def floor(self, measure: Measure) -> list[Outcome] | None:
        """Return a least accuracy from `must not fall below 90 %`."""
        places = [item for item in self.clause.items if item.has("upper", "lower") and item.start < self.item.start]
        falls = any(item.has("loss", "change") for item in self.before)
        refused = self.negated() or any(item.has("refused") for item in self.after) or self.clause.opened_by("if")
        refused = refused or self.clause.judged
        value = _score(measure)
        worse = any(item.value("direction") == "accuracy-" for item in self.before)
        limited = (worse and self.negated()) or self.has("not_worse")
        if limited and measure.kind == "percent" and value is not None and value > _LEAST_ACCURACY:
            return [self.statement("min_accuracy", value, "accuracy")]
        if not (places and falls and value is not None and value >= _LEAST_ACCURACY):
            return None
        below = places[-1].has("upper") or places[-1].has("not_under")
        if below and (refused or places[-1].has("lower")):
            return [self.statement("min_accuracy", value, "accuracy")]
        return None

    def left_of(self, measure: Measure) -> list[Outcome] | None:
        """Return a least accuracy from `may drop to 90 %`."""
        value, previous = _score(measure), self.before[-1] if self.before else None
        if previous is None or not previous.has("to") or value is None or value < _LEAST_ACCURACY:
            return None
        return None if self.negated() else [self.statement("min_accuracy", value, "accuracy")]

    def drop(self, measure: Measure, comparator: str) -> list[Outcome] | None:
        value = measure.top
        if (
            self.has("lost")
            and not comparator
            and not self.clause.opened_by("if", "provided")
            and not self.has("goal", "modal", "fine", "only", "negation", "refused")
        ):
            return None  # what was lost, as in `int8 lost 4 points`
        if measure.kind == "percent" and value > _LEAST_ACCURACY:
            return None  # a score, not a loss
        if not comparator and self.after and self.after[-1].has("negation"):
            return None  # `losing 2 % is not`
        if measure.kind == "bare" and not 0 <= value <= LARGEST_BARE_DROP:
            return None
        if measure.kind not in ("percent", "points", "bare") or not 0 <= value < 1:
            return None
        refused = (
            self.clause.judged or self.clause.opened_by("if") or (self.context.refusing and self.clause.opened_by("or"))
        )
        if comparator == "lower" and not refused:
            return None
        if self.negated() and not comparator:
            return None
        return [self.statement("max_accuracy_drop", value, "drop")]

    def accuracy(self, measure: Measure, about: str, comparator: str) -> list[Outcome] | None:
        little = measure.kind in ("percent", "points") and measure.top <= LARGEST_BARE_DROP and about == "accuracy"
        if little and (comparator == "upper" or self.has("fine", "modal", "allotted", "exchange")):
            return self.drop(measure, "upper")  # `up to 2 % accuracy for a third of the size`
        within = any(item.value("upper") == "within" for item in self.clause.items)
        if within or (measure.kind == "points" and (comparator == "upper" or self.has("fine", "modal", "allotted"))):
            return self.drop(measure, "upper")
        if about == "fidelity":
            fits = measure.kind == "bare" and comparator != "upper" and 0 < measure.value <= 200
            return [self.statement("min_fidelity_db", measure.value, "fidelity")] if fits else None
        if measure.kind == "share" and self.is_part_of_whole() and _LEAST_ACCURACY < measure.value < 1:
            kept = comparator != "upper" and not self.has("change", "negation")
            return [self.statement("max_accuracy_drop", rounded(1 - measure.value), "drop")] if kept else None
        value = _score(measure)
        fallen = self.left_of(measure) if self.has("modal", "fine") else None
        if fallen is not None:
            return fallen
        if value is None or self.has("change") or measure.sign:
            return None
        told = self.is_fact() or self.has("attains")
        whole = (self.has("reference") and not told) or (self.has("keep") and self.is_part_of_whole())
        if measure.kind == "percent" and whole and value >= _LEAST_ACCURACY and comparator != "upper":
            return [self.statement("max_accuracy_drop", rounded(1 - value), "drop")]
        if value < (_LOWEST_ACCURACY if comparator == "lower" else _UNLIKELY_ACCURACY):
            return None
        made = replace(self.statement("min_accuracy", value, "accuracy"), bare=not asks(self.clause))
        if self.is_present(comparator):
            self.context.topic = "accuracy"
            return [replace(made, strength="present" if self.has("present", "past") else "fact")]
        if comparator == "upper":
            return [replace(made, below=True)]
        return [made]


def _score(measure: Measure) -> float | None:
    """Return a score as a fraction: 95 % and a bare 95 are 0.95."""
    value = measure.value
    if measure.kind == "bare" and 1 < value <= 100:
        value = value / 100
    fits = measure.kind in ("percent", "bare") and 0 < value <= 1
    return rounded(value) if fits else None
