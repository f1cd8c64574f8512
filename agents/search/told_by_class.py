"""What forms by operator class told of the tables that mixtures are chosen by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...contracts import Attempt, Plan, QuantizedForm, QuantizeLever, SensitivityTable
from .corrections import Row
from .needs import fidelity_of

# Only near what is aimed at do errors add up there as they do at it.
NEAR_DB = 8.0


def rows_by_class(
    lever: QuantizeLever, tables: Mapping[QuantizedForm, SensitivityTable], attempts: Sequence[Attempt]
) -> Iterator[Row]:
    """Yield for each form by class that was measured what the tables predict of it, and its noise as measured.

    Args:
        lever: of the mixture that is to be chosen.
        tables: form → damage of its units in it.
        attempts: of this run.
    """
    for attempt in attempts:
        reached = fidelity_of(attempt)
        if reached is None or not _is_near(reached, lever) or not _is_made_alike(attempt.plan, lever):
            continue
        predicted = _predicted(attempt.plan.quantize or QuantizeLever(), tables)
        if predicted:
            yield predicted, 10 ** (-reached / 10)


def _is_near(reached: float, lever: QuantizeLever) -> bool:
    return lever.min_fidelity_db is not None and abs(reached - lever.min_fidelity_db) <= NEAR_DB


def _is_made_alike(plan: Plan, lever: QuantizeLever) -> bool:
    """Tell whether a plan gave forms to all units of a class, made as the mixture would make them."""
    tried = plan.quantize
    if tried is None or tried.mixture or tried.min_fidelity_db is not None or plan.prune is not None:
        return False
    return _care(tried) == _care(lever)


def _care(lever: QuantizeLever) -> tuple[object, ...]:
    return lever.calibration, lever.clip_recurrent, lever.recovery


def _predicted(tried: QuantizeLever, tables: Mapping[QuantizedForm, SensitivityTable]) -> dict[str, float]:
    """Return form → noise power; nothing where a form that counts has no table."""
    forms: set[QuantizedForm] = {*tried.forms}
    if tried.storage != "none" and tried.storage != "fp16":  # which does no damage beside the others
        forms.add(tried.storage)
    if not forms <= set(tables):
        return {}
    found: dict[str, float] = {}
    for form in forms:
        computed = form in tried.forms
        units = (
            unit
            for unit in tables[form].units
            if (tried.compute.get(unit.op_type) == form if computed else unit.op_type not in tried.compute)
        )
        found[form] = sum(10 ** (-unit.damage_db / 10) for unit in units)
    return {form: power for form, power in found.items() if power > 0}
