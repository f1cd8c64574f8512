"""The units of one form, and for each a model in which only it has the form.

Rounded weights are fed to one session that serves all units: its weights are inputs with the originals as defaults.
Compute forms, and weights inside subgraphs, need a graph of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from onnx import ModelProto, TensorProto, helper

from ...contracts import LayerForm, QuantizeStep
from ..onnx_model import iter_nodes, to_array
from .calibrate import Feeds
from .dynamic import quantize_dynamic
from .graphs import fixed_initializers
from .rounding import FP16_MAX, rounded_fp16, rounded_int8
from .static import calibrate, write_static
from .static_plan import COMPUTE, StaticChoice
from .storage import StorageUnit, storage_units, store_weights, stored_form
from .trial import copy_model

Form = Literal["static", "dynamic", "int8", "fp16"]
FORMS: tuple[Form, ...] = get_args(Form)

# Dynamic Conv is 2 to 9 times slower than float32: its damage is measured where it is asked for by name.
DYNAMIC_TYPES = ("MatMul", "Gemm", "LSTM", "Attention")
OVERRIDES_IR = 4  # below, every initializer is an input already


@dataclass(frozen=True)
class Trial:
    """One unit.

    Attributes:
        weight_bytes: of its weights as float32.
        model: makes the model in which it has the form; absent where the reference with `overrides` is that.
        overrides: what to feed besides the sample.
    """

    name: str
    op_type: str
    weight_bytes: int
    model: Callable[[], ModelProto] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Trials:
    """All units of a form, the heaviest first, and the model whose outputs are the reference."""

    reference: ModelProto
    units: Sequence[Trial]


def trials(model: ModelProto, form: Form, calibration: Feeds = (), op_types: Sequence[str] = ()) -> Trials:
    """Return the units of `model` that can take `form`.

    Args:
        model: with all its weights; `int8` and `fp16` make its weights inputs.
        form: what each unit is tried in.
        calibration: samples, for `static`.
        op_types: operators whose nodes are units; empty for those that the form is advisable for.
    """
    if form == "static":
        found, reference = list(_static(model, calibration, op_types or COMPUTE)), model
    elif form == "dynamic":
        found, reference = list(_dynamic(model, op_types or DYNAMIC_TYPES)), model
    else:
        found, reference = list(_stored(model, form, op_types)), _with_weights_as_inputs(model)
    return Trials(reference, sorted(found, key=lambda each: (-each.weight_bytes, each.name)))


def _static(model: ModelProto, calibration: Feeds, op_types: Sequence[str]) -> Iterator[Trial]:
    choice = StaticChoice(op_types, (), QuantizeStep().min_terms)
    ranges = calibrate(model, choice, calibration)
    layers = write_static(copy_model(model), choice, ranges)

    def alone(keep: set[str]) -> Callable[[], ModelProto]:
        def made() -> ModelProto:
            copied = copy_model(model)
            write_static(copied, replace(choice, keep=keep), ranges)
            return copied

        return made

    return _computed(layers, "int8 static", model, alone)


def _dynamic(model: ModelProto, op_types: Sequence[str]) -> Iterator[Trial]:
    layers = quantize_dynamic(copy_model(model), op_types)

    def alone(keep: set[str]) -> Callable[[], ModelProto]:
        def made() -> ModelProto:
            copied = copy_model(model)
            quantize_dynamic(copied, op_types, keep)
            return copied

        return made

    return _computed(layers, "int8 dynamic", model, alone)


def _computed(
    layers: Sequence[LayerForm], form: str, model: ModelProto, alone: Callable[[set[str]], Callable[[], ModelProto]]
) -> Iterator[Trial]:
    """One trial per node name; nodes of one name, in different branches, are one unit."""
    every = {node.name for node in iter_nodes(model)}
    fitting = {layer.name: layer for layer in layers if layer.form == form}
    for name, layer in fitting.items():
        size = 4 * sum(each.weight_bytes or 0 for each in layers if each.name == name and each.form == form)
        yield Trial(name, layer.op_type, size, alone(every - {name}))


def _stored(model: ModelProto, form: Literal["int8", "fp16"], op_types: Sequence[str]) -> Iterator[Trial]:
    tensors = fixed_initializers(model.graph)
    for unit in storage_units(model):
        if op_types and unit.op_type not in op_types:
            continue
        if unit.in_subgraph:
            yield Trial(unit.name, unit.op_type, unit.bytes, _stored_alone(model, unit, form))
            continue
        rounded = _rounded(tensors[unit.name], unit, form)
        if rounded is not None:
            yield Trial(unit.name, unit.op_type, unit.bytes, overrides={unit.name: rounded})


def _stored_alone(model: ModelProto, unit: StorageUnit, form: Literal["int8", "fp16"]) -> Callable[[], ModelProto]:
    def made() -> ModelProto:
        copied = copy_model(model)
        store_weights(copied, form, only=[unit.name])
        return copied

    return made


def _rounded(tensor: TensorProto, unit: StorageUnit, form: Literal["int8", "fp16"]) -> np.ndarray | None:
    """The values that the stored form stands for; None where the weight cannot be stored."""
    weight = to_array(tensor)
    taken = stored_form(unit, form)
    if not np.isfinite(weight).all() or (taken == "fp16" and float(np.max(np.abs(weight))) > FP16_MAX):
        return None
    return rounded_int8(weight, unit.axes) if taken == "int8" else rounded_fp16(weight)


def _with_weights_as_inputs(model: ModelProto) -> ModelProto:
    copied = copy_model(model)
    copied.ir_version = max(copied.ir_version, OVERRIDES_IR)
    tensors = fixed_initializers(copied.graph)
    for unit in storage_units(copied):
        if not unit.in_subgraph:
            dims = tensors[unit.name].dims
            copied.graph.input.append(helper.make_tensor_value_info(unit.name, TensorProto.FLOAT, dims))
    return copied
