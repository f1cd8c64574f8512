"""The storage part of a quantize step: see to a type for 4 bits, look at inputs, round, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from onnx import ModelProto

from ...contracts import DataError, DataView, LayerForm, QuantizeStep, ToolError
from ..model_files import save
from ..normalize.constants import lift_constants
from ..normalize.equivalence import Equivalence
from ..normalize.opsets import lift_opset
from ..onnx_model import iter_nodes, opset, to_array
from .capture import SAMPLES, Feeds
from .grids import GridForm
from .storage import asked_form, obstacle, store_weights
from .storage_units import StorageUnit, located
from .stored_points import Point, captured_points, told
from .unfolding import INT4_OPSET


def store(
    step: QuantizeStep, model: ModelProto, data: DataView | None, only: Collection[str]
) -> tuple[list[LayerForm], list[str]]:
    """Store weights of `model` in place as `step` asks; return what each became, and notes.

    Args:
        step: storage, its exceptions, block and rounding.
        model: with all its weights.
        data: needed where rounding looks at inputs; only its calibration part is read.
        only: names that may be touched.

    Raises:
        DataError: rounding is to look at inputs and there are no samples.
        ToolError: the model does not run on the samples.
    """
    forms = _grid_forms(step, model, only)
    notes = _give_type(model, data) if "int4" in forms.values() and opset(model) < INT4_OPSET else []
    points: dict[str, Point] | None = None
    if step.rounding != "nearest" and forms:
        points = captured_points(model, forms, _samples(step, data), step.rounding, step.block)
        notes.append(told(list(points.values()), step.rounding))
    return store_weights(model, step.storage, step.stored, only, step.block, points, step.fp16), notes


def _grid_forms(step: QuantizeStep, model: ModelProto, only: Collection[str]) -> dict[StorageUnit, GridForm]:
    forms: dict[StorageUnit, GridForm] = {}
    for _, tensor, unit in located(model):
        taken = unit.unfolds and unit.name in only
        form = asked_form(unit, step.storage, step.stored, step.block, step.fp16) if taken else None
        if form is not None and form != "fp16" and not obstacle(to_array(tensor), form):
            forms[unit] = form
    return forms


def _samples(step: QuantizeStep, data: DataView | None) -> Feeds:
    feeds = data.feeds("calibration", min(step.samples, SAMPLES)) if data else []
    if not len(feeds):
        raise DataError(f"rounding {step.rounding} needs calibration samples; give --data or --calibration-data")
    return feeds


def _give_type(model: ModelProto, data: DataView | None) -> list[str]:
    """Lift the opset in place to one that has a 4-bit type, where that leaves the model what it is; say what came."""
    version = opset(model)
    try:
        lifted, _ = lift_opset(model, INT4_OPSET, INT4_OPSET)
        lift_constants(lifted)
        if _operators(lifted) != _operators(model):
            raise ToolError("other operators would come with it")
        with TemporaryDirectory(prefix="shipfit-") as folder:
            path = Path(folder) / "model.onnx"
            save(model, path)
            Equivalence(path, data).check(lifted)
    except ToolError as error:
        return [f"4-bit values are in pairs of a byte: opset {version} has no type for them, and {error.message}"]
    model.CopyFrom(lifted)
    return [f"opset {version} became {INT4_OPSET}, which has a 4-bit type"]


def _operators(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in iter_nodes(model) if node.op_type != "Constant")
