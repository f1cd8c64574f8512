"""Responses in the shapes that runs really give, made up here so that each test says what matters."""

from __future__ import annotations

import math

from shipfit.contracts import (
    ArtifactRef,
    Attempt,
    ConstraintResult,
    Constraints,
    DeploymentMetrics,
    Effort,
    Interval,
    LatencyMetrics,
    LayerForm,
    MemoryMetrics,
    NodeTime,
    Offer,
    OperatorShare,
    OptimizationMetrics,
    OptimizationResponse,
    Plan,
    Predicted,
    ProductArtifact,
    Profile,
    Provenance,
    Quantity,
    QuantizeLever,
    QuantizeStep,
    Recipe,
    Recommendation,
    Request,
    Target,
    TensorSpec,
    Timing,
    Verdict,
)

RUN = "20260301-101500-ab12"
ORIGINAL_BYTES = 8_420_000
HERE = "onnxruntime 1.32.0 on 3f9a1c2b4d5e"
DIGEST = "a" * 64


def quantity(value: float, unit: str, spread: float = 0.0, samples: int = 1, runtime: str = HERE) -> Quantity:
    interval = Interval(low=value * (1 - spread), high=value * (1 + spread)) if spread else None
    data = {"value": value, "unit": unit, "interval": interval, "samples": samples, "runtime": runtime}
    return Quantity.model_validate(data)


def metrics(size: float, latency: float, accuracy: float | None, fidelity: float | None = None) -> DeploymentMetrics:
    times = {
        name: quantity(latency * factor, "ms", 0.02, 812)
        for name, factor in (("mean", 1.05), ("p50", 1.0), ("p95", 1.3), ("p99", 1.6))
    }
    return DeploymentMetrics(
        size=quantity(size, "bytes", runtime="-"),
        compressed_size=quantity(size * 0.9, "bytes", runtime="-"),
        latency=LatencyMetrics(**times),
        throughput=quantity(1000 / latency, "1/s", 0.02, 812),
        memory=MemoryMetrics(
            peak=quantity(20e6 + size * 2, "bytes"), average=quantity(20e6 + size, "bytes"),
            runtime_alone=quantity(31e6, "bytes"),
        ),
        load_time=quantity(12 + size / 1e6, "ms"),
        accuracy=None if accuracy is None else quantity(accuracy, "fraction", 0.01, 450),
        fidelity=None if fidelity is None else quantity(fidelity, "dB", samples=450),
    )  # fmt: skip


def comparison(size: float, speed: float, delta: float | None, fidelity: float) -> OptimizationMetrics:
    return OptimizationMetrics(
        original_size=quantity(ORIGINAL_BYTES, "bytes", runtime="-"),
        optimized_size=quantity(size * ORIGINAL_BYTES, "bytes", runtime="-"),
        size_ratio=quantity(size, "fraction", runtime="-"),
        speedup=quantity(speed, "ratio", 0.014, 410),
        accuracy_delta=None if delta is None else quantity(delta, "fraction", samples=450),
        memory_reduction=quantity(0.2, "fraction"),
        memory_ratio=quantity(0.8, "fraction"),
        fidelity=quantity(fidelity, "dB", samples=450),
    )


def attempt(
    index: int, kind: str, size: float, speed: float, delta: float | None = -0.002, fidelity: float = 31.0,
    reason: str = "as the test says", plan: Plan | None = None,
) -> Attempt:  # fmt: skip
    lever = QuantizeLever(compute={"Conv": "static", "Gemm": "static"}, storage="int8")
    predicted = Predicted(size_ratio=size * 1.02, speedup=speed * 0.9, fidelity_db=fidelity + 1)
    plan = plan or Plan(quantize=lever, tune=True, predicted=predicted, reason="Conv takes 84 % of the time")
    accuracy = None if delta is None else 0.932 + delta
    return Attempt(
        index=index, plan=plan, candidate=ArtifactRef(id=f"{index:064x}", size_bytes=int(size * ORIGINAL_BYTES)),
        metrics=metrics(size * ORIGINAL_BYTES, 1.42 / speed, accuracy, fidelity),
        comparison=comparison(size, speed, delta, fidelity), verdict=verdict(kind, reason), stage="final",
        final_look=kind == "met", wall_s=9.4, cpu_s=12.0, sample_runs=1200,
    )  # fmt: skip


def verdict(kind: str, reason: str, *constraints: ConstraintResult) -> Verdict:
    return Verdict.model_validate({"kind": kind, "reason": reason, "constraints": constraints})


