"""Plans and recipes: a plan is portable from model to model, a recipe is resolved for one."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .base import Contract
from .graph_passes import GraphSwitches

Compute = Literal["static", "dynamic", "half"]
NodeForm = Literal["fp32", "static", "dynamic", "half"]
IntegerType = Literal["uint8", "int8"]
Storage = Literal["none", "fp16", "int8", "int8_block", "int4"]
WeightForm = Literal["fp32", "fp16", "int8", "int8_block", "int4"]
Block = Literal[16, 32, 64, 128, 256]
Rounding = Literal["nearest", "error_feedback", "learned"]
Recovery = Literal["equalize", "smooth", "digits", "feedback", "bias"]
CalibrationMethod = Literal["minmax", "percentile", "entropy", "mse"]
Proposer = Literal["policy", "memory", "planner", "quantization", "pruning", "runtime"]
Layout = Literal["keep", "auto", "channels_last", "onednn", "onednn_channels_last"]


class ExportStep(Contract):
    """Turn an exported torch program into ONNX of version `opset`, BatchNorm kept."""

    kind: Literal["export"] = "export"
    opset: Annotated[int, Field(ge=18, le=25)] = 18


class NormalizeStep(Contract):
    """Lift the opset to at least `min_opset`, turn Constant nodes into initializers, infer shapes."""

    kind: Literal["normalize"] = "normalize"
    min_opset: Annotated[int, Field(ge=1)] = 13
    target_opset: Annotated[int, Field(ge=1)] = 17


class PruneStep(Contract):
    """Prune weights, one by one or in whole channels.

    Attributes:
        method: `magnitude` zeroes weights (onnx models), `structured` takes channels, neurons, units and heads out, and
            fits what is left to what the whole gave.
        threshold: `magnitude` zeroes what is below it (absolute).
        ratio: share of each layer's channels that `structured` takes out; what is left is a multiple of 8, of onnx
            models of 16.
        widths: instead of a ratio, how many channels stay of each group that loses some, by its id (onnx models).
        initializers: those that `magnitude` looks at; empty: all prunable.
    """

    kind: Literal["prune"] = "prune"
    method: Literal["magnitude", "structured"] = "magnitude"
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    ratio: Annotated[float, Field(gt=0, lt=1)] | None = None
    widths: dict[str, Annotated[int, Field(gt=0)]] = {}
    initializers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        given = tuple(name for name in ("threshold", "ratio", "widths") if getattr(self, name))
        if given not in ((("threshold",),) if self.method == "magnitude" else (("ratio",), ("widths",))):
            raise ValueError("magnitude pruning takes a threshold, structured pruning a ratio or widths")
        return self


class QuantizeStep(Contract):
    """Give each operator and each weight a form.

    Attributes:
        compute: operator type → form that it computes in: int8 with calibrated ranges (`static`), int8 with ranges
            taken at each call (`dynamic`), fp16 (`half`). Types not named stay in float32.
        nodes: exceptions from `compute` by node name; a node named here is taken whatever its type and `min_terms`.
        activations: 8-bit type of activations in `static` compute; `dynamic` knows only uint8.
        weights: likewise of weights, which `dynamic` keeps as int8. int8 activations, or uint8 weights, are slower on
            processors with VNNI than the default.
        per_channel: one scale per output channel where the operator allows it.
        calibration: how activation ranges are taken for `static`.
        percentile: upper percentile when `calibration` is `percentile`.
        samples: calibration samples at most.
        min_terms: `static` leaves nodes in floating point whose dot products are shorter, such as depthwise and
            first convolutions: int8 makes those slower and damages them most. 0 takes them all.
        clip_recurrent: percentile at which the inputs of `dynamic` LSTMs may be cut before each channel is divided
            by its range, the factors folded into the weights; each is done where calibration shows that it helps.
            None leaves the inputs alone.
        storage: form in which the remaining float32 weights are stored; folded back at load, but for tables where
            `compute` has `Gather` as `dynamic`: those stay so in memory, and rows unfold as they are read.
        stored: exceptions from `storage` by initializer name.
        block: neighbouring elements of a row that share a scale in `int4` and `int8_block`.
        rounding: how stored weights, and those of `dynamic` LSTMs, are rounded: to the `nearest` value, with the
            error of each column made good in the next ones from captured inputs (`error_feedback`), or searched
            further (`learned`). With inputs to look at, an LSTM gets one recurrent scale where that loses little.
        recovery: what is done besides, each kept only where it helps on the selection part: `equalize` the ranges
            of neighbouring layers, `smooth` activations into weights, round the weights that compute in int8 with
            error `feedback`, correct the `bias` that rounding moved. `digits` lets the inputs of which
            `clip_recurrent` speaks be read in two digits, each where calibration shows that it helps.
        fp16: whether fp16 may hold what is too small for the 8 bits that are asked for; else it stays float32.
    """

    kind: Literal["quantize"] = "quantize"
    compute: dict[str, Compute] = {}
    nodes: dict[str, NodeForm] = {}
    activations: IntegerType = "uint8"
    weights: IntegerType = "int8"
    per_channel: bool = True
    calibration: CalibrationMethod = "minmax"
    percentile: Annotated[float, Field(gt=50, le=100)] = 99.99
    samples: Annotated[int, Field(gt=0, le=100_000)] = 1000
    min_terms: Annotated[int, Field(ge=0)] = 32
    clip_recurrent: Annotated[float, Field(gt=50, le=100)] | None = None
    storage: Storage = "none"
    stored: dict[str, WeightForm] = {}
    block: Block = 32
    rounding: Rounding = "nearest"
    recovery: tuple[Recovery, ...] = ()
    fp16: bool = True

    @model_validator(mode="after")
    def _digits_are_of_inputs(self) -> Self:
        if "digits" in self.recovery and self.clip_recurrent is None:
            raise ValueError("recovery `digits` is of inputs that `clip_recurrent` looks at; give both")
        return self

    @model_validator(mode="after")
    def _dynamic_has_one_type(self) -> Self:
        forms = {*self.compute.values(), *self.nodes.values()}
        if "dynamic" in forms and (self.activations, self.weights) != ("uint8", "int8"):
            raise ValueError("dynamic compute has uint8 activations and int8 weights; choose types for static compute")
        return self

    def computed(self, form: Compute) -> set[str]:
        """Return the operator types that compute in `form`."""
        return {op_type for op_type, each in self.compute.items() if each == form}

    def named(self, form: Compute) -> set[str]:
        """Return the nodes that are asked for by name to compute in `form`."""
        return {name for name, each in self.nodes.items() if each == form}

    def others(self, form: Compute) -> set[str]:
        """Return the nodes that are named to take another form than `form`, whatever their type."""
        return {name for name, each in self.nodes.items() if each != form}


class OptimizeGraphStep(GraphSwitches):
    """Run graph passes that hold on any machine and save the result; each switch turns one family off.

    `layout` is how a torch program's convolutions lie in memory and which kernels they call; `auto` times what there
    is, and the recipe names what was chosen.
    """

    kind: Literal["optimize_graph"] = "optimize_graph"
    layout: Layout = "keep"


class TuneRuntimeStep(Contract):
    """Measure session settings and write those that help into `runtime.json`."""

    kind: Literal["tune_runtime"] = "tune_runtime"
    threads: Annotated[int, Field(gt=0, le=256)] = 1
    goal: Literal["latency", "memory"] = "latency"


Step = Annotated[
    ExportStep | NormalizeStep | PruneStep | QuantizeStep | OptimizeGraphStep | TuneRuntimeStep,
    Field(discriminator="kind"),
]


class RuntimeSettings(Contract):
    """How to open the product; the names are onnxruntime's own. Torch takes `intra_op_num_threads` and nothing else.

    Attributes:
        enable_mem_pattern: plan memory ahead where shapes repeat, which holds more of it.
    """

    runtime: Literal["onnxruntime", "torch"] = "onnxruntime"
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    intra_op_num_threads: Annotated[int, Field(ge=0, le=1024)] = 1
    inter_op_num_threads: Annotated[int, Field(ge=0, le=1024)] = 1
    config_entries: dict[str, str] = {}
    enable_mem_pattern: bool = True

    @property
    def departures(self) -> dict[str, str]:
        """What differs from a stock session, beside threads: name → value."""
        return {**self.config_entries, **({} if self.enable_mem_pattern else {"enable_mem_pattern": "0"})}

    def in_torch(self) -> Self:
        """Return the same threads for a product that torch opens."""
        return self.model_copy(
            update={"runtime": "torch", "providers": (), "config_entries": {}, "enable_mem_pattern": True}
        )


class Recipe(Contract):
    """The resolved steps that turn one model into its product, replayable with `shipfit apply`."""

    version: Literal[1] = 1
    model: str = Field(description="artifact id (sha256) of the original")
    steps: Annotated[tuple[Step, ...], Field(max_length=64)] = ()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class Predicted(Contract):
    """What a plan is expected to reach; never used by a verdict."""

    size_ratio: float
    speedup: float
    fidelity_db: float
    chance: Annotated[float, Field(ge=0, le=1)] = 0.5


class PruneLever(Contract):
    """Zero the smallest weights, at most up to `threshold`, or take out the share `ratio` of the channels."""

    threshold: Annotated[float, Field(gt=0)] | None = None
    ratio: Annotated[float, Field(gt=0, lt=1)] | None = None


class Corrections(Contract):
    """By how much the models behind a mixture were wrong where it was measured.

    Attributes:
        noise: form → factor of the noise power that its units do together.
        saving: factor of the time that quantized units save.
        size_ratio: bytes beyond the prediction, as a share of the original.
    """

    noise: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {}
    saving: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    size_ratio: Annotated[float, Field(allow_inf_nan=False)] = 0.0


class QuantizeLever(Contract):
    """Forms by operator class, and how careful to be.

    Attributes:
        compute: operator type → form of compute.
        storage: form of the weights that stay in floating point.
        calibration: method for static compute.
        min_fidelity_db: the quality that the quantized units together must be predicted to keep; the most
            damaged ones are spared (compute) or widened (storage) until they do. Absent, none is.
        mixture: choose a form for each unit by measured time and damage instead, so that the whole is predicted to
            keep `min_fidelity_db` and stay within the two targets below; `compute` and `storage` then say what may
            be chosen from.
        alternatives: operator type → forms besides that of `compute` that a mixture may choose from.
        margin_db: of a mixture, how much of `min_fidelity_db` is margin, given up as far as the targets below cannot be
            kept with it.
        max_size_ratio: target of a mixture, share of the original's bytes.
        min_speedup: target of a mixture, original's time / product's.
        corrections: of the predictions that a mixture is chosen by.
        rounding, clip_recurrent, recovery: see `QuantizeStep`.
    """

    compute: dict[str, Compute] = {}
    storage: Storage = "none"
    calibration: CalibrationMethod = "minmax"
    min_fidelity_db: float | None = None
    mixture: bool = False
    alternatives: dict[str, tuple[Compute, ...]] = {}
    margin_db: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    max_size_ratio: Annotated[float, Field(gt=0)] | None = None
    min_speedup: Annotated[float, Field(gt=0)] | None = None
    corrections: Corrections = Corrections()
    rounding: Rounding = "nearest"
    clip_recurrent: Annotated[float, Field(gt=50, le=100)] | None = None
    recovery: tuple[Recovery, ...] = ()

    @model_validator(mode="after")
    def _only_mixtures_choose(self) -> Self:
        if self.alternatives and not (self.mixture and set(self.alternatives) <= set(self.compute)):
            raise ValueError("alternatives are for mixtures, and for operator types that `compute` names")
        return self

    @property
    def offered(self) -> dict[str, tuple[Compute, ...]]:
        """Operator type → the forms that its units may compute in."""
        return {op_type: (form, *self.alternatives.get(op_type, ())) for op_type, form in self.compute.items()}

    @property
    def forms(self) -> set[Compute]:
        """Every form that units may compute in."""
        return {form for each in self.offered.values() for form in each}


class GraphLever(GraphSwitches):
    """Graph passes that hold on any machine; `layout` `auto` times the layouts of a torch program."""

    layout: Layout = "keep"


class Plan(Contract):
    """What an attempt will try, free of one model's names, with the reason in one sentence.

    `proposer` is the built-in policy, memory, or the agent whose language-model module asked for it.
    """

    graph: GraphLever | None = None
    prune: PruneLever | None = None
    quantize: QuantizeLever | None = None
    tune: bool = False
    reason: str = ""
    proposer: Proposer = "policy"
    predicted: Predicted | None = None

    @property
    def levers(self) -> tuple[str, ...]:
        """The levers it names, in the order in which the specialists run."""
        named = (
            ("optimize_graph", self.graph),
            ("prune", self.prune),
            ("quantize", self.quantize),
            ("tune_runtime", self.tune),
        )
        return tuple(name for name, lever in named if lever)

    def same_as(self, other: Plan) -> bool:
        """Tell whether both try the same thing, whatever they say about it."""
        blank = {"reason": "", "proposer": "policy", "predicted": None}
        return self.model_copy(update=blank) == other.model_copy(update=blank)
