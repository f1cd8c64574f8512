"""Perform a quantize step: static, dynamic and fp16 compute, then storage of what is still float32."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto

from ...contracts import (
    DataError,
    DataView,
    LayerForm,
    Limits,
    NoOpError,
    QuantizeStep,
    RequestError,
    StepReport,
    ToolError,
)
from ..measure.session import open_briefly
from ..model_files import load, save
from ..onnx_model import external_files, iter_graphs, iter_nodes, load_structure, model_bytes, one_line, quoted
from ..without_weights import without_large_weights
from .calibrate import Feeds
from .computed_rounding import Roundings
from .dynamic import quantize_dynamic
from .half import compute_half, half_feeds
from .recovery import Built, recover
from .recurrent_inputs import condition, remarked
from .recurrent_rounding import Rounded, round_recurrent
from .sparing import sparing_step
from .static import calibrate, write_static
from .static_bodies import StaticWay, write_static_bodies
from .static_plan import StaticChoice
from .storage import StoredForm, asked_form, storage_units
from .storing import store
from .tied import part_tied, share_stored, share_tied, tied_step

MAX_LAYERS = 512


def quantize(step: QuantizeStep, source: Path, target: Path, data: DataView | None, limits: Limits) -> StepReport:
    """Give the model at `source` the forms that `step` names and write it to `target`.

    The order matters: calibration reads the unchanged model, and storage takes only what no integer operator took.

    Args:
        step: forms by operator type, exceptions by name.
        source: a model file; opset 13 or above for one scale per channel in static compute.
        target: a path that does not exist yet.
        data: needed where `static` is asked for; only its calibration part is read.
        limits: held by the process that runs this.

    Raises:
        NoOpError: nothing could take the form asked for; the message says why.
        RequestError: a name in the step that the model does not have.
        DataError: `static` without calibration samples.
        ToolError: the result is no valid model, or does not load.
    """
    del limits
    started = time.perf_counter()
    model = load(source)
    _check_names(step, model)
    part_tied(model)
    step = sparing_step(tied_step(step, model), storage_units(model))
    share_stored(model, step)
    step, told = condition(step, model, data)
    recovered = recover(step, model, data, _give_forms)
    step, layers = recovered.step, remarked(recovered.layers, told)
    if all(layer.form == "fp32" for layer in layers):
        raise NoOpError(f"nothing was quantized: {_reasons(step, layers)}", "quantization")
    layers = [layer for layer in layers if not _reads_shapes(layer)]
    share_tied(model)
    save(model, target)
    check_loads(target, source)
    return StepReport(
        step=step,
        changed=True,
        notes=(*_notes(step, layers), *recovered.notes),
        layers=_most_weighty(layers),
        details=_details(layers, recovered.samples, step),
        size_bytes=model_bytes(target),
        seconds=time.perf_counter() - started,
    )


def _reads_shapes(layer: LayerForm) -> bool:
    """Tell whether a layer is one of the many that gather from no table, as exporters write to work on shapes."""
    return layer.op_type == "Gather" and layer.form == "fp32" and not layer.weight_bytes


def _check_names(step: QuantizeStep, model: ModelProto) -> None:
    nodes = {node.name for node in iter_nodes(model)}
    initializers = {tensor.name for graph in iter_graphs(model) for tensor in graph.initializer}
    for label, names, known in (
        ("nodes", step.nodes, nodes),
        ("stored", step.stored, initializers),
    ):
        for name in names:
            if name not in known:
                raise RequestError(f"{label}: the model has no {quoted(name)}; `shipfit inspect` lists what it has")


def _give_forms(step: QuantizeStep, model: ModelProto, data: DataView | None, roundings: Roundings) -> Built:
    """Give `model` its forms in place; return what became of each unit, the calibration samples read, and notes."""
    # Scales and zero points that integer operators bring along are not weights to be stored.
    weights = {unit.name for unit in storage_units(model)}
    rounded, notes = round_recurrent(step, model, data)
    layers, samples = _compute(step, model, data, roundings, rounded)
    stored, stored_notes = store(step, model, data, weights)
    notes += stored_notes or _nothing_rounded(step, rounded)
    layers += [layer for layer in stored if layer.form != "fp32" or layer.why != "asked for"]
    return layers, samples, notes


def _nothing_rounded(step: QuantizeStep, rounded: Rounded) -> list[str]:
    if step.rounding == "nearest" or rounded:
        return []
    return [f"rounding {step.rounding} changed nothing: no weight is stored in 8 or 4 bits, and no LSTM is dynamic"]


def _compute(
    step: QuantizeStep, model: ModelProto, data: DataView | None, roundings: Roundings, rounded: Rounded
) -> tuple[list[LayerForm], int]:
    choice, dynamic, half = StaticChoice.of(step), step.computed("dynamic"), step.computed("half")
    layers: list[LayerForm] = []
    feeds: Feeds = ()
    if any(choice.asks(node) for node in iter_nodes(model)):
        if data is None:
            raise DataError("static quantization needs calibration samples; give --data or --calibration-data")
        feeds = data.feeds("calibration", step.samples)
    if choice.op_types or choice.named:
        way = StaticWay.of(step)
        ranges = calibrate(model, choice, feeds, step.calibration, step.percentile)
        layers += write_static_bodies(model, way, feeds)
        layers += write_static(model, choice, ranges, step.per_channel, way.types, roundings)
    if dynamic or step.named("dynamic"):
        kept, named = step.others("dynamic"), step.named("dynamic")
        tables = _looked_up(step, model)
        layers += quantize_dynamic(
            model, dynamic, kept, step.per_channel, named, tables, step.block, roundings, rounded
        )
    if half or step.named("half"):
        layers += compute_half(model, half, step.others("half"), step.named("half"), half_feeds(model, data))
    return layers, len(feeds)


def _looked_up(step: QuantizeStep, model: ModelProto) -> dict[str, StoredForm]:
    """Return table → form in which `step` stores it; where it is only looked up, its rows may be read in that form."""
    tables = (unit for unit in storage_units(model) if unit.op_type == "Gather")
    forms: dict[str, StoredForm] = {}
    for unit in tables:
        if (form := asked_form(unit, step.storage, step.stored, step.block, step.fp16)) is not None:
            forms[unit.name] = form
    return forms


def check_loads(path: Path, source: Path) -> None:
    """Check a written model against the ONNX rules and load it, as what it was made from would be.

    Raises:
        ToolError: it is not valid, or the runtime refuses it.
    """
    try:
        onnx.checker.check_model(str(path) if _stands_alone(path) else without_large_weights(load_structure(path)))
    except onnx.checker.ValidationError as error:
        raise ToolError(f"quantization made an invalid model: {one_line(str(error))}", "quantization") from error
    open_briefly(path, source)


def _stands_alone(path: Path) -> bool:
    """Tell whether no file of the model is shared with an artifact, which the checker would take for an attack."""
    return all((path.parent / name).stat().st_nlink == 1 for name in external_files(load_structure(path)))


def _reasons(step: QuantizeStep, layers: Sequence[LayerForm]) -> str:
    found = [f"{count} × {op}: {why}" for (op, why), count in _obstacles(layers).items()]
    present = {layer.op_type for layer in layers}
    found += [f"the model has no {op}" for op in sorted(step.compute) if op not in present]
    if step.storage != "none" and not found:
        found.append("no float32 weight is large enough to store (1,024 elements, or 4,096 in a vector)")
    return one_line("; ".join(found) or "the step names neither compute nor storage")


def _obstacles(layers: Sequence[LayerForm]) -> Counter[tuple[str, str]]:
    return Counter((layer.op_type, layer.why) for layer in layers if layer.form == "fp32")


def _notes(step: QuantizeStep, layers: Sequence[LayerForm]) -> list[str]:
    counts = Counter((layer.form, layer.op_type) for layer in layers if layer.form != "fp32")
    notes = [f"{form}: {count} × {op}" for (form, op), count in sorted(counts.items())]
    notes += [f"left fp32: {count} × {op}: {why}" for (op, why), count in _obstacles(layers).items()]
    remarks = Counter((layer.op_type, layer.why) for layer in layers if layer.form != "fp32" and layer.why)
    notes += [f"{count} × {op}: {why}" for (op, why), count in remarks.items()]
    if step.computed("static") and (step.activations, step.weights) != ("uint8", "int8"):
        notes.append(f"{step.activations} activations with {step.weights} weights: slower than uint8 with int8 on VNNI")
    present = {layer.op_type for layer in layers}
    return notes + [f"the model has no {op}" for op in sorted(step.compute) if op not in present]


def _most_weighty(layers: Sequence[LayerForm]) -> tuple[LayerForm, ...]:
    """Keep the order of the file, and where there are too many the layers with the most bytes."""
    heavy = sorted(range(len(layers)), key=lambda index: (-(layers[index].weight_bytes or 0), index))
    return tuple(layers[index] for index in sorted(heavy[:MAX_LAYERS]))


def _details(layers: Sequence[LayerForm], samples: int, step: QuantizeStep) -> dict[str, Any]:
    forms = sorted({layer.form for layer in layers})
    details: dict[str, Any] = {
        "units": {form: sum(layer.form == form for layer in layers) for form in forms},
        "weight_bytes": {
            form: sum(layer.weight_bytes or 0 for layer in layers if layer.form == form) for form in forms
        },
    }
    if samples:
        details |= {"calibration": step.calibration, "calibration_samples": samples}
    return details
