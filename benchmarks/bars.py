"""Compare what a run did and what its product is with the bars of its scenario."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from onnx_files import same_bytes, sha256
from prepare import Case
from verify import Figure, Proof
from watch import Watched

from shipfit.interfaces.scenarios.bars import Bar, at_least, at_most, equal, not_refuted
from shipfit.interfaces.scenarios.case import Expect, HeldOut, Scenario


def read_report(out: Path) -> dict[str, Any] | None:
    """Return the product's `report.json`, or None where there is none."""
    path = out / "report.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def run_bars(expect: Expect, watched: Watched, report: dict[str, Any]) -> list[Bar]:
    """Return the bars on the run itself."""
    attempts = len(report["attempts"])
    bars = [
        equal("exit status", expect.exit_status, watched.status),
        equal("status", expect.status, report["status"]),
    ]
    if expect.wall_s is not None:
        bars.append(at_most("wall", expect.wall_s, watched.wall_s, " s"))
    if expect.coordinator_cpu_s is not None:
        outside = watched.own_cpu_s - report["timing"]["import_cpu_s"]
        allowed = expect.coordinator_cpu_s + attempts * expect.coordinator_cpu_per_attempt_s
        bars.append(at_most("coordinator CPU beyond imports", allowed, outside, " s"))
    if expect.coordinator_peak_mb is not None:
        bars.append(at_most("coordinator peak", expect.coordinator_peak_mb, watched.peak_bytes / 1e6, " MB"))
    if expect.attempts is not None:
        bars.append(at_most("attempts to meet", expect.attempts, report["first_met"] or float("inf")))
    if expect.offers:
        bars.append(at_least("offers", expect.offers, sum(bool(offer["validated"]) for offer in report["offers"])))
    return bars


def product_bars(scenario: Scenario, case: Case, out: Path, report: dict[str, Any], proof: Proof | None) -> list[Bar]:
    """Return the bars on the delivered file; `proof` is absent where the original must come back."""
    product = out / report["artifact"]["path"]
    bars = [equal("report names the file", sha256(product), report["artifact"]["sha256"])]
    if scenario.expect.status == "rolled_back":
        return [*bars, equal("original byte for byte", True, same_bytes(case.model, product))]
    if proof is None or scenario.held_out is None:
        return bars
    return [
        *bars,
        equal("signature kept", True, proof.same_signature),
        equal("foreign operators", [], proof.foreign_domains),
        *held_out_bars(scenario.held_out, proof),
    ]


def held_out_bars(wanted: HeldOut, proof: Proof) -> list[Bar]:
    """Return the bars on the product's own figures."""
    bars: list[Bar] = []
    if wanted.max_size_ratio is not None:
        bars.append(at_most("size ratio", wanted.max_size_ratio, proof.size_ratio))
    if wanted.min_speedup is not None:
        bars.append(not_refuted("speedup", wanted.min_speedup, _figure(_with_noise(proof)), upper=False))
    if wanted.max_drop is not None:
        bars.append(not_refuted("drop", wanted.max_drop, _figure(proof.drop), upper=True))
    if wanted.min_fidelity_db is not None:
        bars.append(not_refuted("fidelity dB", wanted.min_fidelity_db, _figure(proof.fidelity_db), upper=False))
    return bars


def _figure(found: Figure | None) -> tuple[float, float, float] | None:
    return None if found is None else (found.value, found.low, found.high)


def _with_noise(proof: Proof) -> Figure:
    """Widen the speed's interval by what two sessions of the very same file differed by."""
    noise = max(proof.same_arm.value, 1 / proof.same_arm.value)
    speed = proof.speedup
    return Figure(value=speed.value, low=speed.low / noise, high=speed.high * noise)
