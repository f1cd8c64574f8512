"""Mixtures that a request allows: aimed at its bounds, with margins for what the models behind them do not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...contracts import CalibrationMethod, Compute, PolicyState, QuantizeLever, Recovery, Storage
from . import priors
from .corrections import corrections
from .needs import quality_need, speed_bounds

# Quality beyond the need in dB: noise powers add up within 1.5 dB on most models, and the parts of the data differ.
MARGINS_DB = (1.5, 4.0)
MARGINS_CORRECTED_DB = (1.0, 2.5)
# What is left of it at least where no more can be had: the final part may be this much worse.
LEAST_MARGIN_DB = 0.3
# Size is predicted almost exactly, time within a few per cent.
SIZE_MARGIN, SPEED_MARGIN = 0.99, 1.05
# Of what must only not be slower, nothing more is asked than that.
NOT_SLOWER = 0.95


def mixture_levers(
    state: PolicyState,
    offers: Iterable[Mapping[str, tuple[Compute, ...]]],
    storages: Iterable[Storage],
    recovery: tuple[Recovery, ...] = (),
    calibration: CalibrationMethod = "minmax",
) -> Iterator[QuantizeLever]:
    """Yield mixtures of the forms that `offers` have by operator type; of storage alone where time cannot be known.

    They carry the corrections of what was measured, so that none is tried twice.
    """
    known = corrections(state, recovery)
    margins = MARGINS_CORRECTED_DB if known.noise else MARGINS_DB
    need, ratio, speed = quality_need(state), size_aim(state), speed_aim(state)
    widths = list(storages)
    for offered in offers:
        if offered and not state.profile.is_timed_by_unit:
            continue
        compute: dict[str, Compute] = {op_type: forms[0] for op_type, forms in offered.items()}
        for storage in widths:
            for margin in margins:
                yield QuantizeLever(
                    mixture=True,
                    compute=compute,
                    alternatives={op_type: forms[1:] for op_type, forms in offered.items() if forms[1:]},
                    storage=storage,
                    rounding=priors.rounding(storage, compute),
                    clip_recurrent=priors.clipped_at(compute),
                    min_fidelity_db=round(need + margin, 1),
                    margin_db=round(margin - LEAST_MARGIN_DB, 1),
                    max_size_ratio=ratio,
                    min_speedup=speed if compute else None,
                    calibration=calibration,
                    recovery=recovery,
                    corrections=known,
                )


def size_aim(state: PolicyState) -> float | None:
    """Return the share of the original's bytes to stay within."""
    bounds = state.request.constraints
    ratios = [bounds.max_size_ratio] if bounds.max_size_ratio else []
    if bounds.max_size_bytes:
        ratios.append(bounds.max_size_bytes / state.profile.size_bytes)
    return round(min(ratios) * SIZE_MARGIN, 4) if ratios else None


def speed_aim(state: PolicyState) -> float | None:
    """Return the speedup to aim at."""
    wanted = max(speed_bounds(state), default=None)
    if wanted is None:
        return None
    return round(wanted * SPEED_MARGIN, 3) if wanted >= 1 else max(wanted, NOT_SLOWER)
