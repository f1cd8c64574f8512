"""A dry run: what would be done, what is expected of it and how long it would take; nothing is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ..contracts import (
    Contract,
    Executor,
    Limits,
    NormalizeStep,
    Plan,
    Policy,
    PolicyState,
    Profile,
    ProgressSink,
    Request,
    Settings,
    StepReport,
)
from ..memory.store import LocalArtifactStore
from ..tools.hardware import has_vnni
from .execute import Execution
from .intake import admit

# What an attempt costs beside running the model: child processes that start and load the runtime.
ATTEMPT_S = 9.0
MEASURE_S = 8.0


class DryRun(Contract):
    """What a run would start with.

    Attributes:
        plans: the first plan, with its prediction and its reason.
        seconds_estimate: for one attempt up to the whole budget (low, high).
    """

    profile: Profile
    plans: tuple[Plan, ...]
    seconds_estimate: tuple[float, float]
    notes: tuple[str, ...] = ()


@contextmanager
def scratch(
    settings: Settings, executor: Executor, request: Request, progress: ProgressSink | None = None
) -> Generator[Execution]:
    """Yield an execution over a store that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="shipfit-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)

        def tell(event: object) -> None:
            if progress is not None:
                progress(event)  # type: ignore[arg-type]

        yield Execution(
            "scratch",
            LocalArtifactStore(root / "artifacts"),
            None,
            executor,
            root / "work",
            tell,
            seed=request.seed,
            threads=request.threads,
            limits=Limits(time_s=settings.job_time_s, memory_bytes=settings.job_memory_bytes),
        )


def dry_run(request: Request, settings: Settings, executor: Executor, policy: Policy) -> DryRun:
    """Admit, normalize and inspect the model, and ask the policy for its first plan."""
    with scratch(settings, executor, request) as execute:
        admitted = admit(request, execute, settings.max_model_bytes)
        original, data = admitted["original"], admitted["data"]
        normalized = execute(
            "perform", StepReport, inputs={"model": original}, data=data, step=NormalizeStep()
        ).outputs["model"]
        done = execute("inspect", Profile, inputs={"model": normalized}, data=data, params={"timing": True})
    profile = done.report.model_copy(update={"size_bytes": original.size_bytes})
    state = PolicyState(request=request, profile=profile, labelled=data.labelled, vnni=has_vnni())
    first = policy.propose(state)
    samples = sum(data.parts.values())
    per_attempt = ATTEMPT_S + MEASURE_S + 2 * samples * (profile.latency_ms or 1.0) / 1000
    high = min(request.budget.max_attempts * (per_attempt + MEASURE_S), request.budget.time_limit_s)
    return DryRun(
        profile=profile,
        plans=(first,) if first else (),
        seconds_estimate=(min(per_attempt, high), high),
        notes=profile.warnings,
    )
