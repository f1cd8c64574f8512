"""Commands that a reader can paste: the one that asks for an offer, the one that replays a recipe."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from pathlib import Path

from ..contracts import Constraints, MonitoringConfig, Offer, OptimizationConfig, OptimizationResponse, Request

# Field of `Constraints` → option and how a value of it is written so that it reads back at least as loose.
_WRITE: dict[str, tuple[str, Callable[[float], str]]] = {
    "max_size_bytes": ("--max-size", lambda value: str(math.ceil(value))),
    "max_size_ratio": ("--max-size", lambda value: f"{_up(value * 100)}%"),
    "max_memory_bytes": ("--max-memory", lambda value: str(math.ceil(value))),
    "max_memory_ratio": ("--max-memory", lambda value: f"{_up(value * 100)}%"),
    "max_latency_ms": ("--max-latency", lambda value: f"{_up(value)}ms"),
    "min_speedup": ("--min-speedup", lambda value: _rounded(value, math.floor)),
    "min_throughput_per_s": ("--min-throughput", lambda value: f"{_down(value)}/s"),
    "min_accuracy": ("--min-accuracy", lambda value: f"{_down(value * 100)}%"),
    "max_accuracy_drop": ("--max-drop", lambda value: f"{_up(value * 100)}%"),
    "min_fidelity_db": ("--min-fidelity", lambda value: f"{_down(value)}dB"),
    "min_logits_fidelity_db": ("--min-logits-fidelity", lambda value: f"{_down(value)}dB"),
}


def offer_command(request: Request, offer: Offer) -> str:
    """Return the command that asks for what `offer` can give, everything else as it was asked."""
    bounds = request.constraints.model_copy(update=offer.relax)
    guards = dict.fromkeys((*request.allow_regression, *offer.allow_regression))
    words = ["shipfit", "optimize", *_request_words(request), *bound_words(bounds)]
    command = shlex.join([*words, "--allow-regression", ",".join(guards)] if guards else words)
    # Switches and alerts have no options: they can only be given the way they were given, in a file.
    as_options = OptimizationConfig(level=request.optimization.level, forbid=request.optimization.forbid)
    configured = (
        request.optimization != as_options
        or request.monitoring != MonitoringConfig()
        or request.preprocess is not None
        or bool(request.state)
    )
    return f"{command}  # and --config as before" if configured else command


def replay_command(response: OptimizationResponse) -> str:
    """Return the command that makes the product again from the original and `recipe.json`."""
    folder = Path(response.out) if response.out else Path()
    data = ["--data", response.request.data] if response.request.data else []
    request = response.request
    metric = ["--metric", request.metric] if request.metric and data else []
    words = ["shipfit", "apply", request.model, str(folder / "recipe.json"), *data, *metric, "--out", "replayed"]
    command = shlex.join(words)
    handled = request.preprocess or request.state or request.shape or request.calibration_data or request.output
    return f"{command}  # and --config with what was said of the data" if handled and data else command


def bound_words(bounds: Constraints) -> list[str]:
    """Return the options that ask for `bounds`."""
    words: list[str] = []
    for bound in bounds.bounds():
        option, write = _WRITE[bound.name]
        words += [option, write(bound.bound)]
    if bounds.max_latency_ms is not None and bounds.latency_statistic != "p95":
        words += ["--latency-statistic", bounds.latency_statistic]
    return words


def _request_words(request: Request) -> list[str]:
    """Return model and options of a request, without bounds, guards and the folder of its product."""
    default = Request(model=request.model)
    told: list[tuple[str, object, object]] = [
        ("--data", request.data, None),
        ("--calibration-data", request.calibration_data, None),
        ("--metric", request.metric, None),
        ("--output", request.output, None),
        ("--threads", request.threads, default.threads),
        ("--platform", request.target.platform, default.target.platform),
        ("--runtime", request.target.runtime, default.target.runtime),
        ("--level", request.optimization.level, default.optimization.level),
        ("--forbid", ",".join(request.optimization.forbid), ""),
        ("--objective", request.objective, default.objective),
        ("--max-attempts", request.budget.max_attempts, default.budget.max_attempts),
        ("--time-limit", request.budget.time_limit_s, default.budget.time_limit_s),
        ("--seed", request.seed, default.seed),
    ]
    words = [request.model]
    for option, value, usual in told:
        words += [option, f"{value:g}s" if option == "--time-limit" else str(value)] if value != usual else []
    for name, sizes in request.shape.items():
        words += ["--shape", f"{name}={','.join(map(str, sizes))}"]
    return [*words, *(["--strict-accuracy"] if request.strict_accuracy else [])]


def _up(value: float) -> str:
    return _rounded(value, math.ceil)


def _down(value: float) -> str:
    return _rounded(value, math.floor)


def _rounded(value: float, towards: Callable[[float], int]) -> str:
    """Return four significant digits of a positive value, rounded in one direction, without an exponent."""
    if value <= 0:
        return "0"
    if not 1e-15 < value < 1e15:  # no bound of a run that was really asked for
        return f"{value:.4g}"
    digits = 3 - math.floor(math.log10(value))
    # The tolerance keeps 0.3 * 100 = 30.000000000000004 from becoming 30.01.
    scaled = value * 10.0**digits
    near = round(scaled)
    whole = near if math.isclose(scaled, near, rel_tol=1e-9) else towards(scaled)
    text = f"{whole / 10.0**digits:.{max(digits, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
