"""What advisers were asked in a run and what came of it, on its trail: a run that is resumed asks nobody twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Consultation, Policy, validate
from ..memory.trail import Trail
from .language_policy import LanguagePolicy

if TYPE_CHECKING:
    from .language.advisor import Advisor

# The kind of the trail's entries.
PROPOSALS = "proposals"


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

    def policy(self, policy: Policy, advisor: Advisor | None) -> Policy:
        """Return `policy`, with the agents' proposals in its queue where a language model advises."""
        if advisor is None:
            return policy
        from .language.specialists import ModuleAdvisers

        return LanguagePolicy(policy, ModuleAdvisers(advisor), self.keep, self.all())
