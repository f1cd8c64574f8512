"""`ONNXOptimizer`: fit an ONNX model for deployment from Python, in the caller's process, without a run around it.

Everything goes through the same transformations as the steps of a recipe; the options here name them one by one.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypeVar, cast

import numpy as np
from onnx import ModelProto
from pydantic import Field

from ..contracts import (
    GRAPH_PASSES,
    Benchmark,
    Block,
    CalibrationMethod,
    Compute,
    Contract,
    DataView,
    Evaluation,
    IntegerType,
    Limits,
    NoOpError,
    NormalizeStep,
    OptimizeGraphStep,
    QuantizeStep,
    RequestError,
    Rounding,
    RuntimeSettings,
    StepReport,
    Storage,
    WeightForm,
    validate,
)
from ..contracts.graph_passes import PassName
from .context import MODEL_FILE
from .graph import optimize_graph
from .judge import without_flaw
from .measure.benchmark import MAX_FEEDS, Patience, benchmark_models
from .measure.data import open_data
from .measure.data_tool import build_data
from .measure.evaluate import compare_models
from .model_files import load, save
from .normalize import normalize
from .onnx_model import load_structure, model_bytes
from .optimizer_effects import chosen_forms, effect
from .quantize.analysis import QuantizationAnalysis, analyse
from .quantize.compose import quantize
from .quantize.tool import advisable
from .source import model_path

T = TypeVar("T", bound=Contract)

# Option → the passes that it stands for.
_PASSES: Mapping[str, tuple[str, ...]] = {
    "eliminate_deadend": ("eliminate_deadend",),
    "eliminate_unused_initializer": ("eliminate_unused_initializer",),
    "fuse_matmul_add_bias_into_gemm": ("fuse_matmul_add_bias_into_gemm",),
    "fuse_pad_into_conv": ("fuse_pad_into_conv",),
    "layer_normalization": ("LayerNormFusionL1", "LayerNormFusionL2"),
}


class DeploymentOptions(Contract):
    """What `optimize_for_deployment` may do; each switch is visible in the result.

    Attributes:
        eliminate_deadend: drop operators whose results nothing reads.
        eliminate_unused_initializer: drop weights that nothing reads.
        fuse_matmul_add_bias_into_gemm: `MatMul` and the `Add` of a bias become `Gemm`.
        fuse_pad_into_conv: `Pad` becomes padding of the `Conv` after it.
        layer_normalization: its parts become `LayerNormalization`.
        memory_patterns: let the runtime plan its memory from earlier calls; off, it holds less between calls.
        passes: further graph passes by name, or `default` for all that runs stand for.
    """

    eliminate_deadend: bool = True
    eliminate_unused_initializer: bool = True
    fuse_matmul_add_bias_into_gemm: bool = True
    fuse_pad_into_conv: bool = True
    layer_normalization: bool = True
    memory_patterns: bool = True
    passes: tuple[PassName, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The graph passes that the switches and names stand for."""
        own = [name for option, names in _PASSES.items() if getattr(self, option) for name in names]
        return tuple(dict.fromkeys((*own, *self.passes)))