def failed_attempt(index: int) -> Attempt:
    return Attempt(
        index=index,
        plan=Plan(quantize=QuantizeLever(compute={"LSTM": "dynamic"}), reason="LSTM takes the rest"),
        verdict=verdict("failed", "the child exceeded its time limit"),
        stage="quantize",
        error_type="WorkerTimeout",
        wall_s=3.0,
    )


def constraints(met: bool | None = True) -> tuple[ConstraintResult, ...]:
    return (
        ConstraintResult(name="max_size_ratio", bound=0.3, measured=0.261, unit="fraction", met=met),
        ConstraintResult(
            name="min_speedup", bound=3, measured=4.21, unit="ratio", met=met, measured_on=HERE,
            interval=Interval(low=4.15, high=4.27),
        ),
        ConstraintResult(
            name="max_accuracy_drop", bound=0.01, measured=0.0022, unit="fraction", met=met, measured_on=HERE,
            interval=Interval(low=-0.004, high=0.0085), note="net loss of 1 in 450 samples",
        ),
        ConstraintResult(
            name="guard_memory", bound=42_000_000, measured=24_400_000, unit="bytes", met=met, measured_on=HERE
        ),
    )  # fmt: skip


def profile() -> Profile:
    tensor = TensorSpec(name="image", dtype="float32", shape=("batch", 1, 8, 8))
    return Profile(
        opset=17, ir_version=8, producer="pytorch 2.13", parameters=2_100_000, nodes=42, size_bytes=ORIGINAL_BYTES,
        weight_bytes=8_400_000, graph_bytes=20_000, storable_bytes=8_400_000, fixed_bytes=0, inputs=(tensor,),
        outputs=(tensor,),
        operators=(OperatorShare(op_type="Conv", count=20, weight_bytes=8_000_000, time_share=0.84),),
        quantizable_share=0.99, prunable_share=0.99, latency_ms=1.42,
    )  # fmt: skip


def request(**changes: object) -> Request:
    bounds = Constraints(max_size_ratio=0.3, min_speedup=3, max_accuracy_drop=0.01)
    plain = {"model": "/models/digits.onnx", "data": "/data/digits.npz", "constraints": bounds}
    return Request.model_validate({**plain, **changes})


def response(**changes: object) -> OptimizationResponse:
    """A run that met everything at its second attempt."""
    attempts = (
        attempt(1, "not_met", 0.262, 1.01, plan=Plan(quantize=QuantizeLever(storage="int8"), reason="size first"),
                reason="speed 1.01× is below 3×", delta=-0.001, fidelity=38.0),
        attempt(2, "met", 0.261, 4.21, delta=-0.0022, fidelity=31.6, reason="all bounds met"),
        attempt(3, "inconclusive", 0.34, 3.6, delta=0.0, fidelity=36.0, reason="speed is too noisy"),
        failed_attempt(4),
    )  # fmt: skip
    best = attempts[1]
    plain: dict[str, object] = {
        "run": RUN, "status": "met", "reason": "attempt 2 meets every bound and guard", "request": request(),
        "target": Target(), "constraints": constraints(), "profile": profile(),
        "baseline": metrics(ORIGINAL_BYTES, 1.42, 0.932), "optimized": best.metrics, "comparison": best.comparison,
        "recipe": Recipe(model=DIGEST, steps=(QuantizeStep(compute={"Conv": "static"}),)),
        "attempts": attempts, "first_met": 2, "delivered": 2, "layers": layers(),
        "recommendations": (
            Recommendation(category="runtime", description="Open it with one thread.",
                           implementation="shipfit.load('out')"),
            Recommendation(category="data", description="Give 1,000 labelled samples to narrow the interval."),
        ),
        "timeline": timeline(4),
        "effort": Effort(attempts=4, candidates=3, sample_runs=5400, jobs=19, cached_jobs=2, cpu_s=41.0, wall_s=38.0),
        "timing": Timing(wall_s=41.2, tools_s=37.9, coordinator_cpu_s=1.1, coordinator_peak_bytes=212_000_000),
        "provenance": Provenance(
            shipfit="0.1.0", versions={"onnx": "1.23.2", "onnxruntime": "1.32.0"}, hardware="3f9a1c2b4d5e",
            machine={"cpu": "AMD EPYC", "cores": "2", "instruction_sets": "avx2 avx512_vnni"}, seed=0,
            data_source="/data/digits.npz", split={"calibration": 224, "selection": 224, "final": 449}, final_looks=1,
        ),
        "artifact": ProductArtifact(path="model.onnx", sha256=DIGEST, size_bytes=2_197_620, original=False),
        "out": "/products/digits",
    }  # fmt: skip
    return OptimizationResponse.model_validate({**plain, **changes})


