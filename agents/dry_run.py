"""A dry run: what would be done, what is expected of it and how long it would take.

Nothing of it is kept but what the machine is, where that was not known.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..contracts import (
    Contract,
    Executor,
    HostProbe,
    Limits,
    Plan,
    Policy,
    PolicyState,
    Profile,
    ProgressSink,
    Request,
    Settings,
)
from ..memory.ledger import Ledger
from ..memory.outcomes import ChromaOutcomeStore
from ..memory.store import LocalArtifactStore
from .execute import Execution
from .host import known_host, probe_host
from .intake import admit, normalized
from .search.lessons import informed

# What an attempt costs beside running the model: child processes that start and load the runtime.
ATTEMPT_S = 9.0
MEASURE_S = 8.0


class DryRun(Contract):
    """What a run would start with.

    Attributes:
        plans: the first plan, with its prediction and its reason.
        host: the machine that the predictions are for.
        seconds_estimate: for one attempt up to the whole budget (low, high).
    """

    profile: Profile
    plans: tuple[Plan, ...]
    seconds_estimate: tuple[float, float]
    host: HostProbe
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


@dataclass(frozen=True)
class Foreseen:
    """What a run would know before its first plan, and how many samples each attempt would see."""

    state: PolicyState
    samples: int


def foresee(request: Request, settings: Settings, ledger: Ledger, executor: Executor, limit: int = 24) -> Foreseen:
    """Admit, normalize and inspect the model, and recall what is known of models like it, at most `limit` outcomes."""
    known_host(settings, ledger)
    with scratch(settings, executor, request) as execute:
        admitted = admit(request, execute, settings.max_model_bytes)
        original, data = admitted["original"], admitted["data"]
        model, _, _ = normalized(request, execute, original, data)
        done = execute("inspect", Profile, inputs={"model": model}, data=data, params={"timing": True})
        host, _ = probe_host(settings, ledger, execute)
        hardware = execute.hardware.fingerprint
    profile = done.report.model_copy(update={"size_bytes": original.size_bytes})
    state = PolicyState(request=request, profile=profile, host=host, labelled=data.labelled)
    if request.memory:
        store = ChromaOutcomeStore(settings.outcomes, ledger)
        state = informed(state, store.recall(done.report, request, original.id, hardware, limit))
    return Foreseen(state, sum(data.parts.values()))


def dry_run(request: Request, settings: Settings, ledger: Ledger, executor: Executor, policy: Policy) -> DryRun:
    """Find out what a run would know, and ask the policy for its first plan."""
    seen = foresee(request, settings, ledger, executor)
    state, samples, profile, host = seen.state, seen.samples, seen.state.profile, seen.state.host
    first = policy.propose(state)
    per_attempt = ATTEMPT_S + MEASURE_S + 2 * samples * (profile.latency_ms or 1.0) / 1000
    high = min(request.budget.max_attempts * (per_attempt + MEASURE_S), request.budget.time_limit_s)
    return DryRun(
        profile=profile,
        plans=(first,) if first else (),
        seconds_estimate=(min(per_attempt, high), high),
        host=host,
        notes=(*profile.warnings, *([host.note] if host.note else [])),
    )
