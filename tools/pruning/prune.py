"""Take inner channels out of an onnx model.

A width that is left is a multiple of 16: the runtime's kernels work on so many channels at once, and other widths are
no faster.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from onnx import ModelProto

from ...contracts import DataView, LayerForm, Limits, NoOpError, PruneStep, StepReport, ToolError
from ..model_files import load, save
from ..onnx_model import elements, model_bytes, to_array, to_tensor
from ..quantize.graphs import Names, fixed_initializers, input_name
from ..quantize.rounding import FloatArray
from .find import InnerChannels, inner_channels
from .fit import Fitted, fit
from .moments import SAMPLES, Feeds, moments

WIDTH_MULTIPLE = 16


def prune_channels(step: PruneStep, source: Path, target: Path, data: DataView | None, limits: Limits) -> StepReport:
    """Write the model without the share `step.ratio` of its inner channels, its readers fitted to the rest.

    Raises:
        NoOpError: no layer has inner channels enough to lose any.
        ToolError: there are no calibration samples, or the model does not run on them.
    """
    started = time.perf_counter()
    if step.ratio is None:
        raise ToolError("structured pruning takes a ratio", "pruning")
    if data is None or not len(feeds := data.feeds("calibration", SAMPLES)):
        raise ToolError("channels are taken out with calibration samples to fit the rest to: give data", "pruning")
    model = load(source)
    layers = take_out(model, step.ratio, feeds)
    if not layers:
        raise NoOpError(f"no layer can lose {WIDTH_MULTIPLE} inner channels at a ratio of {step.ratio:g}", "pruning")
    save(model, target)
    return StepReport(
        step=step,
        changed=True,
        notes=(f"{len(layers)} layers lost channels that only one other reads",),
        layers=tuple(layers),
        details={"layers": len(layers), "calibration_samples": len(feeds)},
        size_bytes=model_bytes(target),
        seconds=time.perf_counter() - started,
    )


def take_out(model: ModelProto, ratio: float, feeds: Feeds) -> list[LayerForm]:
    """Take the share `ratio` of the inner channels out in place; return what became of each layer that lost some.

    Raises:
        ToolError: the model does not run on the samples.
    """
    found = [each for each in inner_channels(model) if left_of(each.count, ratio) < each.count]
    # All are fitted to the model as it came, before anything is changed.
    fitted = [
        _fitted(model, each, moment, ratio) for each, moment in zip(found, moments(model, found, feeds), strict=True)
    ]
    return [_write(model, each, fit) for each, fit in zip(found, fitted, strict=True)]


def left_of(count: int, ratio: float) -> int:
    """Return how many of `count` channels are left when at most the share `ratio` goes."""
    return min(count, -(-int(np.ceil(count * (1 - ratio))) // WIDTH_MULTIPLE) * WIDTH_MULTIPLE)


def _fitted(model: ModelProto, each: InnerChannels, moment: FloatArray, ratio: float) -> Fitted:
    fixed = fixed_initializers(model.graph)
    weight, bias = to_array(fixed[each.reader.input[1]]), input_name(each.reader, 2)
    before = to_array(fixed[bias]) if bias else np.zeros(len(weight), np.float32)
    return fit(weight, before, moment, left_of(each.count, ratio))


def _write(model: ModelProto, each: InnerChannels, fitted: Fitted) -> LayerForm:
    """Write what is left in place; return what became of the layer that gives the channels."""
    fixed = fixed_initializers(model.graph)
    for name in each.constants:
        fixed[name].CopyFrom(to_tensor(to_array(fixed[name])[fitted.kept], name))
    name = each.reader.input[1]
    fixed[name].CopyFrom(to_tensor(fitted.weight, name))
    if bias := input_name(each.reader, 2):
        fixed[bias].CopyFrom(to_tensor(fitted.bias, bias))
    else:
        bias = Names(model).fresh(f"{name}_bias")
        model.graph.initializer.append(to_tensor(fitted.bias, bias))
        each.reader.input[2:] = [bias]
    _forget_shapes(model, {name for node in (each.maker, *each.between) for name in node.output})
    left = len(fitted.kept)
    return LayerForm(
        name=each.maker.name,
        op_type=each.maker.op_type,
        form="pruned",
        why=f"{left} of {each.count} channels are left; what reads them was fitted to {fitted.fidelity_db:.1f} dB",
        weight_bytes=4 * elements(fixed[each.maker.input[1]]),
    )


def _forget_shapes(model: ModelProto, names: set[str]) -> None:
    infos = model.graph.value_info
    for index in reversed([at for at, each in enumerate(infos) if each.name in names]):
        del infos[index]