class QuantizationOptions(Contract):
    """How `quantize_for_deployment` quantizes.

    Attributes:
        weight_type, activation_type: 8-bit types of static compute; the default is the fastest on most processors.
        per_channel: one scale per output channel where the operator allows it.
        calibration_method: how ranges of activations are chosen.
        samples: calibration samples at most.
        compute: operator type → form; absent, what suits the operators that are there.
        storage: form of the weights that no integer operator takes.
        stored: exceptions from `storage` by name of the weight.
        block: neighbouring elements of a row that share a scale in `int4` and `int8_block`.
        rounding: how stored weights are rounded; all but `nearest` look at their inputs on calibration samples.
        keep: names of nodes that stay in floating point.
    """

    weight_type: IntegerType = "int8"
    activation_type: IntegerType = "uint8"
    per_channel: bool = True
    calibration_method: CalibrationMethod = "minmax"
    samples: Annotated[int, Field(gt=0, le=100_000)] = 1000
    compute: dict[str, Compute] | None = None
    storage: Storage = "int8"
    stored: dict[str, WeightForm] = {}
    block: Block = 32
    rounding: Rounding = "nearest"
    keep: tuple[str, ...] = ()

    def step(self, analysis: QuantizationAnalysis) -> QuantizeStep:
        """Return the step that these options stand for in a model of that analysis.

        Raises:
            RequestError: `compute` asks for dynamic forms of types that only static ones have.
        """
        fields = {
            "compute": self.compute if self.compute is not None else self._suitable(analysis),
            "nodes": dict.fromkeys(self.keep, "fp32"),
            "activations": self.activation_type,
            "weights": self.weight_type,
            "per_channel": self.per_channel,
            "calibration": self.calibration_method,
            "samples": self.samples,
            "storage": self.storage,
            "stored": self.stored,
            "block": self.block,
            "rounding": self.rounding,
        }
        return validate(QuantizeStep, fields)

    def _suitable(self, analysis: QuantizationAnalysis) -> dict[str, Compute]:
        """Return what suits the operators; types that only static compute has make it static throughout."""
        if (self.activation_type, self.weight_type) == ("uint8", "int8"):
            return advisable(analysis).compute
        return {each.op_type: "static" for each in analysis.operators if each.static}


class OnnxValidation(Contract):
    """The product against the original.

    Attributes:
        evaluation: fidelity, and accuracy where the data have labels, on the final part.
        size_ratio: product bytes / original bytes.
        benchmark: speed, where it was asked for.
    """

    evaluation: Evaluation
    size_ratio: float
    benchmark: Benchmark | None = None


