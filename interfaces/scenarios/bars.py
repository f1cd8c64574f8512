"""Compare what a run did, and what its product is, with the bars of its scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...contracts import Contract, OptimizationResponse, Quantity
from .case import Expect, HeldOut

if TYPE_CHECKING:
    from ...agents.standalone import BenchmarkResult


class Bar(Contract):
    """One bar, what was found, and whether it was reached."""

    name: str
    bound: str
    found: str
    reached: bool


def at_most(name: str, bound: float, found: float, unit: str = "") -> Bar:
    """Return a bar that `found` may not exceed."""
    return Bar(name=name, bound=f"≤ {bound:g}{unit}", found=f"{found:.4g}{unit}", reached=found <= bound)


def at_least(name: str, bound: int, found: int) -> Bar:
    """Return a bar that `found` may not fall short of."""
    return Bar(name=name, bound=f"≥ {bound}", found=str(found), reached=found >= bound)


def equal(name: str, bound: object, found: object) -> Bar:
    """Return a bar that asks for exactly this."""
    return Bar(name=name, bound=str(bound), found=str(found), reached=bound == found)


def not_refuted(
    name: str, bound: float, found: tuple[float, float, float] | None, *, upper: bool, missing: str = "not measured"
) -> Bar:
    """Return a bar on a figure with its interval (value, low, high): missed when all of it lies beyond the bound."""
    sign = "≤" if upper else "≥"
    if found is None:
        return Bar(name=name, bound=f"{sign} {bound:g}", found=missing, reached=False)
    value, low, high = found
    reached = low <= bound if upper else high >= bound
    return Bar(name=name, bound=f"{sign} {bound:g}", found=f"{value:.4g} [{low:.4g}, {high:.4g}]", reached=reached)


def run_bars(expect: Expect, wall_s: float, response: OptimizationResponse) -> list[Bar]:
    """Return the bars on a run that ended with a response, by what it reports of itself."""
    bars = [equal("status", expect.status, response.status)]
    if expect.says is not None:
        bars.append(says(expect.says, response.reason))
    if expect.attempts is not None:
        bars.append(at_most("attempts to meet", expect.attempts, response.first_met or float("inf")))
    if expect.offers:
        bars.append(at_least("offers", expect.offers, sum(offer.validated for offer in response.offers)))
    if expect.wall_s is not None:
        bars.append(at_most("wall", expect.wall_s, wall_s, " s"))
    if expect.coordinator_cpu_s is not None:
        allowed = expect.coordinator_cpu_s + len(response.attempts) * expect.coordinator_cpu_per_attempt_s
        bars.append(at_most("coordinator CPU beyond imports", allowed, response.timing.coordinator_cpu_s, " s"))
    if expect.coordinator_peak_mb is not None:
        peak = response.timing.coordinator_peak_bytes / 1e6
        bars.append(at_most("coordinator peak", expect.coordinator_peak_mb, peak, " MB"))
    return bars


def says(words: str, text: str) -> Bar:
    """Return a bar that asks for words in what was said."""
    return Bar(name="says", bound=words, found=text, reached=words in text)


def held_out_bars(wanted: HeldOut, found: BenchmarkResult) -> list[Bar]:
    """Return the bars on the product's own figures."""
    bars: list[Bar] = []
    evaluation = found.evaluation
    if wanted.max_size_ratio is not None:
        bars.append(at_most("held out: size ratio", wanted.max_size_ratio, found.comparison.size_ratio.value))
    if wanted.min_speedup is not None:
        speedup = _with_noise(found)
        bars.append(not_refuted("held out: speedup", wanted.min_speedup, speedup, upper=False))
    if wanted.max_drop is not None:
        bars.append(not_refuted("held out: drop", wanted.max_drop, _figure(evaluation.drop), upper=True))
    if wanted.min_fidelity_db is not None:
        fidelity = _figure(evaluation.fidelity)
        bars.append(not_refuted("held out: fidelity dB", wanted.min_fidelity_db, fidelity, upper=False))
    return bars


def _figure(quantity: Quantity | None) -> tuple[float, float, float] | None:
    if quantity is None:
        return None
    if quantity.interval is None:
        return quantity.value, quantity.value, quantity.value
    return quantity.value, quantity.interval.low, quantity.interval.high


def _with_noise(found: BenchmarkResult) -> tuple[float, float, float] | None:
    """Widen the speed's interval by what two sessions of the very same file differed by."""
    figure, same = _figure(found.benchmark.speedup), found.benchmark.same_arm.value
    if figure is None:
        return None
    noise = max(same, 1 / same)
    return figure[0], figure[1] / noise, figure[2] * noise
