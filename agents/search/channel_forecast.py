"""What taking inner channels out of an onnx model is expected to do beside a form of quantization."""

from __future__ import annotations

import math

from ...contracts import Attempt, PolicyState
from . import priors
from .needs import fidelity_of


def takes_channels(attempt: Attempt, state: PolicyState) -> bool:
    """Tell whether an attempt took channels out of an onnx model, so that it tells nothing of its form alone."""
    prune = attempt.plan.prune
    return state.profile.format == "onnx" and prune is not None and prune.ratio is not None


def kept_channels(ratio: float, state: PolicyState) -> float:
    """Return the share of weights, and of the work with them, that is left."""
    return 1 - ratio * state.profile.inner_share


def with_fitted_channels(quality: float, ratio: float, state: PolicyState) -> float:
    """Return SQNR in dB of a form of `quality` behind the fitted rest, corrected by the last attempt that had one."""
    expected = _expected_db(ratio)
    for attempt in reversed(state.attempts):
        reached = fidelity_of(attempt)
        if takes_channels(attempt, state) and reached is not None and attempt.plan.prune is not None:
            expected += reached - _expected_db(attempt.plan.prune.ratio or ratio)
            break
    return -10 * math.log10(10 ** (-quality / 10) + 10 ** (-expected / 10))


def _expected_db(ratio: float) -> float:
    return priors.INNER_DB - priors.INNER_DB_LOST * ratio
