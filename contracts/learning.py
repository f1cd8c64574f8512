"""What agents learned: a module's examples with where they come from, and how a compilation went."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .base import Contract
from .proposal import Specialist

# How a module is compiled: examples alone, or lessons besides.
TuningMethod = Literal["bootstrap", "gepa"]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class PredictorState(Contract):
    """The state of one predictor, as DSPy dumps it to JSON. It names no language model.

    Attributes:
        signature: what the predictor asks for: that of the code, which lessons may stand below the instructions of.
        demos: examples that stand before each question.
    """

    traces: Annotated[tuple[Any, ...], Field(max_length=0)] = ()
    train: Annotated[tuple[Any, ...], Field(max_length=0)] = ()
    demos: Annotated[tuple[dict[str, Any], ...], Field(max_length=8)]
    signature: dict[str, Any]
    lm: None = None


class TunedModule(Contract):
    """An agent's compiled module as `SHIPFIT_HOME/agents` keeps it.

    Attributes:
        language_model: the model that it was compiled with, and is used with.
        created: seconds since the epoch.
        trained_on, held_back: decisions of past runs that it was compiled from, and that it was judged by.
        before, after: share of held-back decisions that the module got right as it was, and as it is.
        runs: the runs that the decisions are from.
        method: how it was compiled.
        state: predictor → its state.
    """

    version: Literal[1] = 1
    agent: Specialist
    language_model: Annotated[str, Field(max_length=200)]
    created: float
    shipfit: str
    dspy: str
    trained_on: Annotated[int, Field(ge=0)]
    held_back: Annotated[int, Field(ge=0)]
    before: Fraction
    after: Fraction
    runs: Annotated[tuple[str, ...], Field(max_length=200)] = ()
    method: TuningMethod = "bootstrap"
    state: Annotated[dict[str, PredictorState], Field(max_length=4)]


class TuningReport(Contract):
    """How the compilation of one agent's module went.

    Attributes:
        adopted: whether it is used from now on.
        reason: why, or why not.
        method: how it was compiled; None where it was not.
    """

    agent: Specialist
    adopted: bool
    reason: str
    method: TuningMethod | None = None
    trained_on: int = 0
    held_back: int = 0
    before: Fraction | None = None
    after: Fraction | None = None


class AgentState(Contract):
    """One agent's module at present.

    Attributes:
        tuned: the compiled module, absent where the one that ships is used.
        problem: why a file that is there is not used.
    """

    agent: Specialist
    tuned: TunedModule | None = None
    problem: str = ""
