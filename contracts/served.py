"""What this version serves: what is known to the design but served by nothing yet is refused by name."""

from __future__ import annotations

from .errors import RequestError
from .request import Request
from .scoring import is_error

# What this version measures or can stand in for. A later target adds itself here.
SERVED_PLATFORMS: frozenset[str] = frozenset({"server", "edge"})
SERVED_RUNTIMES: frozenset[str] = frozenset({"onnx", "torch"})
SERVED_PRUNING: frozenset[str] = frozenset({"magnitude", "structured"})
SERVED_PRECISIONS: frozenset[str] = frozenset({"4bit", "8bit", "16bit", "32bit"})


def refuse_unserved(what: str, value: str, served: frozenset[str]) -> str:
    """Return `value` when it is served, else refuse it by name.

    Raises:
        RequestError: `value` is known to the design but nothing in this version serves it.
    """
    if value not in served:
        raise RequestError(f"{what} {value!r} is not served by this version; choose from {', '.join(sorted(served))}")
    return value


def check_served(request: Request) -> Request:
    """Return `request` when this version serves all of it.

    Raises:
        RequestError: a target, runtime, precision, calibration or pruning method that nothing serves yet,
            or an accuracy bound without data, or on a metric that has no fractions.
    """
    refuse_unserved("platform", request.target.platform, SERVED_PLATFORMS)
    refuse_unserved("runtime", request.target.runtime, SERVED_RUNTIMES)
    optimization = request.optimization
    if optimization.pruning.method is not None:
        refuse_unserved("pruning method", optimization.pruning.method, SERVED_PRUNING)
    if optimization.quantization.precision is not None:
        refuse_unserved("precision", optimization.quantization.precision, SERVED_PRECISIONS)
    _check_scored(request)
    if request.constraints.needs_labels and request.data is None:
        raise RequestError(
            "an accuracy bound needs labelled data: give --data with `labels`, or bound fidelity with --min-fidelity"
        )
    if request.strict_accuracy and request.data is None:
        raise RequestError("--strict-accuracy judges accuracy by its interval, which needs labelled data: give --data")
    if request.monitoring.alerts.error_rate is not None and request.data is None:
        raise RequestError("the alert error_rate needs labelled data: give --data with `labels`")
    return request


def _check_scored(request: Request) -> None:
    """Refuse what the metric cannot be bounded by, and ways to read and score data where there are none."""
    metric = request.scored_by
    if is_error(metric) and request.constraints.min_accuracy is not None:
        raise RequestError(
            f"min_accuracy is a fraction, and {metric} is an error in the targets' unit: bound its relative increase "
            "with --max-drop, or score by r2"
        )
    if is_error(metric) and request.monitoring.alerts.error_rate is not None:
        raise RequestError(
            f"the alert error_rate is a fraction, and {metric} is an error in the targets' unit; drop it"
        )
    for name in ("metric", "preprocess"):
        if getattr(request, name) is not None and request.data is None:
            raise RequestError(f"{name} says how data are used, and there are none: give --data")
