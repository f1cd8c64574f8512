"""The agents' language-model halves, asked through the advisor of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from ...contracts import LanguageModelError, Specialist
from ..search.proposals import Part
from .modules.planner import PlannerModule
from .modules.pruning import PruningModule
from .modules.quantization import QuantizationModule
from .modules.runtime import RuntimeModule

if TYPE_CHECKING:
    import dspy

    from .advisor import Advisor

PROPOSING: Mapping[Specialist, Callable[[], dspy.Module]] = {
    "planner": PlannerModule,
    "quantization": QuantizationModule,
    "pruning": PruningModule,
    "runtime": RuntimeModule,
}


class ModuleAdvisers:
    """Implements `language_policy.Advisers` with a DSPy module for each agent.

    Args:
        advisor: what they are asked through.
        modules: agent → its module, compiled where `shipfit agents tune` found a better one.
    """

    def __init__(self, advisor: Advisor, modules: Mapping[Specialist, dspy.Module] | None = None) -> None:
        self._advisor = advisor
        self._modules = modules or {}

    def ask(self, proposer: Specialist, situation: str) -> list[Part]:
        """Return what the agent proposes in this situation.

        Raises:
            LanguageModelError: there is no answer, or none that can be read.
        """
        module = self._modules.get(proposer) or PROPOSING[proposer]()
        answer = self._advisor.call(proposer, module, situation=situation)
        return proposals_of(answer)


def proposals_of(answer: dspy.Prediction) -> list[Part]:
    """Return the proposals of an answer.

    Raises:
        LanguageModelError: it holds none.
    """
    found: object = getattr(answer, "proposals", None)
    parts = cast("list[object]", found) if isinstance(found, list) else [found]
    proposals = [part for part in parts if isinstance(part, Part)]
    if len(proposals) < len(parts):
        raise LanguageModelError("the answer holds no proposals")
    return proposals
