"""A clause without a measure, and the questions that every reader of wishes asks of it."""

from __future__ import annotations

from dataclasses import replace

from .clauses import Clause, trimmed
from .context import Context
from .items import Item
from .lexicon import Concept
from .passage import BETTER, OPPOSITE, is_content
from .statements import Outcome, Statement, Strength, Unread

GUARD_OF = {
    "size": "size", "memory": "memory", "latency": "latency", "speed": "latency", "throughput": "latency",
    "accuracy": "accuracy", "fidelity": "accuracy",
}  # fmt: skip


class Wish:
    """A clause and what is in it."""

    def __init__(self, clause: Clause, context: Context) -> None:
        self.clause, self.context = clause, context
        self.items = clause.items

    def has(self, *concepts: Concept) -> bool:
        return self.clause.has(*concepts)

    def quantities(self) -> list[Item]:
        return [item for item in self.items if item.has("quantity")]

    def names(self) -> list[str]:
        return [item.value("quantity") for item in self.quantities()]

    def negation(self, until: Item) -> Item | None:
        return next((item for item in self.items if item.has("negation") and item.start < until.start), None)

    def statement(self, field: str, value: str | float, about: str, strength: Strength = "firm") -> Statement:
        start, end = trimmed(self.items, is_content)
        made = Statement(field, value, start, end, strength, about, self.context.correcting)
        return replace(made, strength="soft") if self.has("hedge") and strength == "firm" else made

    def unread(self) -> list[Outcome]:
        return [Unread(*trimmed(self.items, is_content))]

    def is_vague(self) -> bool:
        return self.has("vague")

    def changes(self) -> list[tuple[Item, str, str]]:
        """Return words of direction with quantity and sign; a noun gives the quantity where the word does not."""
        named = [name for name in self.names() if name in BETTER]
        found: list[tuple[Item, str, str]] = []
        for item in self.items:
            side = item.value("direction") or item.value("change")
            if item.has("loss") and not side:
                quantity = named[0] if named else "accuracy" if item.has("losing") else ""
                sign = "-" if quantity not in ("size", "memory", "latency") or item.value("loss") == "drop" else "+"
                found.append((item, quantity, sign))
            elif side:
                quantity = side[:-1] or (named[0] if named else "")
                if side[:-1] == "size" and "memory" in named:
                    quantity = "memory"
                if side[:-1] == "accuracy" and named and named[0] != "accuracy":  # `no worse latency`
                    better = BETTER[named[0]]
                    found.append((item, named[0], better if side[-1] == "+" else OPPOSITE[better]))
                    continue
                sign = BETTER.get(quantity, "") if side == "*" else side[-1]
                found.append((item, quantity, sign))
        return [each for each in found if each[1] and not (each[0].has("loss") and each[1] in ("size", "memory"))]

    def one(self, name: str) -> Statement | None:
        """Return the bound that keeps a quantity as it is."""
        if name in ("accuracy", "fidelity"):
            return self.statement("max_accuracy_drop", 0.0, "drop")
        if name in ("speed", "latency", "throughput"):
            return self.statement("min_speedup", 1.0, "speed")
        return self.statement(f"max_{name}_ratio", 1.0, name) if name in ("size", "memory") else None

    def bound_of_one(self, name: str) -> list[Outcome]:
        made = self.one(name)
        return [made] if made else self.unread()

    def pending_names(self) -> list[str]:
        names = [item.value("quantity") for item in self.context.pending]
        self.context.pending.clear()
        return names
