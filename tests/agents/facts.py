"""Facts in the form that policies see them, made up here so that each test says what matters."""

from __future__ import annotations

from typing import Any

from shipfit.contracts import (
    ArtifactRef,
    Attempt,
    ConstraintResult,
    Constraints,
    HostProbe,
    OperatorShare,
    OptimizationMetrics,
    Plan,
    PolicyState,
    Profile,
    Quantity,
    Request,
    TensorSpec,
    Verdict,
)

from ..hosts import WITH_VNNI


def quantity(value: float, unit: str = "fraction") -> Quantity:
    return Quantity.model_validate({"value": value, "unit": unit})


def make_profile(**operators: tuple[int, int, float]) -> Profile:
    """Operator → (nodes, weight bytes, share of time)."""
    shares = tuple(
        OperatorShare(op_type=name, count=count, weight_bytes=size, time_share=share)
        for name, (count, size, share) in operators.items()
    )
    weights = sum(item.weight_bytes for item in shares)
    tensor = TensorSpec(name="x", dtype="float32", shape=(1, 1, 8, 8))
    return Profile(
        opset=17, ir_version=8, parameters=weights // 4, nodes=20, size_bytes=weights + 10_000, weight_bytes=weights,
        graph_bytes=10_000, storable_bytes=weights, fixed_bytes=0, inputs=(tensor,), outputs=(tensor,),
        operators=shares, quantizable_share=1.0, prunable_share=1.0, latency_ms=1.0,
    )  # fmt: skip


def make_state(
    profile: Profile, *attempts: Attempt, labelled: bool = True, host: HostProbe = WITH_VNNI, **bounds: Any
) -> PolicyState:
    request = Request(model="m.onnx", data="d.npz", constraints=Constraints.model_validate(bounds))
    return PolicyState(request=request, profile=profile, host=host, attempts=attempts, labelled=labelled)


def make_attempt(
    index: int, plan: Plan, kind: str, *, size: float = 0.3, speed: float | None = 1.0, db: float = 30.0,
    drop: float = 0.0, violated: tuple[str, ...] = (), original_bytes: int = 7_510_000,
) -> Attempt:  # fmt: skip
    results = tuple(
        ConstraintResult(name=name, bound=0.01, measured=0.5, unit="fraction", met=False, shortfall=1.0)
        for name in violated
    )
    comparison = OptimizationMetrics(
        original_size=quantity(original_bytes, "bytes"), optimized_size=quantity(size * original_bytes, "bytes"),
        size_ratio=quantity(size), speedup=quantity(speed, "ratio") if speed else None,
        accuracy_delta=quantity(-drop), fidelity=quantity(db, "dB"),
    )  # fmt: skip
    verdict = Verdict.model_validate({"kind": kind, "reason": "as the test says", "constraints": results})
    candidate = ArtifactRef(id=f"{index:064x}", size_bytes=int(size * original_bytes))
    return Attempt(index=index, plan=plan, candidate=candidate, comparison=comparison, verdict=verdict)
