"""The request: model, data, target, constraints and preferences, checked before anything runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from . import units
from .base import Contract
from .errors import RequestError
from .graph_passes import GRAPH_PASSES, GraphSwitches
from .language import LanguageModelSettings
from .metrics import Statistic, Unit
from .preprocess import Preprocess
from .recipe import CalibrationMethod
from .scoring import DEFAULT_METRIC, check_metric, is_error, metric_words
from .sources import names_code
from .understood import Understood

Platform = Literal["server", "edge", "browser", "node"]
RuntimeName = Literal["onnx", "torch", "wasm", "webgpu", "webgl"]
Objective = Literal["balanced", "size", "latency", "accuracy"]
Level = Literal["none", "basic", "aggressive"]
Guarded = Literal["latency", "memory", "size", "accuracy"]
Precision = Literal["4bit", "8bit", "16bit", "32bit"]
Lever = Literal["pruning", "quantization", "int8", "int4", "fp16"]

# Longer words are refused in one line: nobody writes a request of more than a few pages.
MAX_WORDS = 8000


class Bound(Contract):
    """One constraint in the form that verdicts use."""

    name: str
    bound: float
    unit: Unit
    upper: bool

    def text(self, metric: str = "") -> str:
        """Return the bound as people read it, such as `size ratio ≤ 30 %`; `metric` is what accuracy means."""
        return f"{label(self.name, metric)} {self.amount}"

    @property
    def amount(self) -> str:
        """The bound with its direction, such as `≤ 30 %`."""
        return f"{'≤' if self.upper else '≥'} {units.format_value(self.bound, self.unit)}"


# Guarded quantity → the bounds that take the place of its guard.
BOUNDS_ON: dict[str, tuple[str, ...]] = {
    "latency": ("max_latency_ms", "min_speedup", "min_throughput_per_s"),
    "memory": ("max_memory_bytes", "max_memory_ratio"),
    "size": ("max_size_bytes", "max_size_ratio"),
    "accuracy": ("min_accuracy", "max_accuracy_drop"),
}


def label(name: str, metric: str = "") -> str:
    """Return the name of a bound or guard in words, as `size ratio`, `latency (guard)` or, by its metric, `F1 drop`."""
    if metric not in ("", DEFAULT_METRIC) and "accuracy" in name:
        words, lost = metric_words(metric), "increase" if is_error(metric) else "drop"
        return {"max_accuracy_drop": f"{words} {lost}", "guard_accuracy": f"{words} {lost} (guard)"}.get(name, words)
    if name.startswith("guard_"):
        return f"{name.removeprefix('guard_')} (guard)"
    words = name.removeprefix("max_").removeprefix("min_")
    for unit in ("_bytes", "_ms", "_per_s", "_db"):
        words = words.removesuffix(unit)
    return words.replace("_", " ")


_BOUNDS: dict[str, tuple[Unit, bool]] = {
    "max_size_bytes": ("bytes", True),
    "max_size_ratio": ("fraction", True),
    "max_memory_bytes": ("bytes", True),
    "max_memory_ratio": ("fraction", True),
    "max_latency_ms": ("ms", True),
    "min_speedup": ("ratio", False),
    "min_throughput_per_s": ("1/s", False),
    "min_accuracy": ("fraction", False),
    "max_accuracy_drop": ("fraction", True),
    "min_fidelity_db": ("dB", False),
    "min_logits_fidelity_db": ("dB", False),
}


def bound_of(name: str, value: float) -> Bound | None:
    """Return `value` as the bound that the field `name` of `Constraints` is; None where it is none."""
    unit, upper = _BOUNDS.get(name, (None, False))
    return None if unit is None else Bound(name=name, bound=float(value), unit=unit, upper=upper)


class Constraints(Contract):
    """The bounds that a product must meet; an absent field bounds nothing.

    Ratios are shares of the original; latencies are milliseconds at `latency_statistic`; accuracy is the score of
    the request's metric and drop what is lost of it, both fractions (for `mae`, drop is the relative increase of the
    error and accuracy cannot be bounded); fidelity is SQNR in dB, at the worst output or at the worst logits.
    """

    max_size_bytes: Annotated[int, Field(gt=0)] | None = None
    max_size_ratio: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    max_memory_bytes: Annotated[int, Field(gt=0)] | None = None
    max_memory_ratio: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    max_latency_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    latency_statistic: Statistic = "p95"
    min_speedup: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    min_throughput_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    min_accuracy: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    max_accuracy_drop: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] | None = None
    min_fidelity_db: Annotated[float, Field(gt=0, le=200, allow_inf_nan=False)] | None = None
    min_logits_fidelity_db: Annotated[float, Field(gt=0, le=200, allow_inf_nan=False)] | None = None

    def bounds(self) -> list[Bound]:
        """Return the bounds that are set, in the order of the fields."""
        return [
            bound
            for name in _BOUNDS
            if (value := getattr(self, name)) is not None and (bound := bound_of(name, value)) is not None
        ]

    @property
    def bounds_fidelity(self) -> bool:
        """Whether a bound speaks of likeness to the original's answers."""
        return self.min_fidelity_db is not None or self.min_logits_fidelity_db is not None

    @property
    def needs_labels(self) -> bool:
        """Whether a bound speaks of accuracy."""
        return self.min_accuracy is not None or self.max_accuracy_drop is not None


