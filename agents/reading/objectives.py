"""What to gain most: `as small as possible`, `speed matters most`, `make it faster`."""

from __future__ import annotations

from .context import Repeat
from .items import Item
from .passage import BETTER, OBJECTIVE_OF
from .statements import Outcome, Statement
from .wish import Wish

_OPPOSITE = {"-": "+"}


class ObjectiveWish(Wish):
    """Reads what to gain most."""

    def superlative(self) -> list[Outcome] | None:
        """`as small as possible`, `the smallest file`, `minimize latency`, `best quality`."""
        objectives: list[str] = []
        for index, item in enumerate(self.items):
            side = item.value("adjective") or item.value("direction") or item.value("change")
            before = self.items[index - 1] if index else None
            after = self.items[index + 1 :][:4]
            possible = next((each for each in after if each.has("possible")), None)
            led = before is not None and before.has("as")
            led = led or (item.has("adjective") and possible is not None and after[0] is possible)
            if side and possible and (led or possible.has("bare_possible") or side[:-1]):
                quantity = side[:-1] or next((name for name in self.names()), "")
                if self.has("loss"):  # `a loss as small as possible`
                    quantity, side = "accuracy", _OPPOSITE.get(side[-1], "")
                if led or item.has("direction", "change"):
                    objectives.append(quantity if side[-1] == BETTER.get(quantity) else "")
            found = item.value("superlative")
            if found in OBJECTIVE_OF or found == "balanced":
                objectives.append(found)
            elif found and not item.has("lower"):
                name = next((each.value("quantity") for each in self.items[index:] if each.has("quantity")), "")
                objectives.append(name if BETTER.get(name) == found else "")
        known = [OBJECTIVE_OF.get(name, name) for name in objectives if name in OBJECTIVE_OF or name == "balanced"]
        if not objectives or (not known and not self.quantities()):
            return None
        told = [*self.names(), *(item.value("quantity") for item in self.context.pending)]
        if self.has("negation") or not known or (known == ["balanced"] and {"accuracy", "memory"} & set(told)):
            return self.unread()
        self.context.repeat = None if "balanced" in known else self._objective_again()
        return [self.statement("objective", name, "objective") for name in dict.fromkeys(known)]

    def _objective_again(self) -> Repeat:
        def repeat(name: str, item: Item) -> list[Statement]:
            objective = OBJECTIVE_OF.get(name)
            return [Statement("objective", objective, item.start, item.end, about="objective")] if objective else []

        return repeat

    def priority(self) -> list[Outcome] | None:
        """`speed matters most`, `optimize for size`."""
        marker = next((item for item in self.items if item.has("priority")), None)
        if marker is None:
            return self._preference()
        if self.has("negation"):
            return None
        leads = marker.value("priority") == "before"
        around = self.clause.after(marker) if leads else self.clause.before(marker)[::-1]
        around = tuple(
            item
            for item in around
            if item.has("adjective") or not item.has("article", "of", "is", "goal", "vague", "everything")
        )
        places = around[:1]
        name = next((item.value("quantity") for item in places if item.has("quantity")), "")
        if not name:
            side = next((item.value("adjective") or item.value("direction") for item in places
                         if item.has("adjective", "direction")), "")  # fmt: skip
            name = side[:-1] if side and side[-1] == BETTER.get(side[:-1], "") else ""
        objective = OBJECTIVE_OF.get(name)
        if objective is None:
            return None
        return [self.statement("objective", objective, "objective")]

    def _preference(self) -> list[Outcome] | None:
        """`size over speed`."""
        for one, over, two in zip(self.items, self.items[1:], self.items[2:], strict=False):
            objective = OBJECTIVE_OF.get(self._gain(one))
            if (
                objective
                and (over.has("over", "instead", "than") or over.value("lower") == "mark")
                and self._gain(two)
                and not self.has("negation")
            ):
                return [self.statement("objective", objective, "objective")]
        return None

    def _gain(self, item: Item) -> str:
        """Return the quantity that a noun or an adjective of what is good names."""
        side = item.value("adjective") or item.value("direction")
        return item.value("quantity") or (side[:-1] if side and side[-1] == BETTER.get(side[:-1]) else "")

    def better(self) -> list[Outcome] | None:
        """`make it faster`, `reduce the size`, `too slow`."""
        found: list[str] = []
        for item, quantity, sign in self.changes():
            if (quantity in OBJECTIVE_OF and sign == BETTER[quantity]) or (
                self._is_complaint(item) and quantity in OBJECTIVE_OF
            ):
                found.append(OBJECTIVE_OF[quantity])
        bare = [item for item in self.items if item.has("change") and len(item.value("change")) == 1]
        if not found and bare and not self.names() and any(item.has("bare_cut") for item in bare):
            found.append("size")
        found += self._adjectives()
        compared = any(item.has("upper", "lower") and not item.has("direction") for item in self.items)
        if not found or compared or {"first", "error"} & set(self.names()):
            return None
        if self.has("too") and self.has("negation", "past"):  # `not too slow`, `was too slow`
            return self.unread()
        self._remember_topic()
        self.context.repeat = self._weakly_again()
        return [self.statement("objective", name, "objective", "weak") for name in dict.fromkeys(found)]

    def _remember_topic(self) -> None:
        """Keep what is to change and where to, for a number that may follow."""
        turned = [(quantity, sign) for _, quantity, sign in self.changes()]
        if turned:
            self.context.topic, self.context.towards = turned[0]
        elif self.names():
            self.context.topic = self.names()[0]

    def _weakly_again(self) -> Repeat:
        def repeat(name: str, item: Item) -> list[Statement]:
            objective = OBJECTIVE_OF.get(name)
            made = Statement("objective", objective or "", item.start, item.end, "weak", "objective")
            return [made] if objective else []

        return repeat

    def _is_wanted(self, index: int) -> bool:
        """Tell whether an adjective says what is wanted: `I want a small model`."""
        before = self.items[max(index - 2, 0) : index]
        return len(before) == 2 and before[0].has("goal") and before[1].has("one")

    def _is_told(self, index: int) -> bool:
        """Tell whether an adjective says how the model is: `the model is fast`."""
        before = self.items[max(index - 2, 0) : index]
        return len(before) == 2 and before[1].has("is") and before[0].has("model") and not self.has("goal", "modal")

    def _is_complaint(self, item: Item) -> bool:
        before = self.clause.before(item)
        return bool(before) and before[-1].has("too")

    def _adjectives(self) -> list[str]:
        """Return objectives of `make it fast` and `it is too big`; a `small model` is only a name for it."""
        found: list[str] = []
        for index, item in enumerate(self.items):
            side = item.value("adjective")
            before = self.items[index - 1] if index else None
            complaint = before is not None and before.has("too")
            if not side or (item.has("vague") and self.quantities() and not complaint):
                continue
            quantity, sign = side[:-1] or next(iter(self.names()), ""), side[-1]
            if quantity not in OBJECTIVE_OF or not (side[:-1] or complaint):
                continue
            after = self.items[index + 1] if index + 1 < len(self.items) else None
            attribute = (after is not None and after.kind == "word" and not after.readings) or (
                after is not None and after.has("model")
            )
            told = before is not None and before.has("is") and after is None and self.has("model")
            if (before is not None and (before.has("too") or told) and sign != BETTER[quantity]) or (
                sign == BETTER[quantity]
                and (not attribute or self._is_wanted(index))
                and (before is None or before.has("article", "goal", "vague", "is", "and", "keep", "only"))
                and not self._is_told(index)
            ):
                found.append(OBJECTIVE_OF[quantity])
        return found
