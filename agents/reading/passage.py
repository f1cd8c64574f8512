"""A clause with one measure, and the questions that every reader of bounds asks of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from .clauses import Clause, trimmed
from .context import Context
from .items import Item
from .lexicon import Concept
from .measures import Measure
from .roles import aims, leads_to
from .shares import Way
from .statements import Statement, Unread

# The sign of a change for the better.
BETTER = {
    "size": "-", "memory": "-", "latency": "-", "speed": "+", "throughput": "+", "accuracy": "+", "fidelity": "+"
}  # fmt: skip
OBJECTIVE_OF = {
    "size": "size", "latency": "latency", "speed": "latency", "throughput": "latency", "accuracy": "accuracy",
    "fidelity": "accuracy",
}  # fmt: skip
_LESS_IS_BETTER = ("bytes", "duration")
OPPOSITE = {"-": "+", "+": "-"}


class Passage:
    """A clause, its measure, and what surrounds it."""

    def __init__(self, clause: Clause, context: Context, about: str = "", measure: Measure | None = None) -> None:
        """Look at `clause`.

        Args:
            clause: with a measure.
            context: what is known from before.
            about: the quantity where another clause names it.
            measure: in place of the clause's, such as one with a unit carried on.
        """
        self.clause, self.context, self.about = clause, context, about
        item = clause.measured
        assert item is not None
        assert item.measure is not None
        self.item, self.measure = item, measure or item.measure
        self.before, self.after = clause.before(item), clause.after(item)

    def has(self, *concepts: Concept) -> bool:
        return self.clause.has(*concepts)

    def quantities(self) -> list[Item]:
        return [item for item in self.clause.items if item.has("quantity")]

    def quantity(self) -> str:
        """Return the quantity that the measure is of: what follows it, else what stands nearest before it."""
        after = next((item for item in self.after if item.has("quantity")), None)
        before = next((item for item in reversed(self.before) if item.has("quantity")), None)
        if after and before and before.value("quantity") != after.value("quantity"):
            near = self.item.start - before.end > after.start - self.item.end
            return after.value("quantity") if near else before.value("quantity")
        lost = self.after[:1] and self.after[0].has("loss")
        if lost and after is None and any(item.value("quantity") == "accuracy" for item in self.before):
            return "accuracy"  # `trade accuracy for speed, 3 % loss`
        chosen = before or after
        return chosen.value("quantity") if chosen else self.about

    def negated(self, until: Item | None = None) -> bool:
        end = until.start if until else self.item.start
        return any(item.has("negation") and item.start < end for item in self.clause.items)

    def comparator(self) -> str:
        """Return `upper`, `lower` or nothing: the comparator nearest to the measure, turned by what negates it."""
        places = [item for item in self.clause.items if item.has("upper", "lower")]
        near = [item for item in places if item.start < self.item.start][-1:]
        near = near or [item for item in places if not item.has("direction") and not self._only_leads(item)][:1]
        if not near:
            return ""
        if near[0].value("lower") == "better" and self.measure.kind in _LESS_IS_BETTER:
            return "lower" if self.negated(near[0]) else "upper"
        if self._is_mirrored(near[0]):
            return "lower" if near[0].has("upper") else "upper"
        if self._goes_on_refusing(near[0]):
            return "lower" if near[0].has("upper") else "upper"
        upper = near[0].has("upper") and not (near[0].has("lower") and self.prefers_lower())
        if near[0].value("upper") == "within":
            upper = True
        elif self.clause.judged:
            unless = self.clause.opener is not None and self.clause.opener.value("if") == "not"
            turned = any(item.has("negation") and not item.has("verdict") for item in self.clause.before(near[0]))
            upper = upper if turned != unless else not upper
        elif self.negated(near[0]) and not (upper and self.is_of_loss()):
            upper = not upper
        elif not upper and self.is_refused(near[0]):
            upper = True
        elif upper and self.is_refused(near[0]):
            upper = False
        return "upper" if upper else "lower"

    def _is_mirrored(self, sign: Item) -> bool:
        """Tell whether a sign stands between the amount and what it bounds: `20 ms > latency`."""
        after = self.clause.after(sign)
        written = "mark" in (sign.value("upper"), sign.value("lower"))
        return written and self.after[:1] == (sign,) and bool(after) and after[0].has("quantity")

    def _only_leads(self, item: Item) -> bool:
        """Tell whether a comparison stands before what it bounds, as `over` does; not in `2 % below the original`."""
        leads = "lead" in (item.value("upper"), item.value("lower"))
        return leads and not any(each.has("reference") for each in self.clause.after(item))

    def _goes_on_refusing(self, comparator: Item) -> bool:
        """Tell whether what is refused goes on: `I want no model over 5 MB or slower than 15 ms`."""
        unwanted: Concept = "lower" if self.measure.kind in _LESS_IS_BETTER else "upper"
        absolute = self.measure.kind in (*_LESS_IS_BETTER, "rate")
        goes_on = self.context.refusing and self.clause.opened_by("or") and not self.has("negation")
        return goes_on and absolute and comparator.has(unwanted)

    def prefers_lower(self) -> bool:
        return self.measure.kind in ("rate", "decibel")

    def is_refused(self, comparator: Item) -> bool:
        """Tell whether what lies beyond the bound is called bad: `anything over 10 MB is a problem`, `is too big`."""
        later = [item for item in self.clause.items if item.start > comparator.start]
        too = any(one.has("too") and self._is_excess(two, comparator) for one, two in pairwise(later))
        return too or any(item.has("refused") for item in later)

    def _is_excess(self, item: Item, comparator: Item) -> bool:
        """Tell whether an adjective says what is wrong with what lies beyond: `over 10 MB is too big`."""
        side = item.value("adjective") or item.value("direction")
        if side == "speed-":
            side = "-" if self.measure.kind == "rate" else "+"
        return side[-1:] == ("-" if comparator.has("upper") else "+")

    def is_of_loss(self) -> bool:
        """Tell whether the clause speaks of lost quality."""
        about = self.quantity()
        quality = about in ("", "accuracy", "fidelity")
        turning = [item for item in self.clause.items if not item.has("upper", "lower") or item.has("not_worse")]
        sides = {item.value("direction") for item in turning}
        sides |= {item.value("direction") for item in self.clause.items if item.value("direction") == "accuracy-"}
        if "accuracy-" in sides or any(item.value("not_worse") == "accuracy" for item in self.clause.items):
            return quality
        if any(item.has("loss") for item in self.clause.items):
            return quality and not any(each.startswith(("size", "speed")) for each in sides)
        changes = {item.value("change") for item in self.clause.items}
        return about in ("accuracy", "fidelity") and ("-" in sides or "-" in changes or self.measure.sign == "-")

    def is_only(self) -> bool:
        return self.has("only")

    def is_allowed(self, comparator: str) -> bool:
        return comparator == "upper" or (comparator == "" and self.has("fine", "modal"))

    def is_present(self, comparator: str) -> bool:
        """Tell whether the clause says how things are now."""
        items = self.clause.items
        if self.has("present") and not self.has("past"):  # `it needs 4 s now`
            items = tuple(item for item in items if item.value("goal") != "needs")
        wished = any(item.has("goal", "upper", "lower", "modal") for item in items) or leads_to(self.clause)
        if self.after and self.after[0].has("past") and not self.has("goal", "modal"):
            return True  # `20 MB was the earlier limit`
        if self.has("past") and not self.has("goal", "modal") and not comparator:
            return True
        told = any(item.has("present") for item in self.clause.items)
        named = any(item.has("reference") for item in self.before) and self.has("is", "quantity", "attains")
        attained = self.has("attains") and not self.context.wishes
        goes_on = self.context.telling and self._is_one_more() and not self.has("hedge", "fine", "keep", "only")
        if self.before and self.before[-1].has("past") and not self.has("goal", "modal"):
            return True  # `the limit was 10 MB`
        if told or named or attained or goes_on or self.is_fact():
            return not wished and not comparator
        opener = self.clause.opener
        lead = self.clause.lead
        of_a_model = lead is not None and (lead.kind == "name" or lead.has("model") or _is_complaint(lead))
        return not wished and opener is not None and opener.text == "(" and of_a_model and not self.quantities()

    def _is_one_more(self) -> bool:
        """Tell whether the clause goes on with what was told: `…, each around 30 MB`."""
        opener = self.clause.opener
        return opener is not None and (opener.has("and") or (opener.text == "," and self.has("everything")))

    def is_fact(self) -> bool:
        """Tell whether the measure follows `is`: `the model is 50 MB`."""
        before = [item for item in self.before if not item.has("article", "approximate") and item.hint != "filler"]
        asks = len(before) == 1 and self.clause.items[0] is before[0] and before[0].value("is") == "asks"
        return bool(before) and before[-1].has("is") and not before[-1].has("goal", "modal") and not asks

    def direction(self, about: str) -> tuple[str, str]:
        """Return the quantity that words of direction name, if they do, and the sign they give."""
        for concept in ("direction", "change", "adjective"):
            for item in self.nearest(concept):
                side = item.value(concept)
                if side[:-1]:
                    quantity = side[:-1]
                    if quantity == "accuracy" and about in ("size", "memory", "latency", "speed", "throughput"):
                        return about, BETTER[about] if side[-1] == "+" else OPPOSITE[BETTER[about]]
                    if quantity == "size" and about == "memory":
                        return "memory", side[-1]
                    if quantity == "size" and about in ("latency", "speed", "throughput"):
                        return about, "-" if about == "latency" else "+"
                    if quantity == "speed" and about == "throughput":
                        return "throughput", side[-1]
                    return quantity, side[-1]
                return "", BETTER.get(about, "") if side == "*" else side
        if any(item.has("loss") for item in self.clause.items):
            return "", "-"
        return "", self.measure.sign

    def nearest(self, concept: Concept) -> list[Item]:
        found = [item for item in self.clause.items if item.has(concept)]
        if concept == "adjective":
            found = [item for item in found if self.is_compared(item)]
        return sorted(found, key=lambda item: abs(item.start - self.item.start))

    def is_compared(self, item: Item) -> bool:
        """Tell whether an adjective is in `twice as fast` or `half so big`."""
        before = [each for each in self.clause.items if each.start < item.start]
        return bool(before) and before[-1].has("as")

    def is_compared_at_all(self) -> bool:
        return any(item.has("adjective") and self.is_compared(item) for item in self.after)

    def is_part_of_whole(self) -> bool:
        """Tell whether `of the original`, or `the size`, follows: `30 % of its size`, `half the latency`."""
        if self.measure.kind == "factor" and not self.has("reference"):
            return False
        after = self.after[0] if self.after else None
        if after is None or any(item.has("direction") for item in self.after[:2]):
            return False
        of = after.has("whole")
        return (
            of
            or (after.has("article") and not after.has("one"))
            or (after.has("quantity") and self.measure.kind == "share")
        )

    def way(self, sign: str) -> Way:
        """Tell what the measure is: what is left, or the difference."""
        previous = next(
            (item for item in reversed(self.before) if not item.has("article", "approximate", "upper", "lower")), None
        )
        if previous is not None and previous.has("to"):
            return "to"
        if previous is not None and previous.has("by") and not previous.has("of"):
            return "by"
        cut = any(item.has("change") for item in self.clause.items)
        taken = any(item.has("change", "losing") or item.value("loss") == "drop" for item in self.before)
        taken_off = taken and self.measure.kind != "factor"
        if not taken_off and (self.is_compared_at_all() or self.is_part_of_whole()):
            return "to"
        halved = previous is not None and previous.has("inside") and self.measure.kind == "share"
        if cut and halved:  # `in half`
            return "by"
        return "by" if sign else "to"

    def statement(self, field: str, value: float, about: str) -> Statement:
        start, end = self.span()
        soft = self.has("hedge") or self.clause.judged  # what is asked for outright says more
        made = Statement(field, value, start, end, "soft" if soft else "firm", about)
        number = self.measure.bare or self.measure.value
        restates = self.context.correcting and number == self.context.number
        self.context.number = number
        made = replace(made, replaces=self.context.correcting, restates=restates, aims=aims(self.clause))
        return replace(made, provided=self.clause.opened_by("provided"))

    def unread(self) -> Unread:
        return Unread(*self.span())

    def span(self) -> tuple[int, int]:
        own = [item for item in self.clause.items if item.start <= self.item.start or not _is_sign(item)]
        return trimmed(own, is_content)


def _is_complaint(item: Item) -> bool:
    """Tell whether an adjective calls something bad: `fat (130 MB)`."""
    side = item.value("adjective")
    return bool(side[:-1]) and side[-1] == OPPOSITE[BETTER[side[:-1]]]


def _is_sign(item: Item) -> bool:
    """Tell whether it is a sign such as `<`, which compares what follows."""
    return "mark" in (item.value("upper"), item.value("lower"))


def is_content(item: Item) -> bool:
    """Tell whether an item belongs into the span of what was read."""
    if item.measure:
        return True
    telling = item.has(
        "quantity", "statistic", "upper", "lower", "direction", "change", "loss", "by", "to", "as", "lossless", "keep",
        "reference", "adjective", "superlative", "lever", "unlevered", "negation", "vague", "wished", "indifferent",
        "fine",
    )  # fmt: skip
    return (telling and not item.has("goal")) or item.has("upper", "lower")
