"""Wishes without a number: objectives, what may get worse, what must not."""

from __future__ import annotations

from .allowances import AllowanceWish
from .kept import KeptWish
from .objectives import ObjectiveWish
from .statements import Outcome, Statement


class WishReader(AllowanceWish, ObjectiveWish, KeptWish):
    """Reads one clause that has no measure (any more)."""

    def read(self) -> list[Outcome]:
        """Return what the clause wishes for; a passage that could not be read is told."""
        rules = (
            self._statistic, self.indifference, self.superlative, self.lossless, self.kept, self.not_worse,
            self.permission, self.priority, self._listed, self.better,
        )  # fmt: skip
        for rule in rules:
            found = rule()
            if found is not None:
                return found
        return self._leftover()

    def _statistic(self) -> list[Outcome] | None:
        """`…, on average`: what the latency before is measured by."""
        found = next((item for item in self.items if item.has("statistic")), None)
        last = self.context.last()
        if found is None or last is None or last.field not in ("max_latency_ms", "latency_statistic"):
            return None
        if found.value("statistic") == "other" or self.quantities() or self.has("indifferent", "negation"):
            return None
        return [Statement("latency_statistic", found.value("statistic"), found.start, found.end, about="statistic")]

    def _listed(self) -> list[Outcome] | None:
        """One more quantity of a list, or the first of one that is still to be told of."""
        names = self.quantities()
        others = [
            item
            for item in self.items
            if not item.has("quantity", "article", "everything", "of", "goal", "is", "negation", "approximate")
            and not (item is self.items[-1] and item.has("too"))
        ]
        if not names or others or len(self.items) > len(names) + 3:
            return None
        if self.items[-1].has("is") or self._denies():  # `size is not an issue, speed is`
            return self.unread()
        last = self.context.last()
        allowed = last is not None and last.field == "allow_regression"
        if (
            self.context.repeat is not None and allowed and self.has("negation") and not self._denies()
        ):  # `…, the size may not`
            return [made for name in self.names() for made in self.bound_of_one(name)]
        if self.context.repeat is not None:
            return [made for item in names for made in self.context.repeat(item.value("quantity"), item)]
        if self.has("negation"):
            return None
        self.context.pending += names
        return []

    def _denies(self) -> bool:
        """Tell whether it only is not so: `RAM is cheap, latency isn't`."""
        return any(item.value("negation") == "denies" for item in self.items)

    def _leftover(self) -> list[Outcome]:
        """Tell of a passage that speaks of a quantity and something else, and of which nothing was used."""
        if self.has("wished"):
            return self.unread()
        if self.quantities():
            self.context.topic = self.names()[0]
        telling = self.has(
            "upper", "lower", "loss", "vague", "keep", "fine", "change", "direction", "superlative", "adjective"
        )
        told = self.has("present", "from") and not self.has("goal")
        if self.quantities() and telling and not told:
            return self.unread()
        if self.has("loss") and self.has("vague", "fine", "upper", "lower", "goal"):
            return self.unread()
        return []
