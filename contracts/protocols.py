"""The seams: what later targets, stores, executors and policies plug into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from .attempt import Attempt
from .base import Contract
from .events import Progress
from .host import Hardware, HostProbe
from .jobs import ArtifactRef, DataRef, Job, JobResult, Limits, StepReport
from .lesson import Lesson
from .outcome import Outcome, Recalled
from .profile import Profile, TensorSpec
from .recipe import Plan, RuntimeSettings
from .request import Request

ProgressSink = Callable[[Progress], None]


class Transformation(Protocol):
    """The one shape of every transformation: read `source`, write `target`, say what was done.

    `source` is a model file, `target` a path that does not exist yet, `data` an opened view of the
    canonical data (absent where the step needs none).
    """

    def __call__(self, step: Any, source: Path, target: Path, data: DataView | None, limits: Limits) -> StepReport: ...


class DataView(Protocol):
    """Read access to one split data set, sample by sample."""

    @property
    def ref(self) -> DataRef: ...

    def feeds(self, part: str, limit: int | None = None) -> Sequence[Mapping[str, Any]]:
        """Return feeds (input name → array) of one part, lazily loaded, in a fixed order."""
        ...

    def labels(self, part: str, limit: int | None = None) -> Any | None:
        """Return class indices aligned with `feeds`, or None."""
        ...

    def targets(self, part: str, limit: int | None = None) -> Sequence[Sequence[Any]] | None:
        """Return what the answers to each feed should be (arrays or texts, one per row of the feed), or None."""
        ...

    def starts(self, part: str, limit: int | None = None) -> Sequence[bool]:
        """Return for each feed whether a stream starts with it; without fed-back state every feed is its own."""
        ...


class Session(Protocol):
    """A loaded model that runs."""

    @property
    def input_names(self) -> Sequence[str]: ...

    @property
    def output_names(self) -> Sequence[str]: ...

    @property
    def input_specs(self) -> Sequence[TensorSpec]:
        """Name, element type and shape of each input as the runtime sees it; a free dimension is its name or `?`."""
        ...

    @property
    def output_specs(self) -> Sequence[TensorSpec]: ...

    def run(self, feeds: Mapping[str, Any]) -> Sequence[Any]:
        """Return the outputs in the order of `output_names`."""
        ...

    def arm(self, feeds: Sequence[Mapping[str, Any]]) -> Callable[[int], object]:
        """Return what runs the feed of that number, with as little around the runtime's own call as can be."""
        ...


class Runtime(Protocol):
    """Where a product runs."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def open(self, model: Path, settings: RuntimeSettings) -> Session:
        """Load `model` in a stock session of this runtime.

        Raises:
            ToolError: the runtime refuses the file; the message is the runtime's own.
        """
        ...


class Executor(Protocol):
    """Runs jobs in child processes, here or elsewhere."""

    def run(self, job: Job, inputs: Mapping[str, Path], work: Path, progress: ProgressSink | None = None) -> JobResult:
        """Run `job` in a fresh child that sees `inputs` and writes below `work`.

        Raises:
            WorkerError: crash, time-out, out of memory or a malformed answer.
            OptimizationError: what the tool itself raised.
            MachineError: there is no machine of the job's hardware.
        """
        ...

    def hardware(self) -> Hardware:
        """Return the hardware that a run which begins to measure now should measure on."""
        ...

    def cancel(self) -> None:
        """Kill the child that is running, if any."""
        ...


class ArtifactStore(Protocol):
    """Content-addressed models, data and tables."""

    def put(self, source: Path, kind: str) -> ArtifactRef:
        """Store a file or a folder by copy or move, atomically, and return its reference."""
        ...

    def exists(self, artifact: str) -> bool:
        """Tell whether the artifact with this id is there."""
        ...

    def path(self, ref: ArtifactRef) -> Path:
        """Return the artifact's folder, which nobody may write to.

        Raises:
            MachineError: it is not there, or its content no longer has its digest.
        """
        ...


class OutcomeStore(Protocol):
    """Remembers outcomes and finds similar ones."""

    def remember(self, outcomes: Sequence[Outcome]) -> None: ...

    def recall(self, profile: Profile, request: Request, model: str, hardware: str, limit: int = 24) -> list[Recalled]:
        """Return past outcomes, most similar first."""
        ...

    def count(self) -> int: ...


class PolicyState(Contract):
    """What a policy sees: the request, the facts, everything tried so far, and what advisers propose beside it.

    Attributes:
        rejected: plans that a person did not want tried.
        lessons: what the recalled outcomes teach about this model, beyond what priors know.
    """

    request: Request
    profile: Profile
    host: HostProbe
    attempts: tuple[Attempt, ...] = ()
    recalled: tuple[Recalled, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    rejected: tuple[Plan, ...] = ()
    labelled: bool = False
    proposals: tuple[Plan, ...] = ()

    def is_open(self, plan: Plan) -> bool:
        """Tell whether a plan was neither tried nor rejected."""
        known = (*(attempt.plan for attempt in self.attempts), *self.rejected)
        return not any(plan.same_as(other) for other in known)


class Policy(Protocol):
    """Proposes the next plan, or None when nothing promising is left."""

    def propose(self, state: PolicyState) -> Plan | None: ...
