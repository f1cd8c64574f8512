"""The built-in policy with an adviser that draws its proposals blindly: what worthless advice costs.

`language_arm.py` holds a language model's advice against none.
"""

from __future__ import annotations

import random
from typing import get_args

from shipfit.agents.search.language_policy import PROPOSALS_AT_MOST, LanguagePolicy
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.agents.search.proposals import FAMILIES, Part
from shipfit.contracts import (
    CalibrationMethod,
    Consultation,
    Policy,
    Proposal,
    PruningProposal,
    QuantizationProposal,
    Recovery,
    RuntimeProposal,
    Share,
    Specialist,
    Storage,
)


class DrawnAdvice:
    """Implements `language_policy.Advisers` without knowing anything: every answer is drawn from the language."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def ask(self, proposer: Specialist, situation: str) -> list[Part]:
        """Return proposals of the agent's kind, whatever the situation."""
        return [self._draw(proposer) for _ in range(PROPOSALS_AT_MOST)]

    def _draw(self, proposer: Specialist) -> Part:
        parts = {"quantization": self._quantization(), "pruning": self._pruning(), "runtime": self._runtime()}
        return Proposal.model_validate(parts) if proposer == "planner" else parts[proposer]

    def _quantization(self) -> QuantizationProposal:
        choose = self._random.choice
        return QuantizationProposal.model_validate(
            {
                "convolutions": choose(["float32", "static"]),
                "products": choose(["float32", "static", "dynamic"]),
                "recurrent": choose(["float32", "dynamic"]),
                "storage": choose(get_args(Storage)),
                "per_layer": choose([False, True]),
                "keep_db": choose([None, 10, 20, 30, 40, 60]),
                "calibration": choose(get_args(CalibrationMethod)),
                "recovery": self._random.sample(get_args(Recovery), self._random.randint(0, 3)),
            }
        )

    def _pruning(self) -> PruningProposal:
        what = self._random.choice(["nothing", "small_weights", "channels"])
        return PruningProposal.model_validate({"what": what, "share": self._random.choice(get_args(Share))})

    def _runtime(self) -> RuntimeProposal:
        passes = self._random.sample(FAMILIES, self._random.randint(0, len(FAMILIES)))
        return RuntimeProposal.model_validate({"passes": passes, "tune": self._random.random() < 0.5})


def with_drawn_advice(seed: int) -> Policy:
    """Return the built-in policy with blind advice."""
    return LanguagePolicy(BuiltInPolicy(), DrawnAdvice(seed), _pass_over)


def _pass_over(made: Consultation) -> None:
    """Keep nothing: attempts are what is counted here."""
