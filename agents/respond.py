"""Turn the final state of a run into its response."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

from ..contracts import (
    ArtifactRef,
    Attempt,
    ConstraintResult,
    DeploymentMetrics,
    Effort,
    Hardware,
    LanguageUse,
    NodeTime,
    OptimizationMetrics,
    OptimizationResponse,
    ProductArtifact,
    ProposalCount,
    Provenance,
    Quantity,
    Recipe,
    Request,
    RunStatus,
    RuntimeSettings,
    Timing,
)
from ..tools.context import TORCH_SUFFIX
from .advise import recommend
from .analysis import analyse, with_words
from .monitor import OptimizationMonitor
from .state import RunState, came_as

_LIBRARIES = ("onnx", "onnxruntime", "numpy", "torch", "langgraph", "chromadb", "pydantic")


def respond(
    run: str,
    request: Request,
    state: RunState,
    product: Path,
    timing: Timing,
    hardware: Hardware,
    timeline: tuple[NodeTime, ...] = (),
    language: LanguageUse | None = None,
    proposals: tuple[ProposalCount, ...] = (),
    monitor: OptimizationMonitor | None = None,
) -> OptimizationResponse:
    """Return the response of a finished run whose delivered model's file in the store is `product`.

    It was measured on `hardware`; `monitor` collected what was measured on the way.
    """
    best = delivered(state)
    baseline, optimized, comparison = _measures(state, best)
    status = _status(request, best)
    monitor = monitor or OptimizationMonitor(request.monitoring)
    for phase, found in (("baseline", baseline), ("optimized", optimized), ("comparison", comparison)):
        monitor.collect_metrics(phase, found)
    ruled = analyse(state.get("attempts", ()), best, recommend(request, state, best))
    analysis = with_words(ruled, state.get("said"))
    return OptimizationResponse(
        run=run,
        status=status,
        reason=_reason(status, request, state, best),
        request=request,
        target=request.target,
        constraints=_constraints(request, state, best),
        profile=state.get("profile"),
        baseline=baseline,
        optimized=optimized,
        comparison=comparison,
        recipe=best.recipe if best else Recipe(model=came_as(state).id, seed=request.seed),
        runtime_settings=_settings(request, best, product),
        attempts=state.get("attempts", ()),
        first_met=state.get("first_met"),
        delivered=best.index if best else None,
        layers=state.get("layers", best.layers) if best else (),
        offers=state.get("offers", ()),
        recommendations=analysis.recommendations,
        analysis=analysis,
        alerts=monitor.alerts,
        decisions=state.get("decisions", ()),
        monitoring=monitor.phases,
        effort=state.get("effort", Effort()),
        language=language,
        proposals=proposals,
        timing=timing,
        timeline=timeline,
        provenance=_provenance(request, state, hardware),
        artifact=_artifact(product, best),
    )


def _settings(request: Request, best: Attempt | None, product: Path) -> RuntimeSettings:
    settings = best.runtime_settings if best else RuntimeSettings(intra_op_num_threads=request.threads)
    return settings.in_torch() if product.suffix == TORCH_SUFFIX else settings


def delivered(state: RunState) -> Attempt | None:
    """Return the attempt that is delivered, or None after a rollback."""
    best = state.get("best")
    return next((item for item in state.get("attempts", ()) if item.index == best), None)


def product_of(state: RunState) -> ArtifactRef:
    """Return the artifact that is delivered: the best candidate, or the untouched original."""
    best = delivered(state)
    return best.candidate if best and best.candidate else came_as(state)


def _status(request: Request, best: Attempt | None) -> RunStatus:
    if best is None:
        return "rolled_back"
    return "met" if request.target.measurable_here else "unverified"


def _reason(status: RunStatus, request: Request, state: RunState, best: Attempt | None) -> str:
    why = state.get("reason", "")
    if best is None:
        found = [attempt.index for attempt in state.get("attempts", ()) if attempt.rejected]
        refused = f"attempt {' and '.join(map(str, found))} was rejected, and no other met every bound" if found else ""
        causes = [why] if state.get("stopped") else [refused or "no candidate met every bound", why]
        return "; ".join([*causes, "the original is handed back untouched"])
    words = f"attempt {best.index} meets every bound and guard; {why}"
    if status == "unverified":
        words += f"; measured on this host, not on {request.target.platform}"
    return words


def _measures(
    state: RunState, best: Attempt | None
) -> tuple[DeploymentMetrics, DeploymentMetrics, OptimizationMetrics]:
    """Return original, product and their comparison; after a rollback the product is the original."""
    if best is not None and best.baseline and best.metrics and best.comparison:
        return best.baseline, best.metrics, best.comparison
    size = Quantity(value=state["original"].size_bytes, unit="bytes")
    known = [item.baseline for item in state.get("offers", ())]
    known += [item.baseline for item in state.get("attempts", ()) if item.baseline]
    original = next((item for item in known if item.latency), known[0] if known else DeploymentMetrics(size=size))
    same = OptimizationMetrics(original_size=size, optimized_size=size, size_ratio=Quantity(value=1.0, unit="fraction"))
    return original, original, same


def _constraints(request: Request, state: RunState, best: Attempt | None) -> tuple[ConstraintResult, ...]:
    """Return the bounds against the product; after a rollback, against the nearest candidate, which is said."""
    if best is not None:
        return best.verdict.constraints
    offers = state.get("offers", ())
    if offers:
        note = f"reached by attempt {offers[0].attempt}, which was not delivered"
        return tuple(_noted(item, note) for item in offers[0].constraints)
    judged = [attempt for attempt in state.get("attempts", ()) if attempt.verdict.constraints]
    if not judged:
        bounds = request.constraints.bounds()
        return tuple(ConstraintResult(name=item.name, bound=item.bound, unit=item.unit) for item in bounds)
    last = max(judged, key=lambda item: len([r for r in item.verdict.constraints if r.measured is not None]))
    return tuple(_noted(item, f"attempt {last.index}, not delivered") for item in last.verdict.constraints)


def _noted(result: ConstraintResult, note: str) -> ConstraintResult:
    return result.model_copy(update={"note": f"{result.note}; {note}" if result.note else note})


def _provenance(request: Request, state: RunState, hardware: Hardware) -> Provenance:
    return Provenance(
        shipfit=version("shipfit"),
        versions={name: version(name) for name in _LIBRARIES},
        hardware=hardware.fingerprint,
        machine=hardware.machine,
        seed=request.seed,
        data_source=state.get("data_source", ""),
        data_notes=state.get("data_notes", ()),
        model=state["original"].id,
        data=state["data"].id,
        split={str(part): count for part, count in state["data"].parts.items()},
        final_looks=int(state.get("final_looks", 0)),
        host=state.get("host"),
    )


def _artifact(product: Path, best: Attempt | None) -> ProductArtifact:
    with product.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = sum(item.stat().st_size for item in product.parent.rglob("*") if item.is_file())
    return ProductArtifact(path=product.name, sha256=digest, size_bytes=size, original=best is None)
