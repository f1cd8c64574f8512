"""Absolute bounds: amounts of bytes, time, calls per second, decibels."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from .items import Item
from .measures import Measure
from .passage import Passage
from .roles import asks, is_of_its_own, is_told
from .statements import Outcome, Statement

# Kind of measure → quantity that it is of where no noun says so.
OF_KIND = {"bytes": "size", "duration": "latency", "rate": "throughput", "decibel": "fidelity"}
_FIELDS = {
    "size": "max_size_bytes", "memory": "max_memory_bytes", "latency": "max_latency_ms",
    "throughput": "min_throughput_per_s", "fidelity": "min_fidelity_db",
}  # fmt: skip
_UPPER = frozenset({"size", "memory", "latency"})
_STATISTICS = ("mean", "p50", "p95", "p99")


class AbsolutePassage(Passage):
    """A clause whose measure is an amount with a unit of its own."""

    def read(self) -> list[Outcome]:
        measure = self.measure
        about = self._absolute_quantity(measure)
        if about and self._is_owned():
            made = replace(self.statement(_FIELDS[about], measure.value, about), strength="fact")
            self.context.topic = "memory" if about == "memory" else self.context.topic
            self.context.measure, self.context.measured = replace(measure, high=None, sign=""), made
            return [made]
        if (
            not about
            or self._is_decade(measure)
            or self._is_difference()
            or self._is_of_something_else()
            or measure.sign == "-"
        ):
            return [self.unread()]
        comparator = self.comparator()
        about = self._opposed(about, comparator)
        value = measure.top if about in _UPPER else measure.value
        if about == "size" or about == "memory":
            value = int(value)
        made = self.statement(_FIELDS[about], value, about)
        if self._goes_on_telling(comparator) and self.context.measured is not None:
            made = replace(made, strength=self.context.measured.strength)
        elif not self._is_allotted() and self.is_present(comparator):
            told = self.has("present", "past", "reference") or self.clause.opener is not None
            made = replace(made, strength="present" if told else "fact")
        elif not self._is_allotted() and is_told(self.clause, self.item, self.context):
            made = replace(made, strength="fact")
        if about == "memory" and made.strength in ("fact", "present"):
            self.context.topic = "memory"
        self.context.measure, self.context.measured = replace(measure, high=None, sign=""), made
        if made.strength in ("present", "fact"):
            return [made]
        made = replace(made, bare=not asks(self.clause))
        wanted = "upper" if about in _UPPER else "lower"
        if comparator and comparator != wanted:
            return [replace(made, below=True)]
        return [made, *self._statistic(about)]

    def _goes_on_telling(self, comparator: str) -> bool:
        """Tell whether the amount is one more of what there is: `we are at 70 MB and 45 ms`."""
        last, before = self.context.measured, self.context.measure
        told = last is not None and last.strength in ("present", "fact") and last is self.context.last()
        other = before is not None and before.kind != self.measure.kind
        wished = comparator or self.has("goal", "modal", "only", "to", "fine", "hedge", "keep")
        opener = self.clause.opener
        listed = opener is not None and (opener.has("and") or (opener.text == "," and len(self.clause.items) == 1))
        return told and other and not wished and listed

    def _opposed(self, about: str, comparator: str) -> str:
        """Return the quantity of the bound before where this is its other side: `below 100 MB and at least 50 MB`."""
        last, wanted = self.context.measured, "upper" if about in _UPPER else "lower"
        other_side = comparator not in ("", wanted) and not self.quantities()
        alike = last is not None and self.context.measure is not None and self.context.measure.kind == self.measure.kind
        return last.about if last is not None and other_side and alike and last.about in _FIELDS else about

    def _absolute_quantity(self, measure: Measure) -> str:
        named, usual = self.quantity(), OF_KIND[measure.kind]
        if measure.kind == "bytes":
            if named == "first" and self.has("model"):
                return usual  # `the page loads a model of 2 MB`
            if not named and self.context.measured is not None and self.after and self.after[0].has("whole"):
                return self.context.measured.about if self.context.measured.about == "memory" else usual  # `of it`
            if not named and self.context.correcting and self.context.measured is not None:
                return self.context.measured.about if self.context.measured.about == "memory" else usual
            if not named and self.context.topic == "memory":
                return "memory"  # `we must save memory, at most 90 MB`
            if not named and self.has("peak"):
                return "memory"
            if not named and self._is_of_a_machine():
                return ""
            return "memory" if named == "memory" else "" if named == "first" else usual
        if measure.kind == "duration":
            statistics = [item.value("statistic") for item in self.clause.items if item.has("statistic")]
            return "" if named == "first" or "other" in statistics else usual
        return "" if self.is_of_loss() and measure.kind == "decibel" else usual

    def _is_of_a_machine(self) -> bool:
        """Tell whether the amount says which machine is meant: `on a Lambda with 512 MB`."""
        lead, opener = self.clause.lead, self.clause.opener
        led = lead is not None and lead.has("platform", "device") and opener is not None and opener.has("through")
        return led and len(self.clause.items) == 1

    def _is_decade(self, measure: Measure) -> bool:
        """Tell whether `90s` is of a score: `accuracy in the high 90s`."""
        written = measure.kind == "duration" and self.item.end - self.item.start == len("90s")
        return written and measure.value % 10_000 == 0 and self.quantity() == "accuracy"

    def _is_difference(self) -> bool:
        """Tell whether an amount is what is to be saved rather than what may be left: `reduce it by 5 MB`."""
        ends = self.after[:1] and self.after[0].has("direction") and not self.after[0].has("upper", "lower")
        previous = self.before[-1] if self.before else None
        taken = previous is not None and not self.comparator() and self._is_taken_off(previous)
        saved = any(item.has("saving") for item in self.before) and not self.comparator()
        return (
            bool(ends)
            or taken
            or saved
            or bool(previous and previous.has("by") and self.has("change", "direction", "loss"))
        )

    def _is_taken_off(self, previous: Item) -> bool:
        """Tell whether the amount is taken away: `cut 20 ms from it`, `lose 30 MB`, `get 30 MB off the file`."""
        verb = previous.value("change") == "-" or previous.has("losing") or previous.value("loss") == "drop"
        return (verb and not previous.has("to")) or (bool(self.after) and self.after[0].value("out") == "off")

    def _is_of_something_else(self) -> bool:
        if self.clause.judged and self._is_of_counted():
            return True
        following = self.after[:2]
        if len(following) == 2 and following[0].has("whole") and is_of_its_own(following[1]):
            return True  # `30 ms of ping`
        behind = [item for item in self.after[:2] if not item.has("of", "article") or item.has("foreign")]
        return bool(behind) and behind[0].has("foreign") and not behind[0].has("quantity")

    def _is_of_others(self) -> bool:
        """Tell whether others are said to have it: `most users have less than 4 GB of RAM`."""
        pairs = pairwise(self.before)
        others = any(two.has("has") and (one.has("counted", "foreign") or is_of_its_own(one)) for one, two in pairs)
        return others and not self.has("goal", "modal", "only", "allotted")

    def _is_of_counted(self) -> bool:
        """Tell whether the verdict is on something else: `requests over 2 MB are rejected`."""
        for one, two in pairwise(self.clause.items):
            if two.has("upper", "lower") and (one.has("counted", "foreign") or (not one.readings and not one.hint)):
                return not one.has("quantity", "model")
        return False

    def _is_allotted(self) -> bool:
        """Tell whether the amount is what the model is given: `the model gets 12 MB of it`, `96 KB for the model`."""
        given = any(item.value("attains") == "gets" for item in self.before) and not self.has("present", "past")
        return self.has("allotted") or given

    def _is_owned(self) -> bool:
        """Tell whether the amount is what there is: `we have 45 MB`, `my phone has 6 GB of RAM`."""
        if self._is_blamed() and not self.comparator():
            return True
        if self._is_called() and not self.comparator() and not self.has("goal", "only", "modal"):
            return True
        if self.has("allotted"):
            return False
        if self._is_of_others():
            return True
        owns = any(item.has("has") and not item.has("is") for item in self.before)
        return owns and not self.comparator() and not self.has("goal", "only")

    def _is_blamed(self) -> bool:
        """Tell whether the amount is called too much, or too little: `40 MB is too big`."""
        too = any(one.has("too") and two.has("adjective", "direction", "several") for one, two in pairwise(self.after))
        asked = self.clause.judged or self.has("goal", "modal", "only", "allotted")
        return too or (not asked and any(item.has("refused", "verdict") for item in self.after))

    def _is_called(self) -> bool:
        """Tell whether the amount only says which model is meant: `the 70 MB file`."""
        led = self.before[-1:] and self.before[-1].has("article") and not self.before[-1].has("one")
        return bool(led) and bool(self.after) and self.after[0].has("model") and not self.after[0].has("one")

    def _statistic(self, about: str) -> list[Statement]:
        if about != "latency":
            return []
        found = next((item for item in self.clause.items if item.value("statistic") in _STATISTICS), None)
        if found is None:
            return []
        made = Statement("latency_statistic", found.value("statistic"), found.start, found.end, about="statistic")
        return [replace(made, replaces=self.context.correcting)]
