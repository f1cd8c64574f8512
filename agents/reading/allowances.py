"""What may get worse: `I don't care about the size`, `slower is fine`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .context import Repeat
from .items import Item
from .passage import BETTER, OBJECTIVE_OF
from .statements import Outcome, Statement
from .wish import GUARD_OF, Wish


class AllowanceWish(Wish):
    """Reads what may get worse."""

    def indifference(self) -> list[Outcome] | None:
        """`I don't care about the size`, `latency doesn't matter`."""
        if self.clause.opened_by("except") and self.names():  # `all but the accuracy may get worse`
            return self.unread() if self.has("indifferent", "modal", "fine") else None
        unimportant = self._unimportant()
        if unimportant:
            return self._allowed(unimportant)
        marker = next((item for item in self.items if item.has("indifferent") and not item.has("negation")), None)
        if marker is not None and marker.value("indifferent") == "before" and not self.names():
            sides = [item.value("adjective")[:-1] for item in self.clause.after(marker)[:2]]
            return self._allowed(sides) if any(sides) else None  # `I don't care how big it gets`
        if marker is not None and marker.value("indifferent") == "after" and not self.names():
            return self._allowed(self._worse(self.clause.before(marker))) if self._worse(self.items) else None
        if marker is None or not self.names():
            return None
        given_for = next((item for item in self.clause.after(marker) if item.has("exchange")), None)
        swaps = marker.value("indifferent") in ("before", "swap")
        if given_for is not None and swaps and not self.negation(marker):
            return self._exchanged(marker, given_for)
        if marker.value("indifferent") == "swap" and not self.negation(marker):
            return None
        if self.negation(marker):  # `not at the cost of accuracy`
            name = next((item.value("quantity") for item in self.clause.after(marker) if item.has("quantity")), "")
            return self.bound_of_one(name) if name and marker.has("sacrificing") else None
        if marker.value("indifferent") == "before":
            names = [item.value("quantity") for item in self.clause.after(marker) if item.has("quantity")]
            names = names or self.names()
        else:
            if self.has("mild") and any(item.has("mild") for item in self.clause.after(marker)):
                return self.unread()  # `quality may suffer a little`
            names = [item.value("quantity") for item in self.clause.before(marker) if item.has("quantity")]
            names += [item.value("quantity") for item in self.context.pending]
            self.context.pending.clear()
        return self._allowed(names) if names else None

    def _exchanged(self, marker: Item, given_for: Item) -> list[Outcome]:
        """Return what is given up, and what to gain by it: `sacrifice speed for a smaller file`."""
        given = [item for item in self.clause.after(marker) if item.start < given_for.start]
        names = [item.value("quantity") for item in given if item.has("quantity")]
        gained = [item.value("quantity") for item in self.clause.after(given_for) if item.has("quantity")]
        for item in self.clause.after(given_for):
            side = item.value("adjective") or item.value("direction")
            gained = [side[:-1], *gained] if side[:-1] and side[-1] == BETTER.get(side[:-1]) else gained
        if not names or any(item.has("vague", "mild", "several") for item in given):
            return self.unread()
        objective = next((OBJECTIVE_OF[name] for name in gained if name in OBJECTIVE_OF), "")
        told: list[Outcome] = [self.statement("objective", objective, "objective", "weak")] if objective else []
        return [*self._allowed(names), *told]

    def _unimportant(self) -> list[str]:
        """Return what `neither size nor memory matters` names."""
        end = next((item for item in self.items if item.has("mattering") and not item.has("indifferent")), None)
        negation = self.negation(end) if end else None
        if end is None or negation is None or self.has("only"):
            return []
        between = [item for item in self.clause.before(end) if item.start > negation.start]
        telling = [
            item for item in between if item.readings and not item.has("article", "negation", "and", "or", "modal")
        ]
        return [item.value("quantity") for item in telling] if all(item.has("quantity") for item in telling) else []

    def _allowed(self, names: list[str]) -> list[Outcome]:
        guards = dict.fromkeys(GUARD_OF[name] for name in names if name in GUARD_OF)
        made: list[Outcome] = [self.statement("allow_regression", guard, f"guard {guard}") for guard in guards]
        self.context.repeat = self._again("allow_regression")
        return made or self.unread()

    def _again(self, field: str) -> Repeat:
        correcting = self.context.correcting

        def repeat(name: str, item: Item) -> list[Statement]:
            guard = GUARD_OF.get(name)
            if guard is None:
                return []
            return [Statement(field, guard, item.start, item.end, about=f"guard {guard}", replaces=correcting)]

        return repeat

    def _worse(self, items: Sequence[Item]) -> list[str]:
        """Return what adjectives of what is not good name: `a big model is no problem`."""
        sides = [item.value("adjective") or item.value("direction") for item in items]
        return [side[:-1] for side in sides if side[:-1] and side[-1] != BETTER[side[:-1]]]

    def _free(self) -> list[str]:
        """Return what `any size will do` names."""
        if self.has("change", "direction"):
            return []
        pairs = pairwise(self.items)
        return [two.value("quantity") for one, two in pairs if one.has("any") and two.has("quantity")]

    def permission(self) -> list[Outcome] | None:
        """`slower is fine`, `memory may grow`, `accuracy can suffer`."""
        if not self.has("fine", "modal", "indifferent") or self.has("negation"):
            return None
        if self.has("fine") and (free := self._free()):
            return self._allowed(free)
        for _, quantity, sign in self.changes():
            if quantity in BETTER and sign != BETTER[quantity]:
                mild = quantity == "accuracy" and self.has("mild")
                return self.unread() if mild else self._allowed([quantity, *self.pending_names()])
        if self.has("fine") and self.has("adjective"):
            worse = [item.value("adjective") for item in self.items if item.has("adjective")]
            names = [side[:-1] for side in worse if side[:-1] and side[-1] != BETTER[side[:-1]]]
            return self._allowed(names) if names else None
        return None
