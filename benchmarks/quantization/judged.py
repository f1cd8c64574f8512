"""Hold what was found against the bars of a row."""

from __future__ import annotations

from typing import Any, Literal

from asked import Asked, Bounds
from measured import Measured
from pydantic import BaseModel
from verify import Figure

State = Literal["reached", "within noise", "missed"]
LOWER_IS_BETTER = frozenset({"size", "drop"})


class Held(BaseModel):
    """One bar and what was found; `within noise`: the estimate misses it and the 95 % interval does not."""

    name: str
    bar: float
    stretch: float | None = None
    found: Figure
    state: State
    stretched: bool = False


class Effort(BaseModel):
    """What a run spent.

    CPU seconds are those of the command's own process as the kernel counted them and those that its report counts for
    its tools; wall seconds are of the whole command.
    """

    attempts: int = 0
    first_met: int | None = None
    candidates: int = 0
    sample_runs: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0


class Found(BaseModel):
    """One row of the table: the run, its product, and the bars.

    Attributes:
        forms: how many units have which form, `steps` what the recipe does.
        nearest: what the run offers instead, where it delivered the original.
        commit, date: of this row's run.
    """

    name: str
    about: str
    stock: str
    command: str
    status: str = "missing"
    reason: str = ""
    effort: Effort = Effort()
    steps: str = ""
    forms: str = ""
    nearest: str = ""
    measured: Measured | None = None
    held: list[Held] = []
    commit: str = ""
    date: str = ""
    load: float = 0.0

    @property
    def state(self) -> str:
        """The worst state of its bars; `not delivered` where the original came back."""
        if self.measured is None or self.status not in ("met", "unverified"):
            return "not delivered"
        states = [each.state for each in self.held]
        return next((state for state in ("missed", "within noise") if state in states), "reached")

    @property
    def stretched(self) -> bool:
        """Whether every bar that has a stretch reaches it, and all others are reached."""
        with_stretch = [each for each in self.held if each.stretch is not None]
        return bool(with_stretch) and self.state == "reached" and all(each.stretched for each in with_stretch)


def hold(asked: Asked, measured: Measured) -> list[Held]:
    """Return every bar of a row with what was found."""
    stretch = asked.stretch.given()
    return [_held(name, bar, stretch.get(name), _found(measured)[name]) for name, bar in _bars(asked.bars)]


def _bars(bars: Bounds) -> list[tuple[str, float]]:
    return list(bars.given().items())


def _found(measured: Measured) -> dict[str, Figure]:
    proof = measured.proof
    size = Figure(value=proof.size_ratio, low=proof.size_ratio, high=proof.size_ratio)
    nowhere = Figure(value=1.0, low=1.0, high=1.0)  # without labels there is no drop to speak of: all of it
    return {
        "size": size,
        "speedup": _with_noise(proof.speedup, proof.same_arm.value),
        "drop": proof.drop or nowhere,
        "output_db": proof.fidelity_db,
        "logits_db": measured.logits_db,
        "cosine": measured.cosine,
    }


def _with_noise(speed: Figure, same_arm: float) -> Figure:
    """Widen the speed's interval by what two sessions of the very same file differed by."""
    noise = max(same_arm, 1 / same_arm)
    return Figure(value=speed.value, low=speed.low / noise, high=speed.high * noise)


def _held(name: str, bar: float, stretch: float | None, found: Figure) -> Held:
    lower = name in LOWER_IS_BETTER
    best = found.low if lower else found.high

    def reaches(value: float, bound: float) -> bool:
        return value <= bound + 1e-9 if lower else value >= bound - 1e-9

    state: State = "reached" if reaches(found.value, bar) else "within noise" if reaches(best, bar) else "missed"
    stretched = stretch is not None and reaches(found.value, stretch)
    return Held(name=name, bar=bar, stretch=stretch, found=found, state=state, stretched=stretched)


def take_report(found: Found, report: dict[str, Any]) -> None:
    """Keep what the run says of itself."""
    effort = report["effort"]
    found.status, found.reason = report["status"], report["reason"]
    found.effort.attempts, found.effort.first_met = len(report["attempts"]), report["first_met"]
    found.effort.cpu_s += effort["cpu_s"]
    found.effort.candidates, found.effort.sample_runs = effort["candidates"], effort["sample_runs"]
    found.steps = " → ".join(_step(step) for step in (report.get("recipe") or {}).get("steps", []))
    found.forms = _forms(report.get("layers") or [])
    found.nearest = "; ".join(_offer(offer) for offer in report.get("offers") or [])


def _step(step: dict[str, Any]) -> str:
    if step["kind"] != "quantize":
        return str(step["kind"])
    said = [*(f"{form} {operator}" for operator, form in step["compute"].items())]
    said += [f"{len(step[name])} {name} named" for name in ("nodes", "stored") if step[name]]
    said += [step["storage"]] if step["storage"] != "none" else []
    said += [step["rounding"]] if step["rounding"] != "nearest" else []
    return f"quantize ({', '.join([*said, *step['recovery']])})"


def _forms(layers: list[dict[str, Any]]) -> str:
    forms = [str(layer["form"]) for layer in layers]
    return ", ".join(f"{forms.count(form)} {form}" for form in sorted(set(forms), key=forms.index))


def _offer(offer: dict[str, Any]) -> str:
    return str(offer.get("command") or offer.get("text") or "")