def timeline(attempts: int, pause_s: float = 0.0) -> tuple[NodeTime, ...]:
    """Nodes one after the other; `pause_s` seconds lie before the last attempt."""
    stays: list[tuple[str, int | None, float]] = [("admit", None, 0.3), ("intake", None, 0.4), ("profile", None, 1.3)]
    for index in range(1, attempts + 1):
        stays += [("plan", None, 0.01), ("rewrite", index, 0.5), ("quantize", index, 1.7), ("runtime", index, 1.6)]
        stays += [("measure", index, 5.2), ("validate", index, 1.4)]
    times, now = list[NodeTime](), 0.0
    for node, number, seconds in (*stays, ("conclude", None, 3.2)):
        now += pause_s if pause_s and (node, number) == ("rewrite", attempts) else 0.0
        times.append(NodeTime(node=node, attempt=number, started_s=now, seconds=seconds))
        now += seconds
    return tuple(times)


def layers(count: int = 20) -> tuple[LayerForm, ...]:
    forms = ("int8 static", "int8 static", "int8 stored", "fp32")
    return tuple(
        LayerForm(
            name=f"/features/{index}/Conv", op_type="Conv", form=forms[index % 4], why="32 channels, fast in int8",
            damage_db=28 + index * 0.7, time_share=0.9 / count, weight_bytes=400_000,
        )
        for index in range(count)
    )  # fmt: skip


def offer(of: Attempt, relax: dict[str, float], text: str) -> Offer:
    assert of.candidate is not None
    assert of.metrics is not None
    assert of.comparison is not None
    return Offer(
        attempt=of.index, candidate=of.candidate, relax=relax, text=text, metrics=of.metrics,
        baseline=metrics(ORIGINAL_BYTES, 1.42, 0.932), comparison=of.comparison,
    )  # fmt: skip


def rolled_back(**changes: object) -> OptimizationResponse:
    """A run that met nothing: the original, and two offers."""
    attempts = tuple(
        attempt(index, "not_met", size, speed, delta, db, reason=f"size {size:.0%} is above 1 %")
        for index, size, speed, delta, db in (
            (1, 0.261, 4.21, -0.0022, 31.6), (2, 0.14, 1.0, -0.012, 24.0), (3, 0.262, 1.01, 0.0, math.inf),
        )
    )  # fmt: skip
    offers = (
        offer(attempts[0], {"max_size_ratio": 0.261234}, "26.1 % of the size, 4.21× the speed: size ≤ 26.2 %"),
        offer(attempts[1], {"max_size_ratio": 0.14, "max_accuracy_drop": 0.012}, "14 % of the size: drop ≤ 1.2 %"),
    )
    original = metrics(ORIGINAL_BYTES, 1.42, 0.932)
    plain: dict[str, object] = {
        "status": "rolled_back", "reason": "no candidate met every bound; 6 attempts are spent", "attempts": attempts,
        "request": request(constraints=Constraints(max_size_ratio=0.01, max_accuracy_drop=0.0)),
        "first_met": None, "delivered": None, "optimized": original, "recipe": None, "layers": (), "offers": offers,
        "comparison": comparison(1.0, 1.0, 0.0, math.inf), "constraints": constraints(met=False),
        "artifact": ProductArtifact(path="model.onnx", sha256=DIGEST, size_bytes=ORIGINAL_BYTES, original=True),
    }  # fmt: skip
    return response(**{**plain, **changes})


def unverified() -> OptimizationResponse:
    """A run for another machine: measured here, which proves nothing there; no labels."""
    attempts = tuple(attempt(i, kind, size, speed, None, db) for i, kind, size, speed, db in (
        (1, "not_met", 0.27, 1.3, 14.0), (2, "met", 0.4, 1.6, 33.0)
    ))  # fmt: skip
    best = attempts[1]
    assert best.comparison is not None
    bounds = Constraints(max_size_ratio=0.5, min_fidelity_db=30, max_latency_ms=2)
    return response(
        status="unverified", reason="measured on this host, not on edge", attempts=attempts, first_met=2, delivered=2,
        target=Target(platform="edge"), request=request(target=Target(platform="edge"), data=None, constraints=bounds),
        constraints=(
            ConstraintResult(name="max_size_ratio", bound=0.5, measured=0.4, unit="fraction", met=True),
            ConstraintResult(name="max_latency_ms", bound=2, measured=1.1, unit="ms", measured_on=f"{HERE} (edge)"),
            ConstraintResult(name="min_fidelity_db", bound=30, measured=33, unit="dB", met=True, measured_on=HERE),
        ),
        baseline=metrics(ORIGINAL_BYTES, 1.42, None), optimized=best.metrics,
        comparison=best.comparison.model_copy(update={"synthetic_data": True}),
        alerts=("latency p95 of 2.1 ms is above the alert of 2 ms",),
    )  # fmt: skip
