"""The response of a run, which is also `report.json`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .analysis import Analysis, Recommendation
from .approval import Decision
from .attempt import Attempt, ConstraintResult, Offer
from .base import Contract
from .host import HostProbe
from .jobs import LayerForm
from .language import LanguageUse
from .metrics import DeploymentMetrics, OptimizationMetrics
from .profile import Profile
from .proposal import ProposalCount
from .recipe import Recipe, RuntimeSettings
from .request import Request, Target

RunStatus = Literal["met", "unverified", "rolled_back", "failed"]
EXIT_STATUS: dict[RunStatus, int] = {"met": 0, "failed": 1, "rolled_back": 3, "unverified": 4}


class Effort(Contract):
    """Work spent, so that what is hidden inside a tool still shows."""

    attempts: int = 0
    candidates: int = 0
    sample_runs: int = 0
    jobs: int = 0
    cached_jobs: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0


class Timing(Contract):
    """Seconds: the whole run, inside tools, and CPU of the coordinator without importing third-party packages."""

    wall_s: float
    tools_s: float
    coordinator_cpu_s: float
    import_cpu_s: float = 0.0
    coordinator_peak_bytes: int = 0


class NodeTime(Contract):
    """One stay in a node of the state machine.

    Attributes:
        node: its name, such as `quantize`; `admit` is what came before the state machine.
        attempt: the attempt that it worked on, where it worked on one.
        started_s: wall-clock seconds since the run began, pauses between its processes included.
        seconds: how long it took.
    """

    node: str
    attempt: int | None = None
    started_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Provenance(Contract):
    """What a reader needs to repeat the run, or to tell whether another may be compared with it.

    Attributes:
        data_notes: what was decided about the data that nobody said, such as the layout of images.
        model, data: ids by content of the original and of the canonical data; empty in reports of older versions.
    """

    shipfit: str
    versions: dict[str, str]
    hardware: str
    machine: dict[str, str]
    seed: int
    data_source: str
    data_notes: tuple[str, ...] = ()
    model: str = ""
    data: str = ""
    split: dict[str, int]
    final_looks: int
    host: HostProbe | None = None


class ProductArtifact(Contract):
    """The delivered file: path relative to the product folder, and sha256 of its content."""

    path: str
    sha256: str
    size_bytes: int
    original: bool


class OptimizationResponse(Contract):
    """What `optimize` returns.

    Attributes:
        status: `met`, `unverified`, `rolled_back` or `failed`.
        first_met: number of the attempt that first met everything.
        delivered: number of the attempt that was delivered; absent after a rollback.
        recommendations: those of `analysis`.
        proposals: what became of what language-model modules proposed; empty where no model is set.
        timeline: what the run did when, in order; a node that was begun and killed is a gap.
        monitoring: phase → watched metric → value.
        alerts: alerts that the product would raise.
        language: what a language model was used for; absent where none was named.
        request: as it stood at the end; `decisions` say what a person changed of what was asked.
        decisions: what a person was asked and answered, in order.
    """

    run: str
    status: RunStatus
    reason: str
    request: Request
    target: Target
    constraints: tuple[ConstraintResult, ...]
    profile: Profile | None = None
    baseline: DeploymentMetrics | None = None
    optimized: DeploymentMetrics | None = None
    comparison: OptimizationMetrics | None = None
    recipe: Recipe | None = None
    runtime_settings: RuntimeSettings = RuntimeSettings()
    attempts: tuple[Attempt, ...] = ()
    first_met: int | None = None
    delivered: int | None = None
    layers: tuple[LayerForm, ...] = ()
    offers: tuple[Offer, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    analysis: Analysis = Analysis()
    proposals: tuple[ProposalCount, ...] = ()
    alerts: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    monitoring: dict[str, dict[str, Any]] = {}
    effort: Effort = Effort()
    language: LanguageUse | None = None
    timing: Timing
    timeline: tuple[NodeTime, ...] = ()
    provenance: Provenance
    artifact: ProductArtifact
    out: str | None = None

    @property
    def exit_status(self) -> int:
        """The command line's exit status."""
        return EXIT_STATUS[self.status]
