"""Jobs, reports and references: what crosses the seam between the graph and the tools."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .base import Contract
from .recipe import NodeForm, Step, WeightForm
from .scoring import Scoring

DIGEST = r"^[0-9a-f]{64}$"
Digest = Annotated[str, Field(pattern=DIGEST)]
Part = Literal["calibration", "selection", "final"]
# Forms that damage is measured for: of compute (`static`, `dynamic`, `half`), or of storage.
QuantizedForm = Literal["static", "dynamic", "half", "int8", "int8_block", "int4", "fp16"]


class ArtifactRef(Contract):
    """A model, data set or table in the artifact store; `id` is the sha256 of its content."""

    id: Digest
    kind: Literal["model", "data", "table", "profile"] = "model"
    size_bytes: int = 0


class DataRef(Contract):
    """Data in canonical form, with the split that every job derives the same way.

    Attributes:
        id: artifact id of the canonical data.
        samples: how many there are; `parts` says how many in each part.
        labelled: whether answers can be scored: class indices or targets are there.
        synthetic: inputs were made from the model's specification.
        output: output that is scored.
        named_output: the one that the user named; fidelity speaks of it alone, else of the worst of all.
        scoring: by what, where `labelled`.
        state: input → output whose last value it is fed. A part then is made of streams of consecutive feeds.
        scores_streams: a label speaks of a whole stream, and its last answer is scored.
    """

    id: Digest
    samples: int
    parts: dict[Part, int]
    labelled: bool = False
    classes: int | None = None
    synthetic: bool = False
    output: str | None = None
    named_output: str | None = None
    seed: int = 0
    scoring: Scoring = Scoring()
    state: dict[str, str] = {}
    scores_streams: bool = False


class Limits(Contract):
    """Bounds on one child process: wall seconds, resident bytes, bytes of its answer."""

    time_s: float = 600.0
    memory_bytes: int = 8 * 2**30
    answer_bytes: int = 4 * 2**20


class Job(Contract):
    """One call of one tool in a child process.

    Attributes:
        tool: name in the registry.
        step: the step to perform, where the tool is `perform`.
        inputs: role (`model`, `original`, `data`, `table`) → artifact.
        data: the split of the artifact in role `data`.
        params: JSON arguments of the tool.
        needs: `bench` jobs measure time and take the host-wide lock while they do.
        hardware: fingerprint of the machines that it may run on; any where it measures nothing.
    """

    tool: str
    step: Step | None = None
    inputs: dict[str, ArtifactRef] = {}
    data: DataRef | None = None
    params: dict[str, Any] = {}
    seed: int = 0
    threads: int = 1
    needs: Literal["cpu", "bench"] = "cpu"
    hardware: str | None = None
    limits: Limits = Limits()


class JobResult(Contract):
    """A child's answer.

    Attributes:
        report: the tool's own report as JSON; the caller validates it into its type.
        outputs: role → path of a file or folder that the job made, inside its own work folder.
        cpu_s, wall_s: what the child spent.
        waited_s: seconds of these that it waited for others to end measuring, as far as that was granted.
        sample_runs: how often it ran a model on a sample without timing it.
    """

    report: dict[str, Any]
    outputs: dict[str, str] = {}
    sample_runs: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    waited_s: float = 0.0
    peak_bytes: int = 0


class LayerForm(Contract):
    """What one unit became, and why.

    Attributes:
        name: node (or initializer) name; comes from the model, so escape it wherever it is shown.
        form: `fp32`, `fp16 stored`, `int8 stored`, `int8 block stored`, `int4 stored`, `int8 static`, `int8 dynamic`,
            `fp16 half`, `pruned`.
        damage_db: SQNR at the worst logits, or output without any, when this unit alone has the form.
        time_share: share of the original's run time.
    """

    name: str
    op_type: str
    form: str
    why: str = ""
    damage_db: float | None = None
    time_share: float | None = None
    weight_bytes: int | None = None


class StepReport(Contract):
    """What a transformation did.

    Attributes:
        changed: false only for steps that may legitimately leave a model alone (normalize, tune_runtime).
        notes: one line each, for the trail.
        layers: forms of the units that the step touched, at most 512.
        details: counts and choices of the step, JSON-compatible.
    """

    step: Step
    changed: bool
    notes: tuple[str, ...] = ()
    layers: tuple[LayerForm, ...] = ()
    details: dict[str, Any] = {}
    size_bytes: int = 0
    seconds: float = 0.0


class LayersReport(Contract):
    """Forms of units, completed with damage, share of time and reason."""

    layers: tuple[LayerForm, ...]


class UnitDamage(Contract):
    """Damage that one unit alone does in one form: SQNR in dB at the worst output, or at the logits before it."""

    name: str
    op_type: str
    form: QuantizedForm
    damage_db: float
    weight_bytes: int = 0


class SensitivityTable(Contract):
    """Per-unit damage of one form over a few selection samples, the most damaged first.

    A unit is a node for the forms of compute and an initializer for those of storage.
    """

    form: QuantizedForm
    samples: int
    units: tuple[UnitDamage, ...]
    total_units: int
    sample_runs: int = 0
    seconds: float = 0.0


class SensitivityTables(Contract):
    """Tables of several forms, measured by one process.

    Attributes:
        failed: form → why it could not be measured.
    """

    tables: tuple[SensitivityTable, ...] = ()
    failed: dict[QuantizedForm, str] = {}
    sample_runs: int = 0


class UnitTime(Contract):
    """What one node with what follows it takes in each form: CPU microseconds of a call of the whole model."""

    name: str
    op_type: str
    us: dict[NodeForm, float]


class Boundary(Contract):
    """What a change of form between two units costs, in CPU microseconds of a call.

    Attributes:
        source: node that gives the tensor; empty for an input of the model.
        target: node that reads it, whatever stands between them; empty for an output of the model.
        quantize_us: where the target is `static` and the source is not.
        dequantize_us: where the source is `static` and the target is not.
    """

    source: str
    target: str
    quantize_us: float
    dequantize_us: float


class TimeTable(Contract):
    """What each unit takes in each form, and the boundaries between forms.

    Attributes:
        total_us: CPU microseconds of a call of the whole model, by the form that all units have that can.
        original_us: those of the model as it came, where another one was timed and it was beside it.
        fit_error: relative error of the sum over units and boundaries on mixtures that it was not made from; absent
            where there was no time to check.
        sample_runs: those that were not timed; timed ones are told in seconds, as of a benchmark.
    """

    units: tuple[UnitTime, ...]
    boundaries: tuple[Boundary, ...]
    total_us: dict[NodeForm, float]
    original_us: float | None = None
    fit_error: float | None = None
    sample_runs: int = 0
    seconds: float = 0.0

    @property
    def gained(self) -> float:
        """Time of the model as it came / that of the timed one in float32; 1 where it is the same or was not timed."""
        return self.original_us / self.total_us["fp32"] if self.original_us and self.total_us.get("fp32") else 1.0


class MixtureForecast(Contract):
    """What a mixture is predicted to reach, by models of damage, time and size as far as they were corrected.

    Attributes:
        size_bytes: of the file.
        speedup: original's time / product's; `gained` of it by what was done to the graph before, and measured.
        fidelity_db: SQNR of the whole.
        within: whether every target is predicted to be kept; otherwise it is the nearest to them.
        gap: share by which a better choice was not ruled out when the work was ended.
        noise: form → noise power of the units that have it together, relative to the output's.
    """

    size_bytes: int
    speedup: float
    gained: float = 1.0
    fidelity_db: float
    within: bool
    gap: float = 0.0
    noise: dict[str, float] = {}


class MixtureReport(MixtureForecast):
    """A form for each unit, chosen by damage, time and size.

    Attributes:
        nodes: node → form of compute, those in `fp32` included.
        stored: initializer → stored form, for weights that no integer operator takes.
    """

    nodes: dict[str, NodeForm]
    stored: dict[str, WeightForm]
    seconds: float = 0.0

    @property
    def forecast(self) -> MixtureForecast:
        """What it is predicted to reach, without the names."""
        return MixtureForecast(**{name: getattr(self, name) for name in MixtureForecast.model_fields})


class Advice(Contract):
    """What pruning would save at one threshold: measured on the weights, not yet on accuracy."""

    threshold: float
    zeroed_share: float
    compressed_bytes: int
    compressed_ratio: float


class CompatibilityReport(Contract):
    """Whether a file loads and runs in a runtime, and what stands in the way."""

    runtime: str
    loads: bool
    runs: bool
    opset: int
    unsupported: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def compatible(self) -> bool:
        """Whether the file loads and runs."""
        return self.loads and self.runs


class AdmitReport(Contract):
    """What came in at the door: digests and bytes of the admitted copy, file names beside the model included.

    `notes` say how it was made, where it was exported on the way.
    """

    source: str
    files: dict[str, Digest]
    size_bytes: int
    nodes: int
    tensors: int
    notes: tuple[str, ...] = ()


class DataReport(Contract):
    """The canonical data and where they come from, in words."""

    ref: DataRef
    source: str
    notes: tuple[str, ...] = ()


class AdviceReport(Contract):
    """Pruning advice at several thresholds, against the compressed size of the unpruned model."""

    baseline_compressed_bytes: int
    prunable_share: float
    options: tuple[Advice, ...]
    recommendation: str


class SampleReport(Contract):
    """Samples beside a model that was made: for whoever optimizes it, and held out from them."""

    samples: int
    held_out: int


class DemoReport(Contract):
    """The small model that `demo` trains: test accuracy in its training framework, parameters, seconds."""

    accuracy: float
    parameters: int
    samples: int
    seconds: float
