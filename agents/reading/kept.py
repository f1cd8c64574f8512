"""What must not get worse: `lossless`, `same accuracy`, `not slower`, `as fast as now`."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from .context import Repeat
from .items import Item
from .passage import BETTER, OPPOSITE
from .statements import Outcome, Statement
from .wish import GUARD_OF, Wish


class KeptWish(Wish):
    """Reads what must not get worse."""

    def lossless(self) -> list[Outcome] | None:
        """`lossless`, `without any loss`, `don't lose accuracy`."""
        if self.has("lossless"):
            return [self.statement("max_accuracy_drop", 0.0, "drop")]
        losses = [item for item in self.items if item.has("loss")]
        named = self.names()
        if not losses or (named and not {"accuracy", "fidelity"} & set(named)):
            return None
        negation = next((item for item in self.items if item.has("negation")), None)
        refused = self.has("refused")
        if negation is None and not refused:
            return None
        if self._loses_more(losses[0]):
            return (
                []
                if any(isinstance(each, Statement) and each.about == "drop" for each in self.context.outcomes)
                else (self.unread())
            )
        if self.is_vague() or (negation is not None and negation.has("nothing") and not named):
            return self.unread()
        if not named and losses[0].value("loss") != "noun" and not losses[0].has("losing"):
            return None
        return [self.statement("max_accuracy_drop", 0.0, "drop")]

    def _loses_more(self, loss: Item) -> bool:
        """Tell whether what is refused is a loss beyond one that was told: `losing more is not`."""
        after = self.clause.after(loss)
        return bool(after) and after[0].value("direction") == "+"

    def kept(self) -> list[Outcome] | None:
        """`same accuracy`, `keep the speed`, `as fast as now`."""
        compared = self._compared()
        if compared:
            return self.bound_of_one(compared)
        keep = next((item for item in self.items if item.has("keep")), None)
        if keep is None or self.changes():
            return None
        if keep.value("keep") == "pace" and not self.names():
            return self._keeping_pace()
        if any(one.has("modal") and two is keep for one, two in pairwise(self.items)):
            return []  # `the size may stay the same`
        names = [item.value("quantity") for item in self.quantities() if self._is_what_is_kept(item, keep)]
        names += [item.value("quantity") for item in self.context.pending]
        if not names:
            return None
        bounded = any(each.has("upper") for each in self.items)
        if self.is_vague() or bounded or self.has("negation", "upper", "adjective"):
            return self.unread()
        self.context.pending.clear()
        told = self._told(keep)
        if told is not None:
            return [told]
        self.context.repeat = self._kept_again()
        return [outcome for name in names for outcome in self.bound_of_one(name) or []]

    def _keeping_pace(self) -> list[Outcome]:
        """Return the rate that was told of as a bound: `the camera delivers 60 fps, it has to keep up`."""
        last = self.context.measured
        paced = (
            last is not None and last.about in ("throughput", "latency", "size", "memory") and self.has("goal", "modal")
        )
        return [replace(last, strength="firm")] if last is not None and paced else []

    def _told(self, keep: Item) -> Statement | None:
        """Return what was told before, as a bound, where `keep that pace` points at it."""
        after = self.clause.after(keep)
        return self._pointed_at(self.names()) if after and after[0].has("that") else None

    def _pointed_at(self, names: list[str]) -> Statement | None:
        """Return the amount told last as a bound, if it is of what `names` names."""
        last = self.context.measured
        alike = last is not None and GUARD_OF.get(last.about) in {GUARD_OF.get(name) for name in names}
        return replace(last, strength="firm") if last is not None and alike else None

    def _is_what_is_kept(self, item: Item, keep: Item) -> bool:
        """Tell whether a noun follows `keep`, or is called `the same`."""
        if item.value("quantity") not in GUARD_OF:
            return False
        first, last = sorted((keep, item), key=lambda each: each.start)
        between = [each for each in self.items if first.start < each.start < last.start and not each.has("article")]
        if last is item:
            return all(each.has("keep", "quantity", "reference") for each in between)
        states = [each for each in self.items if each.value("keep") == "state"]
        if keep is self.items[-1] and keep.value("keep") == "verb":
            return True  # `accuracy stays`
        return bool(states) and all(
            each.kind == "mark" or each.has("is", "goal", "keep", "quantity", "modal") for each in between
        )

    def _kept_again(self) -> Repeat:
        def repeat(name: str, item: Item) -> list[Statement]:
            made = self.one(name)
            return [replace(made, start=item.start, end=item.end)] if made else []

        return repeat

    def _compared(self) -> str:
        """Return the quantity of `as fast as now`."""
        for index, item in enumerate(self.items):
            after = self.items[index + 1 :][:4]
            as_before = index and self.items[index - 1].has("as")
            told = any(each.has("reference") for each in after) and not any(each.has("possible") for each in after)
            if item.has("adjective") and as_before and told:
                return item.value("adjective")[:-1]
        return ""

    def not_worse(self) -> list[Outcome] | None:
        """`not slower`, `no bigger than now`, `memory must not grow`; `not smaller` asks for nothing."""
        whole = next((item.value("not_worse") for item in self.items if item.has("not_worse")), "")
        if whole:
            return self.bound_of_one(whole)
        for item, quantity, sign in self.changes():
            negation = self.negation(item) or self._goes_on(item) or self._is_denied(item)
            if negation is not None and negation.has("nothing") and not self.names():
                return self.unread()  # everything at once is no field
            if negation is None and not (self.has("refused") and item.has("direction")):
                continue
            if self.items[-1].has("that") and self.items[-1].start > item.start:  # `not larger than that`
                told = self._pointed_at([quantity])
                return [told] if told is not None else []
            if self.is_vague() and quantity in BETTER and sign != BETTER[quantity]:
                return self.unread()
            if quantity not in BETTER:
                return None
            if sign == BETTER[quantity]:
                return []  # what need not get better
            if self._is_bounded_already(quantity):
                return []  # `6 MB, it can't be any bigger`
            self.context.repeat = self._kept_again()
            return [made for name in (quantity, *self._nor(item)) for made in self.bound_of_one(name)]
        return None

    def _goes_on(self, item: Item) -> Item | None:
        """Return the direction itself where a refusal goes on with it: `not slower or bigger`."""
        goes_on = self.context.refusing and self.clause.opened_by("or") and item.has("direction")
        return item if goes_on and item is self.items[0] else None

    def _is_bounded_already(self, quantity: str) -> bool:
        last = self.context.last()
        amount = last is not None and last.field in ("max_size_bytes", "max_memory_bytes", "max_latency_ms")
        return (
            last is not None
            and amount
            and not self.has("reference")
            and not self.clause.first
            and GUARD_OF.get(last.about) == GUARD_OF.get(quantity)
        )

    def _is_denied(self, item: Item) -> Item | None:
        """Return the negation that ends `slower is fine, bigger is not`."""
        ends = item.has("direction") and self.items[-1].has("negation") and not self.has("goal", "indifferent")
        return self.items[-1] if ends and self.items[-1].start > item.start else None

    def _nor(self, first: Item) -> list[str]:
        """Return what else is refused, as in `neither slower nor bigger`."""
        joints = {two.start for one, two in pairwise(self.items) if one.has("negation") and one.has("and")}
        return [
            quantity
            for item, quantity, sign in self.changes()
            if item.start > first.start and item.start in joints and sign == OPPOSITE[BETTER[quantity]]
        ]
