"""What an adviser may propose: levers by operator class, closed words and a few numbers.

Nothing in it names a file, a node or a bound of the request. Code turns it into a `Plan` that passes the checks of all
plans, or drops it (`agents/proposals.py`). Numbers are chosen from a few: servers that hold answers to a schema keep to
its words, but not to the range of a number, which small models miss.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from .base import Contract
from .graph_passes import PassFamily
from .recipe import CalibrationMethod, Plan, Recovery, Storage

WORDS_AT_MOST = 240
Quality = Literal[10, 15, 20, 25, 30, 35, 40, 50, 60]
Share = Literal["10%", "25%", "50%"]
Specialist = Literal["planner", "quantization", "pruning", "runtime"]
Words = Annotated[str, BeforeValidator(lambda value: value[:WORDS_AT_MOST] if isinstance(value, str) else value)]


class QuantizationProposal(Contract):
    """Forms by operator class.

    Attributes:
        convolutions: `static` int8, with calibrated ranges, or none.
        products: matrix products; `dynamic` int8 takes ranges at each call.
        recurrent: LSTMs.
        storage: form in which the weights that stay in floating point are stored.
        per_layer: give each layer its own of these forms, by measured damage and time, so that the bounds are kept.
        keep_db: quality in dB to keep, where the need that follows from the request is not right; asks for `per_layer`.
        calibration: how the ranges of `static` are taken.
        recovery: what is done to win quality back.
    """

    convolutions: Literal["float32", "static"] = "float32"
    products: Literal["float32", "static", "dynamic"] = "float32"
    recurrent: Literal["float32", "dynamic"] = "float32"
    storage: Storage = "none"
    per_layer: bool = False
    keep_db: Quality | None = None
    calibration: CalibrationMethod = "minmax"
    recovery: Annotated[tuple[Recovery, ...], Field(max_length=5)] = ()


class PruningProposal(Contract):
    """Zero small weights, or take out the share `share` of the channels."""

    what: Literal["nothing", "small_weights", "channels"] = "nothing"
    share: Share = "25%"


class RuntimeProposal(Contract):
    """Families of graph passes that run before anything is quantized, and whether session settings are measured."""

    passes: Annotated[tuple[PassFamily, ...], Field(max_length=4)] = ("elimination", "fusion", "constant_folding")
    tune: bool = False


class Proposal(Contract):
    """A whole plan, as the planner proposes it. `why` is for people and reaches no tool."""

    quantization: QuantizationProposal = QuantizationProposal()
    pruning: PruningProposal = PruningProposal()
    runtime: RuntimeProposal = RuntimeProposal()
    why: Words = ""


class Dropped(Contract):
    """A proposal that cannot be turned into a plan, in short, and why."""

    proposal: str
    reason: str


class Consultation(Contract):
    """What one adviser answered before one attempt; it stands on the trail.

    Attributes:
        plans: what its proposals were turned into.
        dropped: what could not be turned into a plan.
        error: why there was no answer.
    """

    attempt: int
    proposer: Specialist
    plans: tuple[Plan, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    error: str = ""


class ProposalCount(Contract):
    """What became of one adviser's proposals in a run.

    Attributes:
        asked: how often it was asked; `unanswered` how often nothing came back.
        valid: proposals that are plans; `dropped` those that are none.
        tried: attempts that none but this adviser asked for; `met` those of them that met everything.
    """

    proposer: Specialist
    asked: int = 0
    unanswered: int = 0
    valid: int = 0
    dropped: int = 0
    tried: int = 0
    met: int = 0
