"""Prepare, calibrate and convert along torch's PT2E route, and read what came of it.

torchao inserts observers where our quantizer asks for them, and turns them into pairs of quantize and dequantize
calls. Those pairs are a reference, slower than floating point when run as they are: `lower` makes integer operators
of the scales and weights that are read here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ...contracts import DataError, MissingExtraError, QuantizeStep
from ..quantize.clipping import BINS, Histogram, cut_entropy, cut_mse, cut_percentile
from .editor import Call
from .feeds import Calls

_EXTRA = 'quantizing torch models needs torchao: pip install "shipfit[torch]"'


@dataclass(frozen=True)
class Scale:
    """How a tensor of activations is rounded to uint8."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Weight:
    """A weight in int8: with one scale, or one for each output channel."""

    values: torch.Tensor
    scales: torch.Tensor


@dataclass(frozen=True)
class Observed:
    """What calibration found for one call."""

    source: Scale | None
    answer: Scale | None
    weight: Weight | None


@dataclass(frozen=True)
class Wanted:
    """What is to be observed, by names of calls in the program.

    Attributes:
        static: calls whose input, weight and answer are.
        dynamic: calls of which only the weight is.
        answers: calls without a weight, of which only the answer is.
        last: call → the call after it, that is computed with it and has the answer.
    """

    static: Collection[str]
    dynamic: Collection[str]
    answers: Collection[str]
    last: Mapping[str, str]


def observe(program: ExportedProgram, wanted: Wanted, step: QuantizeStep, calls: Calls) -> dict[str, Observed]:
    """Return what each wanted call was found to need. The program is left alone.

    Raises:
        MissingExtraError: torchao is not installed.
        DataError: `static` without calibration samples.
    """
    try:
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    except ImportError as error:
        raise MissingExtraError(_EXTRA) from error
    if not calls and (wanted.static or wanted.answers):
        raise DataError("static compute needs calibration samples; give --data or --calibration-data")
    module: Any = program.module(check_guards=False)
    names = _names(program, module)
    prepared = prepare_pt2e(module, _quantizer(wanted, names, step))
    with torch.no_grad():
        for args, kwargs in calls or [_example(program)]:
            prepared(*args, **kwargs)
    converted: GraphModule = convert_pt2e(prepared)
    ours = {theirs: name for name, theirs in names.items()}
    found = {ours[node.name]: node for node in converted.graph.nodes if node.name in ours}
    weighted = {*wanted.static, *wanted.dynamic}
    return {
        name: _read(converted, found[name], found[wanted.last.get(name, name)], name in weighted)
        for name in (*wanted.static, *wanted.dynamic, *wanted.answers)
    }


def _example(program: ExportedProgram) -> tuple[Any, Any]:
    assert program.example_inputs is not None
    return program.example_inputs


def _names(program: ExportedProgram, module: GraphModule) -> dict[str, str]:
    """Return name of a call in the program → its name in the module made from it, which renames."""
    both = ([node for node in graph.nodes if node.op == "call_function"] for graph in (program.graph, module.graph))
    return {ours.name: theirs.name for ours, theirs in zip(*both, strict=True)}


def _quantizer(wanted: Wanted, names: Mapping[str, str], step: QuantizeStep) -> Any:
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec, Quantizer

    activation = QuantizationSpec(
        dtype=torch.uint8,
        observer_or_fake_quant_ctr=_observer(step),
        quant_min=0,
        quant_max=255,
        qscheme=torch.per_tensor_affine,
    )

    def weights() -> Any:
        from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver

        by_channel = step.per_channel
        return QuantizationSpec(
            dtype=torch.int8,
            observer_or_fake_quant_ctr=PerChannelMinMaxObserver if by_channel else MinMaxObserver,
            quant_min=-127,
            quant_max=127,
            qscheme=torch.per_channel_symmetric if by_channel else torch.per_tensor_symmetric,
            ch_axis=0 if by_channel else None,
        )

    static = {names[name] for name in wanted.static}
    dynamic = {names[name] for name in wanted.dynamic}
    answers = {names[wanted.last.get(name, name)] for name in (*wanted.static, *wanted.answers)}

    class Units(Quantizer):
        """Asks for exactly what is wanted."""

        def annotate(self, model: GraphModule) -> GraphModule:
            for node in model.graph.nodes:
                asked: dict[Call, Any] = {}
                if node.name in static:
                    asked = {node.args[0]: activation, node.args[1]: weights()}
                elif node.name in dynamic:
                    asked = {node.args[1]: weights()}
                answer = activation if node.name in answers else None
                if asked or answer:
                    node.meta["quantization_annotation"] = QuantizationAnnotation(
                        input_qspec_map=asked, output_qspec=answer, _annotated=True
                    )
            return model

        def validate(self, model: GraphModule) -> None:
            """Accept every model: what cannot be quantized was never asked for."""

    return Units()


def _observer(step: QuantizeStep) -> Any:
    """Return torchao's observer for the method; those that cut tails cut them as onnx calibration does."""
    from torchao.quantization.pt2e import HistogramObserver, MinMaxObserver

    if step.calibration == "minmax":
        return MinMaxObserver

    class Cutting(HistogramObserver):
        """Chooses the range from the histogram with the cut that the step names."""

        def _non_linear_param_search(self) -> tuple[torch.Tensor, torch.Tensor]:
            counts = self.histogram.round().to(torch.int64).numpy()
            histogram = Histogram(float(self.min_val), float(self.max_val), np.asarray(counts))
            if step.calibration == "percentile":
                span = cut_percentile(histogram, step.percentile)
            else:
                span = cut_entropy(histogram) if step.calibration == "entropy" else cut_mse(histogram)
            return torch.tensor(span.low), torch.tensor(span.high)

    return Cutting.with_args(bins=BINS)


def _read(model: GraphModule, node: Call, last: Call, weighted: bool) -> Observed:
    answer = next((user for user in last.users if _is_quantize(user)), None)
    return Observed(
        source=_scale(node.args[0]) if weighted else None,
        answer=_scale(answer) if answer is not None else None,
        weight=_weight(model, node.args[1]) if weighted else None,
    )


def _is_quantize(node: Any) -> bool:
    return isinstance(node, Node) and "quantize_per_tensor" in str(node.target) and "dequantize" not in str(node.target)


def _scale(node: Any) -> Scale | None:
    """Return the rounding of a quantize or dequantize call; None where `node` is another."""
    call: Call = node if isinstance(node, Node) and "quantize_per_tensor" in str(node.target) else None
    return Scale(float(call.args[1]), int(call.args[2])) if call is not None else None


def _weight(model: GraphModule, node: Any) -> Weight:
    """Return the weight that convert rounded and folded, behind its dequantize call."""
    values = _attribute(model, node.args[0])
    scales = node.args[1]
    held = _attribute(model, scales) if isinstance(scales, Node) else torch.tensor([float(scales)])
    return Weight(values.detach().clone(), held.detach().clone())


def _attribute(model: GraphModule, node: Any) -> torch.Tensor:
    value: Any = model
    for part in str(node.target).split("."):
        value = getattr(value, part)
    return value
