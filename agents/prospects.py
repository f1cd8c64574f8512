"""Whether a mixture that was chosen is worth building: it must be new, and within reach as far as was measured."""

from __future__ import annotations

from collections.abc import Sequence

from ..contracts import Attempt, MixtureReport, QuantizeLever, QuantizeStep, Verdict, units
from .search.mixture_plans import SPEED_MARGIN
from .state import Draft

# By how much a corrected prediction must miss: in dB, and as a share of the speed.
MISSES_DB, MISSES_SPEED = 1.5, 0.12


def not_worth_building(
    step: QuantizeStep, lever: QuantizeLever, chosen: MixtureReport, draft: Draft, attempts: Sequence[Attempt]
) -> str:
    """Return why nothing would be learned from the mixture, empty where something would."""
    for attempt in attempts:
        if attempt.quantized_from == draft.artifact and _is_made_by(attempt, step):
            return f"the choice is that of attempt {attempt.index}"
    if chosen.within or not lever.corrections.noise:
        return ""
    missed = "; ".join(_missed(lever, chosen))
    return f"not built: no choice of these forms is predicted to meet every bound: {missed}" if missed else ""


def _is_made_by(attempt: Attempt, step: QuantizeStep) -> bool:
    """Tell whether an attempt was quantized by the very step; what recovery and the like dropped is asked for again."""
    if attempt.candidate is None or attempt.recipe is None or attempt.plan.quantize is None:
        return False
    done = next((each for each in reversed(attempt.recipe.steps) if isinstance(each, QuantizeStep)), None)
    asked = {"recovery": attempt.plan.quantize.recovery, "clip_recurrent": attempt.plan.quantize.clip_recurrent}
    return done is not None and done.model_copy(update=asked) == step


def _missed(lever: QuantizeLever, chosen: MixtureReport) -> list[str]:
    """Return in words which bounds are clearly out of reach; the targets hold margins, which may be missed."""
    found: list[str] = []
    if lever.min_fidelity_db is not None:
        need = lever.min_fidelity_db - lever.margin_db
        if chosen.fidelity_db < need - MISSES_DB:
            found.append(f"{units.format_decibels(chosen.fidelity_db)} of {units.format_decibels(need)}")
    if lever.min_speedup is not None:
        wanted = lever.min_speedup / SPEED_MARGIN
        if chosen.speedup < wanted * (1 - MISSES_SPEED):
            found.append(f"{units.format_factor(chosen.speedup)} of {units.format_factor(wanted)}")
    return found


def given_up(draft: Draft, why: str) -> Draft:
    """Return the draft with its attempt ended before anything was built."""
    return draft.model_copy(update={"verdict": Verdict(kind="not_met", reason=why), "steps": ()})