@dataclass(frozen=True)
class OnnxProduct:
    """What an optimizer made.

    Attributes:
        model: the product; the original where there was nothing to do.
        effects: option or pass → what it did, in words.
        report: of the step; absent where nothing changed.
        settings: how to open the product.
        validation: measured against the original.
    """

    model: ModelProto
    effects: Mapping[str, str]
    report: StepReport | None
    settings: RuntimeSettings
    validation: OnnxValidation

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to `path`; above 1.5 GB its weights go to a file beside it."""
        save(self.model, Path(path))


class ONNXOptimizer:
    """Optimizes the graph of a model, or quantizes it, by named options, and validates what comes of it."""

    name = "onnx"
    description = "Optimizes and quantizes ONNX models by named options, and measures each product."
    category = "optimization"

    def optimize_for_deployment(
        self,
        model: str | os.PathLike[str] | bytes | ModelProto,
        config: DeploymentOptions | Mapping[str, Any] | None = None,
        data: str | Mapping[str, Any] | None = None,
        *,
        seconds: float = 0.0,
        threads: int = 1,
        seed: int = 0,
    ) -> OnnxProduct:
        """Rewrite the graph without changing what it computes.

        Args:
            model: path, bytes or proto; it is opened in this process: give models that you trust.
            config: switches; absent, all are on.
            data: an `.npz` file, a folder of them, `module:callable`, or arrays by input name (with `labels`); absent,
                inputs are synthesised.
            seconds: time limit of the benchmark; none is made at 0.
            threads: threads of the benchmark's sessions.
            seed: of the split of the data and of synthesised inputs.

        Raises:
            RequestError: an unknown option, or a model or data of a kind that is not supported.
            OptimizationError: the model or the data cannot be used.
        """
        options = _options(DeploymentOptions, config)
        settings = RuntimeSettings(intra_op_num_threads=threads, enable_mem_pattern=options.memory_patterns)
        with _workbench(model, data, seed) as bench:
            try:
                step = OptimizeGraphStep(passes=options.names)
                report = optimize_graph(step, bench.source, bench.target, bench.view, Limits())
            except NoOpError:
                report = None
                save(load(bench.source), bench.target)
            return bench.product(report, _effects(options, report), settings, seconds)

    def quantize_for_deployment(
        self,
        model: str | os.PathLike[str] | bytes | ModelProto,
        config: QuantizationOptions | Mapping[str, Any] | None = None,
        data: str | Mapping[str, Any] | None = None,
        *,
        seconds: float = 0.0,
        threads: int = 1,
        seed: int = 0,
    ) -> OnnxProduct:
        """Quantize a model, which is normalised first, in a copy; the arguments are those of the other method.

        Raises:
            NoOpError: nothing in the model could be quantized; its `type` is `quantization`.
            OptimizationError: the model, the options or the data cannot be used.
        """
        options = _options(QuantizationOptions, config)
        with _workbench(model, data, seed) as bench:
            plain = bench.folder / "plain" / MODEL_FILE
            normalize(NormalizeStep(), bench.source, plain, None, Limits())
            report = quantize(options.step(analyse(plain)), plain, bench.target, bench.view, Limits())
            settings = RuntimeSettings(intra_op_num_threads=threads)
            return bench.product(report, chosen_forms(report), settings, seconds)


@dataclass(frozen=True)
class _Workbench:
    """A model, its data, and a folder with room for the product."""

    folder: Path
    source: Path
    view: DataView

    @property
    def target(self) -> Path:
        """Where the product goes."""
        return self.folder / "product" / MODEL_FILE

    def product(
        self, report: StepReport | None, effects: Mapping[str, str], settings: RuntimeSettings, seconds: float
    ) -> OnnxProduct:
        """Validate the product and return it."""
        evaluation = without_flaw(compare_models(self.source, self.target, self.view, "final"))
        timing = None
        if seconds > 0:
            feeds = list(self.view.feeds("selection", MAX_FEEDS))
            patience = Patience(seconds, seconds)
            threads = settings.intra_op_num_threads
            timing = benchmark_models(self.source, self.target, feeds, patience, threads, settings)
        ratio = model_bytes(self.target) / model_bytes(self.source)
        validation = OnnxValidation(evaluation=evaluation, size_ratio=ratio, benchmark=timing)
        return OnnxProduct(load(self.target), effects, report, settings, validation)


@contextmanager
def _workbench(model: Any, data: Any, seed: int) -> Generator[_Workbench]:
    with TemporaryDirectory(prefix="shipfit-") as temporary:
        folder = Path(temporary)
        source = _source(model, folder)
        load_structure(source)  # says best what is no model
        given = _saved(cast("Mapping[str, Any]", data), folder) if isinstance(data, Mapping) else data
        ref = build_data(source, folder, {"source": given}, seed).ref
        yield _Workbench(folder, source, open_data(folder / "data", ref))


def _options(kind: type[T], config: T | Mapping[str, Any] | None) -> T:
    return config if isinstance(config, kind) else validate(kind, config or {})


def _source(model: Any, folder: Path) -> Path:
    if isinstance(model, str | os.PathLike):
        return model_path(os.fspath(model))
    if not isinstance(model, bytes | ModelProto):
        raise RequestError(f"a model of type {type(model).__name__} is not supported; pass a path, bytes or ModelProto")
    path = folder / "given" / MODEL_FILE
    if isinstance(model, ModelProto):
        save(model, path)
    else:
        path.parent.mkdir()
        path.write_bytes(model)
    return path


def _saved(arrays: Mapping[str, Any], folder: Path) -> str:
    named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez(folder / "given.npz", **named)
    return str(folder / "given.npz")


def _effects(options: DeploymentOptions, report: StepReport | None) -> dict[str, str]:
    """Say of each option, and of each further pass, what it did."""
    effects = {
        option: effect(names, report) if getattr(options, option) else "off" for option, names in _PASSES.items()
    }
    effects["memory_patterns"] = "on, as in a stock session" if options.memory_patterns else "off in the settings"
    return effects | {name: effect((name,), report) for name in options.passes if name in GRAPH_PASSES}
