"""What each peer made of each model, as records."""

from __future__ import annotations

from arms import Figures
from asked import Asked
from machine import Machine
from pydantic import BaseModel

OURS = "shipfit"


class Arm(Figures):
    """One tool on one model.

    Attributes:
        sample_runs: samples that were run through some model, where they could be counted.
        notes: what the tool's search found on its way, or stumbled over.
    """

    peer: str
    sample_runs: int | None = None
    cpu_s: float = 0.0
    wall_s: float = 0.0
    notes: list[str] = []


class Compared(BaseModel):
    """One model and request: every arm was measured in one run."""

    model: str
    row: str
    about: str
    bounds: dict[str, float]
    same_arm: float = 1.0
    arms: list[Arm] = []

    def missed(self, arm: Arm) -> list[str]:
        """Return which bounds an arm's product does not reach; all of them without a product."""
        if arm.size is None or arm.speed is None:
            return list(self.bounds)
        found = {"size": -arm.size, "speedup": arm.speed.value}
        found |= {"drop": -arm.drop.value} if arm.drop else {}
        found |= {name: value for name in _DB if (value := getattr(arm, name)) is not None}
        signs = {"size": -1, "drop": -1}
        return [
            name
            for name, bound in self.bounds.items()
            if name not in found or found[name] < signs.get(name, 1) * bound - 1e-9
        ]


_DB = ("output_db", "logits_db", "cosine")


class Peers(BaseModel):
    """All models. `limit_s`: what each tool was given for each."""

    machine: Machine
    limit_s: float
    rows: list[Compared] = []


def task_bounds(asked: Asked) -> dict[str, float]:
    """Return a row's bars as the peers' tasks name them, likeness in dB at the outputs: peers know no others."""
    bars = asked.bars.given()
    wanted = asked.options.get("min-fidelity", asked.options.get("min-logits-fidelity"))
    likeness = {"db": float(str(wanted).removesuffix("dB"))}
    return {name: bars[name] for name in ("size", "speedup", "drop") if name in bars} | likeness
