"""Wishes without a number: objectives, what may get worse, what must not."""

from __future__ import annotations

from dataclasses import replace

from .bounds import is_content
from .clauses import Clause, trimmed
from .context import Context
from .items import Item
from .statements import Outcome, Statement, Strength, Unread

_OBJECTIVE_OF = {"size": "size", "latency": "latency", "speed": "latency", "throughput": "latency", "accuracy": "accuracy",
                 "fidelity": "accuracy"}  # fmt: skip
_GUARD_OF = {"size": "size", "memory": "memory", "latency": "latency", "speed": "latency", "throughput": "latency",
             "accuracy": "accuracy", "fidelity": "accuracy"}  # fmt: skip
# The sign of a change for the better.
_BETTER = {
    "size": "-",
    "memory": "-",
    "latency": "-",
    "speed": "+",
    "throughput": "+",
    "accuracy": "+",
    "fidelity": "+",
}
_OPPOSITE = {"-": "+", "+": "-"}
_MILD = frozenset({"much", "little", "minimal", "significant", "significantly", "noticeable", "noticeably", "negligible",
    "slight", "slightly", "too much", "hardly", "barely", "minor", "small", "bit", "tiny", "a"})  # fmt: skip


class WishReader:
    """Reads one clause that has no measure (any more)."""

    def __init__(self, clause: Clause, context: Context) -> None:
        self._clause, self._context = clause, context
        self._items = clause.items

    def read(self) -> list[Outcome]:
        """Return what the clause wishes for; a passage that could not be read is told."""
        for rule in (
            self._statistic, self._indifference, self._superlative, self._lossless, self._kept, self._not_worse, self._permission,
            self._priority, self._listed, self._better,
        ):  # fmt: skip
            found = rule()
            if found is not None:
                return found
        return self._leftover()

    # Helpers

    def _has(self, *concepts: str) -> bool:
        return self._clause.has(*concepts)  # type: ignore[arg-type]

    def _quantities(self) -> list[Item]:
        return [item for item in self._items if item.has("quantity")]

    def _names(self) -> list[str]:
        return [item.value("quantity") for item in self._quantities()]

    def _negation(self, until: Item) -> Item | None:
        return next((item for item in self._items if item.has("negation") and item.start < until.start), None)

    def _statement(self, field: str, value: str | float, about: str, strength: Strength = "firm") -> Statement:
        start, end = trimmed(self._items, is_content)
        made = Statement(field, value, start, end, strength, about, self._context.correcting)
        return replace(made, strength="soft") if self._has("hedge") and strength == "firm" else made

    def _unread(self) -> list[Outcome]:
        return [Unread(*trimmed(self._items, is_content))]

    def _is_vague(self) -> bool:
        return self._has("vague")

    def _changes(self) -> list[tuple[Item, str, str]]:
        """Return each word of direction with its quantity and sign; a noun gives the quantity where the word does not."""
        named = [name for name in self._names() if name in _BETTER]
        found: list[tuple[Item, str, str]] = []
        for item in self._items:
            side = item.value("direction") or item.value("change")
            if item.has("loss") and not side:
                quantity = named[0] if named else "accuracy"
                sign = "-" if quantity not in ("size", "memory", "latency") or item.value("loss") == "drop" else "+"
                found.append((item, quantity, sign))
            elif side:
                quantity = side[:-1] or (named[0] if named else "")
                if side[:-1] == "size" and "memory" in named:
                    quantity = "memory"
                found.append((item, quantity, side[-1]))
        return [each for each in found if each[1]]

    # Rules, in the order in which they are tried

    def _statistic(self) -> list[Outcome] | None:
        """`…, on average`: what the latency before is measured by."""
        found = next((item for item in self._items if item.has("statistic")), None)
        last = self._context.last()
        if found is None or last is None or last.field not in ("max_latency_ms", "latency_statistic"):
            return None
        if found.value("statistic") == "other" or self._quantities():
            return None
        return [Statement("latency_statistic", found.value("statistic"), found.start, found.end, about="statistic")]

    def _indifference(self) -> list[Outcome] | None:
        """`I don't care about the size`, `latency doesn't matter`."""
        marker = next((item for item in self._items if item.has("indifferent") and not item.has("negation")), None)
        if marker is None or not self._names() or self._negation(marker):
            return None
        if marker.value("indifferent") == "before":
            names = [item.value("quantity") for item in self._clause.after(marker) if item.has("quantity")]
            names = names or self._names()
        else:
            names = [item.value("quantity") for item in self._clause.before(marker) if item.has("quantity")]
            names += [item.value("quantity") for item in self._context.pending]
            self._context.pending.clear()
        return self._allowed(names) if names else None

    def _allowed(self, names: list[str]) -> list[Outcome]:
        guards = dict.fromkeys(_GUARD_OF[name] for name in names if name in _GUARD_OF)
        made: list[Outcome] = [self._statement("allow_regression", guard, f"guard {guard}") for guard in guards]
        self._context.repeat = self._again("allow_regression")
        return made or self._unread()

    def _again(self, field: str) -> object:
        correcting = self._context.correcting

        def repeat(name: str, item: Item) -> list[Statement]:
            guard = _GUARD_OF.get(name)
            if guard is None:
                return []
            return [Statement(field, guard, item.start, item.end, about=f"guard {guard}", replaces=correcting)]

        return repeat

    def _superlative(self) -> list[Outcome] | None:
        """`as small as possible`, `the smallest file`, `minimize latency`, `best quality`."""
        objectives: list[str] = []
        for index, item in enumerate(self._items):
            side = item.value("adjective") or item.value("direction") or item.value("change")
            before = self._items[index - 1] if index else None
            after = self._items[index + 1 :][:4]
            possible = next((each for each in after if each.has("possible")), None)
            if (
                side
                and possible
                and (before is not None and before.has("as") or "possible" in possible.text or side[:-1])
            ):
                quantity = side[:-1] or next((name for name in self._names()), "")
                if before is not None and before.has("as") or item.has("direction", "change"):
                    objectives.append(quantity if side[-1] == _BETTER.get(quantity) else "")
            found = item.value("superlative")
            if found in _OBJECTIVE_OF or found == "balanced":
                objectives.append(found)
            elif found and not item.has("lower"):
                name = next((each.value("quantity") for each in self._items[index:] if each.has("quantity")), "")
                objectives.append(name if _BETTER.get(name) == found else "")
        known = [_OBJECTIVE_OF.get(name, name) for name in objectives if name in _OBJECTIVE_OF or name == "balanced"]
        if not objectives or (not known and not self._quantities()):
            return None
        if self._has("negation") or not known:
            return self._unread()
        self._context.repeat = self._objective_again()
        return [self._statement("objective", name, "objective") for name in dict.fromkeys(known)]

    def _objective_again(self) -> object:
        def repeat(name: str, item: Item) -> list[Statement]:
            objective = _OBJECTIVE_OF.get(name)
            return [Statement("objective", objective, item.start, item.end, about="objective")] if objective else []

        return repeat

    def _lossless(self) -> list[Outcome] | None:
        """`lossless`, `without any loss`, `don't lose accuracy`."""
        if self._has("lossless"):
            return [self._statement("max_accuracy_drop", 0.0, "drop")]
        losses = [item for item in self._items if item.has("loss")]
        named = self._names()
        if not losses or (named and not {"accuracy", "fidelity"} & set(named)):
            return None
        negation = next((item for item in self._items if item.has("negation")), None)
        refused = self._has("refused")
        if negation is None and not refused:
            return None
        if self._is_vague():
            return self._unread()
        if (
            not named
            and losses[0].value("loss") != "noun"
            and losses[0].text not in ("lose", "loose", "losing", "loosing")
        ):
            return None
        return [self._statement("max_accuracy_drop", 0.0, "drop")]

    def _kept(self) -> list[Outcome] | None:
        """`same accuracy`, `keep the speed`, `as fast as now`."""
        compared = self._compared()
        if compared:
            return self._bound_of_one(compared)
        keep = next((item for item in self._items if item.has("keep")), None)
        if keep is None or self._changes():
            return None
        names = [name for name in self._names() if name in _GUARD_OF]
        names += [item.value("quantity") for item in self._context.pending]
        if not names:
            return None
        if self._is_vague() or self._has("negation", "upper", "lower", "adjective"):
            return self._unread()
        self._context.pending.clear()
        self._context.repeat = self._kept_again()
        return [outcome for name in names for outcome in self._bound_of_one(name) or []]

    def _kept_again(self) -> object:
        def repeat(name: str, item: Item) -> list[Statement]:
            made = self._one(name)
            return [replace(made, start=item.start, end=item.end)] if made else []

        return repeat

    def _compared(self) -> str:
        """Return the quantity of `as fast as now`."""
        for index, item in enumerate(self._items):
            after = self._items[index + 1 :][:4]
            as_before = index and self._items[index - 1].has("as")
            if item.has("adjective") and as_before and any(each.has("reference", "as") for each in after):
                if not any(each.has("possible") for each in after) and any(each.has("reference") for each in after):
                    return item.value("adjective")[:-1]
        return ""

    def _one(self, name: str) -> Statement | None:
        """Return the bound that keeps a quantity as it is."""
        if name in ("accuracy", "fidelity"):
            return self._statement("max_accuracy_drop", 0.0, "drop")
        if name in ("speed", "latency", "throughput"):
            return self._statement("min_speedup", 1.0, "speed")
        return self._statement(f"max_{name}_ratio", 1.0, name) if name in ("size", "memory") else None

    def _bound_of_one(self, name: str) -> list[Outcome]:
        made = self._one(name)
        return [made] if made else self._unread()

    def _not_worse(self) -> list[Outcome] | None:
        """`not slower`, `no bigger than now`, `memory must not grow`; `not smaller` asks for nothing."""
        whole = next((item.value("not_worse") for item in self._items if item.has("not_worse")), "")
        if whole:
            return self._bound_of_one(whole)
        for item, quantity, sign in self._changes():
            negation = self._negation(item)
            if negation is not None and negation.text == "nothing" and not self._names():
                return self._unread()  # everything at once is no field
            if negation is None and not (self._has("refused") and item.has("direction")):
                continue
            if self._is_vague() and quantity in _BETTER and sign != _BETTER[quantity]:
                return self._unread()
            if quantity not in _BETTER:
                return None
            if sign == _BETTER[quantity]:
                return []  # what need not get better
            self._context.repeat = self._kept_again()
            return self._bound_of_one(quantity)
        return None

    def _permission(self) -> list[Outcome] | None:
        """`slower is fine`, `memory may grow`, `accuracy can suffer`."""
        if not self._has("fine", "modal") or self._has("negation"):
            return None
        for item, quantity, sign in self._changes():
            if quantity in _BETTER and sign != _BETTER[quantity]:
                mild = quantity == "accuracy" and any(each.text in _MILD and each.has("vague") for each in self._items)
                return self._unread() if mild else self._allowed([quantity, *self._pending_names()])
        if self._has("fine") and self._has("adjective"):
            worse = [item.value("adjective") for item in self._items if item.has("adjective")]
            names = [side[:-1] for side in worse if side[-1] != _BETTER[side[:-1]]]
            return self._allowed(names) if names else None
        return None

    def _pending_names(self) -> list[str]:
        names = [item.value("quantity") for item in self._context.pending]
        self._context.pending.clear()
        return names

    def _priority(self) -> list[Outcome] | None:
        """`speed matters most`, `optimize for size`."""
        marker = next((item for item in self._items if item.has("priority")), None)
        if marker is None or self._has("negation"):
            return None
        if marker.value("priority") == "before":
            places = self._clause.after(marker)
        else:
            places = self._clause.before(marker)
        name = next((item.value("quantity") for item in places if item.has("quantity")), "")
        if not name:
            side = next((item.value("adjective") or item.value("direction") for item in places
                         if item.has("adjective", "direction")), "")  # fmt: skip
            name = side[:-1] if side and side[-1] == _BETTER.get(side[:-1], "") else ""
        objective = _OBJECTIVE_OF.get(name)
        if objective is None:
            return None
        return [self._statement("objective", objective, "objective")]

    def _listed(self) -> list[Outcome] | None:
        """One more quantity of a list, or the first of one that is still to be told of."""
        names = self._quantities()
        others = [
            item
            for item in self._items
            if not item.has("quantity", "article", "everything", "of", "goal", "is", "negation")
        ]
        if not names or any(item.readings for item in others) or len(self._items) > len(names) + 3:
            return None
        if self._context.repeat is not None:
            return [made for item in names for made in self._context.repeat(item.value("quantity"), item)]
        if self._has("negation"):
            return None
        self._context.pending += names
        return []

    def _better(self) -> list[Outcome] | None:
        """`make it faster`, `reduce the size`, `too slow`."""
        found: list[str] = []
        for item, quantity, sign in self._changes():
            if quantity in _OBJECTIVE_OF and sign == _BETTER[quantity]:
                found.append(_OBJECTIVE_OF[quantity])
            elif self._is_complaint(item) and quantity in _OBJECTIVE_OF:
                found.append(_OBJECTIVE_OF[quantity])
        bare = [item for item in self._items if item.has("change") and len(item.value("change")) == 1]
        if not found and bare and not self._names() and any(item.text in _BARE for item in bare):
            found.append("size")
        found += self._adjectives()
        if not found or self._has("upper", "lower") or {"first", "error"} & set(self._names()):
            return None
        turned = [quantity for _, quantity, _ in self._changes()]
        self._context.topic = next(iter([*self._names(), *turned]), self._context.topic)
        self._context.repeat = self._weakly_again()
        return [self._statement("objective", name, "objective", "weak") for name in dict.fromkeys(found)]

    def _weakly_again(self) -> object:
        def repeat(name: str, item: Item) -> list[Statement]:
            objective = _OBJECTIVE_OF.get(name)
            made = Statement("objective", objective or "", item.start, item.end, "weak", "objective")
            return [made] if objective else []

        return repeat

    def _is_complaint(self, item: Item) -> bool:
        before = self._clause.before(item)
        return bool(before) and before[-1].has("too")

    def _adjectives(self) -> list[str]:
        """Return objectives of `make it fast` and `it is too big`; a `small model` is only a name for it."""
        found: list[str] = []
        for index, item in enumerate(self._items):
            side = item.value("adjective")
            before = self._items[index - 1] if index else None
            complaint = before is not None and before.has("too")
            if not side or (item.has("vague") and self._quantities() and not complaint):
                continue
            quantity, sign = side[:-1], side[-1]
            after = self._items[index + 1] if index + 1 < len(self._items) else None
            attribute = (
                after is not None
                and after.kind == "word"
                and not after.readings
                or (after is not None and after.has("model"))
            )
            if before is not None and before.has("too") and sign != _BETTER[quantity]:
                found.append(_OBJECTIVE_OF[quantity])
            elif (
                sign == _BETTER[quantity]
                and not attribute
                and (before is None or before.has("article", "goal", "vague", "is", "and", "keep"))
            ):
                found.append(_OBJECTIVE_OF[quantity])
        return found

    def _leftover(self) -> list[Outcome]:
        """Tell of a passage that speaks of a quantity and something else, and of which nothing was used."""
        if self._has("wished"):
            return self._unread()
        if self._quantities():
            self._context.topic = self._names()[0]
        telling = self._has(
            "upper", "lower", "loss", "vague", "keep", "fine", "change", "direction", "superlative", "adjective"
        )
        told = self._has("present", "from") and not self._has("goal")
        if self._quantities() and telling and not told:
            return self._unread()
        if self._has("loss") and self._has("vague", "fine", "upper", "lower", "goal"):
            return self._unread()
        return []


_BARE = frozenset({"reduce", "trim", "trimming", "reduced by", "reducing", "slim down", "cut", "slash"})
