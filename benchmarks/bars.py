"""Compare what a run did and what its product is with the bars of its scenario.

The comparing is this module's own: nothing of shipfit judges shipfit here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from onnx_files import same_bytes, sha256
from prepare import Case
from pydantic import BaseModel
from verify import Figure, Proof
from watch import Watched

from shipfit.interfaces.scenarios.case import Expect, HeldOut, Scenario


class Bar(BaseModel):
    """One bar, what was found, and whether it was reached."""

    name: str
    bound: str
    found: str
    reached: bool


def at_most(name: str, bound: float, found: float, unit: str = "") -> Bar:
    """Return a bar that `found` may not exceed."""
    return Bar(name=name, bound=f"≤ {bound:g}{unit}", found=f"{found:.4g}{unit}", reached=found <= bound)


def equal(name: str, bound: object, found: object) -> Bar:
    """Return a bar that asks for exactly this."""
    return Bar(name=name, bound=str(bound), found=str(found), reached=bound == found)


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
        found = sum(bool(offer["validated"]) for offer in report["offers"])
        bars.append(Bar(name="offers", bound=f"≥ {expect.offers}", found=str(found), reached=found >= expect.offers))
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
        bars.append(_not_refuted("speedup", wanted.min_speedup, _with_noise(proof), upper=False))
    if wanted.max_drop is not None:
        bars.append(_not_refuted("drop", wanted.max_drop, proof.drop, upper=True))
    if wanted.min_fidelity_db is not None:
        bars.append(_not_refuted("fidelity dB", wanted.min_fidelity_db, proof.fidelity_db, upper=False))
    return bars


def _with_noise(proof: Proof) -> Figure:
    """Widen the speed's interval by what two sessions of the very same file differed by."""
    noise = max(proof.same_arm.value, 1 / proof.same_arm.value)
    speed = proof.speedup
    return Figure(value=speed.value, low=speed.low / noise, high=speed.high * noise)


def _not_refuted(name: str, bound: float, found: Figure | None, *, upper: bool) -> Bar:
    """Return a bar on a sampled figure: missed when the whole interval lies beyond the bound."""
    if found is None:
        return Bar(name=name, bound=f"{bound:g}", found="not measured", reached=False)
    reached = found.low <= bound if upper else found.high >= bound
    text = f"{found.value:.4g} [{found.low:.4g}, {found.high:.4g}]"
    return Bar(name=name, bound=f"{'≤' if upper else '≥'} {bound:g}", found=text, reached=reached)
