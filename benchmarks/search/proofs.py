"""Hold every product that was called met against its request, by figures that were measured without shipfit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from asked import Case
from bars import Bar, equal, held_out_bars
from places import folder_of
from pydantic import BaseModel
from trials import Trial
from verify import Proof

from shipfit.contracts import Request
from shipfit.interfaces.scenarios.case import HeldOut
from shipfit.tools.judge import DROP_GUARD, FIDELITY_GUARD_DB, LATENCY_GUARD, SIZE_GUARD

HERE = Path(__file__).resolve().parent
_SECONDS = 1.5


class Held(BaseModel):
    """A product that met a case, measured again.

    Attributes:
        proof: what was measured; absent where the product could not be opened.
        refuted: the bounds and guards that are missed: a size that is larger, or a sampled or timed figure whose whole
            95 % interval lies beyond.
        within_noise: those that the estimate alone misses.
    """

    case: str
    product: str
    proof: Proof | None = None
    refuted: list[str]
    within_noise: list[str] = []


def prove(trials: Iterable[Trial], cases: Mapping[str, Case], products: Path, workers: int) -> list[Held]:
    """Return a record for every pair of case and product that some run called met."""
    pairs = sorted({(trial.case, trial.product) for trial in trials if trial.product is not None})
    made = sorted({(cases[case].model, product) for case, product in pairs})
    with ThreadPoolExecutor(workers) as pool:
        parts = [made[index::workers] for index in range(workers)]
        measured = list(pool.map(lambda part: _measured(part, products), parts))
    proofs = {made: proof for part in measured for made, proof in part.items()}
    return [held(cases[case], product, proofs.get(product)) for case, product in pairs]


def _measured(made: Sequence[tuple[str, str]], products: Path) -> dict[str, Proof]:
    """Return product → figures, from one process that never imports shipfit."""
    jobs = [
        [
            str(folder_of(model) / "model.onnx"),
            str(products / product / "model.onnx"),
            str(folder_of(model) / "held_out.npz"),
        ]
        for model, product in made
    ]
    done = subprocess.run(
        [sys.executable, str(HERE / "prove.py"), str(_SECONDS)],
        input="".join(json.dumps(job) + "\n" for job in jobs), text=True, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    found = map(Proof.model_validate_json, done.stdout.splitlines())
    return {product: proof for (_, product), proof in zip(made, found, strict=True)}


def held(case: Case, product: str, proof: Proof | None) -> Held:
    """Return what figures say of the claim that a product meets a case."""
    if proof is None:
        return Held(case=case.name, product=product, refuted=["could not be measured"])
    request = case.request(folder_of(case.model) / "model.onnx", folder_of(case.model) / "data.npz", 0, memory=False)
    wanted = asked(request, labelled=proof.drop is not None)
    bars = [equal("signature kept", True, proof.same_signature), equal("foreign operators", [], proof.foreign_domains)]
    refuted = {bar.name: _told(bar) for bar in [*bars, *held_out_bars(wanted, proof)] if not bar.reached}
    missed = {bar.name: _told(bar) for bar in held_out_bars(wanted, _exact(proof)) if not bar.reached}
    noise = [words for name, words in missed.items() if name not in refuted]
    return Held(case=case.name, product=product, proof=proof, refuted=list(refuted.values()), within_noise=noise)


def asked(request: Request, *, labelled: bool) -> HeldOut:
    """Return what a product is held to: the bounds of a request, and the guards of what it does not bound."""
    bounds, lifted = request.constraints, set(request.allow_regression)
    guards = {
        "max_size_ratio": ("size", SIZE_GUARD),
        "min_speedup": ("latency", 1 / LATENCY_GUARD),
        "max_accuracy_drop": ("accuracy", DROP_GUARD),
    }
    figures = {name: getattr(bounds, name) for name in guards}
    figures |= {name: guard for name, (what, guard) in guards.items() if figures[name] is None and what not in lifted}
    guarded = FIDELITY_GUARD_DB if "accuracy" not in lifted and not labelled else None
    return HeldOut(
        max_size_ratio=figures["max_size_ratio"],
        min_speedup=figures["min_speedup"],
        max_drop=figures["max_accuracy_drop"] if labelled else None,
        min_fidelity_db=bounds.min_fidelity_db or guarded,
    )


def _exact(proof: Proof) -> Proof:
    """Return the figures without their intervals."""
    figures = {name: getattr(proof, name) for name in ("drop", "fidelity_db", "speedup", "same_arm")}
    points = {
        name: f.model_copy(update={"low": f.value, "high": f.value}) for name, f in figures.items() if f is not None
    }
    points["same_arm"] = figures["same_arm"].model_copy(update={"value": 1.0})
    return proof.model_copy(update=points)


def _told(bar: Bar) -> str:
    return f"{bar.name} {bar.found} (asked {bar.bound})"