class Target(Contract):
    """Where the product will run."""

    platform: Platform = "server"
    runtime: RuntimeName = "onnx"

    @field_validator("runtime", mode="before")
    @classmethod
    def _alias(cls, value: Any) -> Any:
        return "torch" if value == "js-torch" else value

    @property
    def measurable_here(self) -> bool:
        """Whether this host is the target, so that a measurement here is proof."""
        return self.platform == "server"


class CalibrationConfig(Contract):
    """How activation ranges are observed.

    Attributes:
        method: the only one that may be used; unset, the search starts from the extremes and may try others.
        samples: calibration samples at most.
    """

    method: CalibrationMethod | None = None
    samples: Annotated[int, Field(gt=0, le=100_000)] = 1000


class QuantizationConfig(Contract):
    """Restrict quantization: `precision` is the lowest allowed; unset, the level decides."""

    enabled: bool = True
    precision: Precision | None = None
    calibration: CalibrationConfig = CalibrationConfig()


class PruningConfig(Contract):
    """Restrict pruning. `threshold` is the largest weight magnitude that may be zeroed.

    `method` unset leaves both `magnitude` and `structured` open.
    `enabled` unset leaves it to the level (only `aggressive` prunes); true allows it at any level but `none`.
    """

    enabled: bool | None = None
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    method: Literal["magnitude", "structured", "activation", "fisher"] | None = None


class GraphConfig(GraphSwitches):
    """Restrict graph passes; each switch takes its family of passes out of the search."""

    @model_validator(mode="after")
    def _named_ones_can_run(self) -> Self:
        for name in self.passes or ():
            if name in GRAPH_PASSES and not getattr(self, family := GRAPH_PASSES[name].family):
                raise ValueError(f"the pass {name!r} is named, but its family {family} is switched off; drop one")
        return self


class OptimizationConfig(Contract):
    """What the search may use. Switches restrict it; they never force a lever.

    Attributes:
        forbid: levers that are ruled out by name. `int8` rules 4 bits out as well, which keep some weights in 8;
            `fp16` rules out blocks of 8 or 4 bits, whose scales are fp16.
    """

    level: Level = "basic"
    forbid: tuple[Lever, ...] = ()
    quantization: QuantizationConfig = QuantizationConfig()
    pruning: PruningConfig = PruningConfig()
    graph: GraphConfig = GraphConfig()

    @property
    def lowest_bits(self) -> int:
        """The narrowest weight width that the search may use."""
        if not self.quantization.enabled or self.level == "none" or "quantization" in self.forbid:
            return 32
        by_level = "4bit" if self.level == "aggressive" else "8bit"
        bits = int((self.quantization.precision or by_level).removesuffix("bit"))
        if "int8" in self.forbid:
            bits = max(bits, 16)
        return max(bits, 8) if {"int4", "fp16"} & set(self.forbid) else bits

    @property
    def may_halve(self) -> bool:
        """Whether fp16 may hold weights or compute."""
        return "fp16" not in self.forbid and self.lowest_bits <= 16

    @property
    def may_prune(self) -> bool:
        """Whether zeroing weights is allowed."""
        if self.level == "none" or self.pruning.enabled is False or "pruning" in self.forbid:
            return False
        return self.level == "aggressive" or self.pruning.enabled is True


