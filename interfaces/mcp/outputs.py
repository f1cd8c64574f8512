"""What the tools answer: figures with their names and units, and texts that are safe to show."""

from __future__ import annotations

from typing import Any, Literal

from ...agents.standalone import BenchmarkResult
from ...contracts import (
    CompatibilityReport,
    ConstraintResult,
    Contract,
    Guarded,
    OptimizationMetrics,
    Profile,
    Understanding,
    Understood,
)
from ...contracts.attempt import VerdictKind
from ...memory.runs import LedgerStatus


class Answered(Contract):
    """What every answer has: `omitted` names the places where something was cut to keep the answer small."""

    omitted: tuple[str, ...] = ()


class Inspected(Profile, Answered):
    """What is in a model."""


class Checked(CompatibilityReport, Answered):
    """Whether a file loads and runs in a runtime; `verdict` is both."""

    verdict: Literal["compatible", "not compatible"]


class Benchmarked(BenchmarkResult, Answered):
    """Two models side by side; a ratio above 1 means that the candidate is faster."""


class Understands(Understanding, Answered):
    """What words ask for."""


class Tried(Contract):
    """One attempt of a run, or a plan that may be tried: levers and figures, measured unless `basis` says otherwise.

    Attributes:
        size_ratio: share of the original's bytes; `speedup`: original time / its time.
        fidelity_db: likeness to the original's answers; `drop`: loss of accuracy, a fraction.
        chance: of a prediction, to meet everything.
    """

    attempt: int | None = None
    basis: Literal["measured", "predicted"] = "measured"
    levers: str
    verdict: VerdictKind | None = None
    text: str = ""
    size_ratio: float | None = None
    speedup: float | None = None
    fidelity_db: float | None = None
    drop: float | None = None
    chance: float | None = None


class Offered(Contract):
    """A validated candidate that missed, and the smallest relaxation under which it would be delivered.

    Attributes:
        relax: bound → value that it meets.
        allow_regression: guards that would have to be lifted.
    """

    attempt: int
    text: str
    relax: dict[str, float] = {}
    allow_regression: tuple[Guarded, ...] = ()


class Waits(Contract):
    """What a run waits to be told: by the tool `answer`, or by `resume` where the client can ask a person."""

    question: str
    about: Literal["plan", "result"]
    text: tuple[str, ...]


class RunAnswer(Answered):
    """How far a run is, or what it came to.

    Attributes:
        status: `met`: every bound holds, measured. `rolled_back`: none was found that met all; the product is the
            original, and `offers` say what could be had. `unverified`: a bound holds here, but not where the model will
            run. `waiting`: see `question`. `running`, `interrupted`: go on with the tool `resume`.
        constraints: each bound and guard against what was measured.
        comparison: product against original.
        understood, not_understood: what words were read as.
        folder: of the product, in the workspace.
        resources: what can be read of it.
    """

    run: str
    status: LedgerStatus
    reason: str = ""
    constraints: tuple[ConstraintResult, ...] = ()
    comparison: OptimizationMetrics | None = None
    attempts: tuple[Tried, ...] = ()
    delivered: int | None = None
    offers: tuple[Offered, ...] = ()
    understood: tuple[Understood, ...] = ()
    not_understood: tuple[str, ...] = ()
    question: Waits | None = None
    folder: str | None = None
    resources: tuple[str, ...] = ()


class Report(RunAnswer):
    """The summary of a finished run, with the parts of `report.json` that were asked for, as they stand there."""

    parts: dict[str, Any] = {}


class Listed(Contract):
    """One run: `created` in seconds since the epoch, paths relative to the workspace."""

    run: str
    created: float
    status: LedgerStatus
    elapsed_s: float
    model: str
    folder: str | None = None


class RunList(Answered):
    """Runs of this workspace, the latest first; `older` is the `before` that goes on where there are more."""

    runs: tuple[Listed, ...]
    older: str | None = None


class Explained(Answered):
    """Why a run went as it did, from its trail and by rule alone.

    Attributes:
        alternatives: kinds of plans, and why each was tried, is still open, was ruled out or is impossible.
    """

    run: str
    status: str
    text: tuple[str, ...]
    attempts: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


class Supposed(Answered):
    """What changed bounds would cost; nothing was run to find out.

    Attributes:
        outcome: `met` by something that was measured; else `likely` or `unlikely` by the best prediction.
    """

    run: str
    edits: tuple[str, ...]
    outcome: Literal["met", "likely", "unlikely"]
    candidates: tuple[Tried, ...]
    text: tuple[str, ...]


class PastCase(Tried):
    """A past outcome.

    Attributes:
        similarity: of model, request and target together, −1 to 1.
    """

    run: str
    similarity: float
    same_model: bool


class Recollected(Answered):
    """What a run of this request would recall, the most similar first, and the plan that it would try first."""

    cases: tuple[PastCase, ...]
    first: Tried | None = None


class Cancelled(Answered):
    """A run that was told to stop; `resume` goes on with it."""

    run: str
    status: LedgerStatus
