"""What advisers were asked in a run and what came of it, on its trail: a run that is resumed asks nobody twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..contracts import Consultation, Policy, validate
from ..memory.trail import Trail
from .search.language_policy import LanguagePolicy

if TYPE_CHECKING:
    from .language.advisor import Advisor

# Kinds of the trail's entries: what came of a question, and which modules are compiled ones.
PROPOSALS, LEARNED = "proposals", "learned"


class Consultations:
    """The consultations of one run."""

    def __init__(self, trail: Trail, run: str) -> None:
        self._trail = trail
        self._run = run

    def keep(self, made: Consultation) -> None:
        """Put one on the trail."""
        body = made.model_dump(mode="json", exclude_none=True)
        self._trail.append(self._run, PROPOSALS, body, once=f"{made.attempt} {made.proposer}")

    def all(self) -> list[Consultation]:
        """Return those that stand there, in order."""
        return [validate(Consultation, entry.body) for entry in self._trail.of(self._run, PROPOSALS)]

    def policy(self, policy: Policy, advisor: Advisor | None, learned: Path) -> Policy:
        """Return `policy`, with the agents' proposals in its queue where a language model advises.

        Args:
            policy: chooses among all plans.
            advisor: the language model, if any.
            learned: the folder of what agents learned; what of it is used or cannot be used is on the trail.
        """
        if advisor is None:
            return policy
        from .language.specialists import ModuleAdvisers
        from .language.tuned import modules_for, states

        known = states(learned)
        modules = modules_for(advisor.model, known)
        body = {"tuned": sorted(modules), "unused": [each.problem for each in known if each.problem]}
        self._trail.append(self._run, LEARNED, body, once=LEARNED)
        return LanguagePolicy(policy, ModuleAdvisers(advisor, modules), self.keep, self.all())