class AlertsConfig(Contract):
    """Thresholds that turn a measurement into a warning: milliseconds (p95), fraction wrong, bytes at the peak."""

    latency: Annotated[float, Field(gt=0)] | None = None
    error_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    memory_usage: Annotated[float, Field(gt=0)] | None = None


WatchedMetric = Literal[
    "size", "compressed_size", "latency", "throughput", "memory", "load_time", "accuracy", "fidelity",
    "original_size", "optimized_size", "size_ratio", "speedup", "accuracy_delta", "memory_reduction", "memory_ratio",
]  # fmt: skip


class MonitoringConfig(Contract):
    """What to watch: the named metrics (none named: all) are collected per phase; alerts become warnings.

    The names are those of `DeploymentMetrics` (of each model) and of `OptimizationMetrics` (of the comparison).
    """

    metrics: tuple[WatchedMetric, ...] = ()
    alerts: AlertsConfig = AlertsConfig()


class Budget(Contract):
    """What a run may spend: attempts and wall time in seconds."""

    max_attempts: Annotated[int, Field(gt=0, le=1000)] = 6
    time_limit_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0


class Request(Contract):
    """Everything a run is asked to do. Paths are absolute by the time a request is built.

    Attributes:
        model: path of the `.onnx` file, or of a folder that holds one, or `module:factory`, code of the user's own.
        data: path of an `.npz`, a table, texts, or a folder of arrays or images, or `module:callable`; absent,
            inputs are synthesised.
        calibration_data: unlabelled data kept apart for calibration.
        metric: what answers are scored by, or `module:function` of `(outputs, targets)`; absent, `top1`.
        preprocess: how images and texts become inputs, and how outputs become texts.
        state: input → output whose last value it is fed; a sample then is a stream, its second axis the calls.
        output: output that is scored; absent, the first that fits.
        threads: threads of the measured session.
        shape: fixed shapes for inputs whose dimensions are free.
        out: folder that receives the product.
        memory: whether past outcomes are recalled and this one remembered.
        llm: the language model that advises; what it does not say, the environment does.
        approve: whether a person is asked before the first transformation, and before a result is accepted.
        words: the request as a person put it, from which other fields were read; kept for the report.
        understood, not_understood: what was read from which passage, and passages that said nothing that is known.
    """

    model: str
    data: str | None = None
    calibration_data: str | None = None
    target: Target = Target()
    constraints: Constraints = Constraints()
    optimization: OptimizationConfig = OptimizationConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    objective: Objective = "balanced"
    allow_regression: tuple[Guarded, ...] = ()
    strict_accuracy: bool = False
    metric: str | None = None
    preprocess: Preprocess | None = None
    state: dict[str, str] = {}
    output: str | None = None
    threads: Annotated[int, Field(gt=0, le=256)] = 1
    shape: dict[str, tuple[Annotated[int, Field(gt=0)], ...]] = {}
    budget: Budget = Budget()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    memory: bool = True
    llm: LanguageModelSettings = LanguageModelSettings()
    approve: bool = False
    out: str | None = None
    words: Annotated[str, Field(max_length=MAX_WORDS)] | None = None
    understood: tuple[Understood, ...] = ()
    not_understood: tuple[str, ...] = ()

    @property
    def scored_by(self) -> str:
        """The metric that accuracy means."""
        return self.metric or DEFAULT_METRIC

    @property
    def code(self) -> tuple[str, ...]:
        """The `module:name`s that this request would import and run."""
        named = (self.model, self.data, self.calibration_data, self.metric)
        return tuple(name for name in named if name is not None and names_code(name))

    @field_validator("metric")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return check_metric(value)
        except RequestError as error:
            raise ValueError(error.message) from error

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Bounds all point the same way; what can contradict one is the wish to let its quantity get worse."""
        bounded = {bound.name for bound in self.constraints.bounds()}
        for quantity in self.allow_regression:
            for name in BOUNDS_ON[quantity]:
                if name in bounded:
                    raise ValueError(
                        f"{name} bounds what allow_regression lets get worse ({quantity}): they contradict each other; "
                        "drop one"
                    )
        return self
