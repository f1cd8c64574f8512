"""`QuantizationTool`: quantize a model from Python, without a run around it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from ...contracts import (
    Compute,
    Contract,
    DataView,
    Evaluation,
    Limits,
    NormalizeStep,
    QuantizeStep,
    RequestError,
    StepReport,
)
from ..context import MODEL_FILE
from ..judge import without_flaw
from ..measure.data import open_data
from ..measure.data_tool import build_data
from ..measure.evaluate import compare_models
from ..model_files import load
from ..normalize import normalize
from ..onnx_model import model_bytes
from .analysis import QuantizationAnalysis, analyse
from .compose import quantize
from .static import calibrate
from .static_plan import StaticChoice

SHOWN_RANGES = 128


class CalibrationSummary(Contract):
    """The ranges that static compute would use.

    Attributes:
        samples: calibration samples read.
        tensors: activations with a finite range.
        ranges: the first of them, name → (low, high).
    """

    method: str
    samples: int
    tensors: int
    ranges: dict[str, tuple[float, float]]


class QuantizationValidation(Contract):
    """The quantized model against the original, on the selection part."""

    evaluation: Evaluation
    size_ratio: float


class QuantizationReport(Contract):
    """The phases of `QuantizationTool.run`, each by itself.

    Attributes:
        analysis: what could take which form.
        calibration: absent where the step has no static compute.
        result: what became of each unit.
        validation: measured quality and size.
    """

    analysis: QuantizationAnalysis
    calibration: CalibrationSummary | None
    result: StepReport
    validation: QuantizationValidation


class QuantizationTool:
    """Quantizes a model: 8-bit compute by operator type, small storage of the remaining weights."""

    name = "quantize"
    description = "Gives operators 8-bit compute and weights small storage, and measures what that costs in quality."
    category = "optimization"

    def run(
        self,
        model: str | Path,
        target: str | Path,
        data: str | None = None,
        *,
        step: QuantizeStep | None = None,
        shape: Mapping[str, tuple[int, ...]] | None = None,
        seed: int = 0,
    ) -> QuantizationReport:
        """Quantize `model`, write it to `target` and compare both.

        Args:
            model: path of an ONNX model, or of a folder with one; it is normalised first, in a copy.
            target: path that does not exist yet.
            data: an `.npz` file, a folder of them, or `module:callable`; absent, inputs are synthesised.
            step: forms; by default what suits the operators that are there.
            shape: shapes of inputs with free dimensions.
            seed: of synthesised inputs and of the split.

        Raises:
            RequestError: no such model, or the target exists.
            NoOpError: nothing in the model could be quantized.
            OptimizationError: the model or the data cannot be used.
        """
        original, written = _model(model), _free(target)
        with tempfile.TemporaryDirectory(prefix="shipfit-") as folder:
            report = build_data(original, Path(folder), {"source": data, "shape": shape}, seed)
            view = open_data(Path(folder) / "data", report.ref)
            plain = Path(folder) / "plain" / MODEL_FILE
            normalize(NormalizeStep(), original, plain, None, Limits())
            analysis = analyse(plain)
            step = step or advisable(analysis)
            calibration = summarize(plain, step, view)
            result = quantize(step, plain, written, view, Limits())
            evaluation = without_flaw(compare_models(original, written, view, "selection"))
        ratio = model_bytes(written) / model_bytes(original)
        validation = QuantizationValidation(evaluation=evaluation, size_ratio=ratio)
        return QuantizationReport(analysis=analysis, calibration=calibration, result=result, validation=validation)


def advisable(analysis: QuantizationAnalysis) -> QuantizeStep:
    """Return the forms that suit the operators: static beside convolutions, dynamic elsewhere, int8 storage."""
    able = {each.op_type: each for each in analysis.operators}
    convolutional = "Conv" in able and able["Conv"].static > 0
    compute: dict[str, Compute] = {"Conv": "static"} if convolutional else {}
    for op_type in ("Gemm", "MatMul"):
        if op_type in able:
            compute[op_type] = "static" if convolutional else "dynamic"
    for op_type in ("Attention", "LSTM"):
        if op_type in able:
            compute[op_type] = "dynamic"
    return QuantizeStep(compute=compute, storage="int8")


def summarize(model: Path, step: QuantizeStep, view: DataView) -> CalibrationSummary | None:
    """Return the ranges that `step` would calibrate; None where it has no static compute."""
    if not step.computed("static") and not step.named("static"):
        return None
    feeds = view.feeds("calibration", step.samples)
    choice = StaticChoice.of(step)
    ranges = calibrate(load(model), choice, feeds, step.calibration, step.percentile)
    shown = sorted(ranges.items())[:SHOWN_RANGES]
    return CalibrationSummary(
        method=step.calibration,
        samples=len(feeds),
        tensors=len(ranges),
        ranges={name: (span.low, span.high) for name, span in shown},
    )


def _model(path: str | Path) -> Path:
    model = Path(path)
    model = model / MODEL_FILE if model.is_dir() else model
    if not model.is_file():
        raise RequestError(f"there is no model at {str(path)!r}; give the path of an .onnx file")
    return model


def _free(path: str | Path) -> Path:
    target = Path(path)
    if target.exists():
        raise RequestError(f"{str(path)!r} exists already; give a path that does not")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
