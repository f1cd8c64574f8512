"""The units of one form, and for each what to feed, or which model to run, so that only it has the form.

One session serves nearly all units of a form. Rounded weights are fed to one whose weights are inputs with the
originals as defaults; for compute, every unit stands in both forms in it and an input chooses (see `switches`). Only
what lies inside subgraphs needs a model of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
from onnx import ModelProto, TensorProto, helper

from ...contracts import CalibrationMethod, LayerForm, QuantizedForm, Rounding
from ..onnx_model import elements, iter_graphs, iter_nodes, to_array, to_tensor
from .calibrate import Feeds, tensor_ranges
from .capture import Captures
from .dynamic import quantize_dynamic
from .dynamic_ops import EMITTERS
from .graphs import fixed_initializers
from .grids import GridForm
from .half_write import Kinds, Place, write_half
from .recurrent_fronts import Front, put_fronts
from .recurrent_inputs import chosen_fronts
from .static import write_static
from .static_plan import COMPUTE, Planner, StaticChoice
from .storage import obstacle, store_weights, stored_form, stored_values
from .storage_units import DEFAULT_BLOCK, StorageUnit, StoredForm, storage_units
from .stored_points import Point, captured_points
from .switches import Cutter, Switchboard
from .trial import copy_model

FORMS: tuple[QuantizedForm, ...] = get_args(QuantizedForm)

# Dynamic Conv is 2 to 9 times slower than float32: its damage is measured where it is asked for by name.
DYNAMIC_TYPES = tuple(op_type for _, op_type in EMITTERS if op_type != "Conv")
# Where fp16 saves work or memory of note.
HALF_TYPES = tuple(dict.fromkeys((*COMPUTE, "ConvTranspose", "GRU", "LSTM", "RNN")))
OVERRIDES_IR = 4  # below, every initializer is an input already

Write = Callable[[ModelProto, set[str]], Sequence[LayerForm]]


@dataclass(frozen=True)
class Making:
    """How forms are made, as a `QuantizeStep` says it.

    Attributes:
        feeds: calibration samples, for the ranges of `static` and for rounding that looks at inputs.
        calibration, percentile: how ranges are taken.
        rounding, block: of stored weights.
        clip_recurrent: percentile at which the inputs of `dynamic` LSTMs may be cut; such an LSTM then is tried with
            what suits its input, as it is written (see `recurrent_inputs`).
        captures: what rounding saw of the same model and feeds, for further forms.
    """

    feeds: Feeds = ()
    calibration: CalibrationMethod = "minmax"
    percentile: float = 99.99
    rounding: Rounding = "nearest"
    block: int = DEFAULT_BLOCK
    clip_recurrent: float | None = None
    captures: Captures | None = None


@dataclass(frozen=True)
class Trial:
    """One unit.

    Attributes:
        weight_bytes: of its weights as float32.
        model: makes the model in which it has the form; absent where only the reference with `overrides` is that.
        overrides: input → what to feed besides the sample; empty where there is a model and no such way.
    """

    name: str
    op_type: str
    weight_bytes: int
    model: Callable[[], ModelProto] | None = None
    overrides: Mapping[str, TensorProto] = field(default_factory=dict[str, TensorProto])

    def feed(self) -> dict[str, Any]:
        """Return what to feed besides the sample; the weights of a large model are read for it."""
        return {name: to_array(value) for name, value in self.overrides.items()}


@dataclass(frozen=True)
class Trials:
    """All units of a form, the heaviest first, and the model whose outputs are the reference.

    Attributes:
        plain: the model as it is, where each unit has a model of its own too: constant weights are packed for the
            processor, which those that are fed cannot be.
    """

    reference: ModelProto
    units: Sequence[Trial]
    plain: ModelProto | None = None


def trials(
    model: ModelProto,
    form: QuantizedForm,
    making: Making = Making(),
    op_types: Sequence[str] = (),
    only: Collection[str] = (),
) -> Trials:
    """Return the units of `model` that can take `form`.

    Args:
        model: with all its weights; its outputs are those that damage is measured at.
        form: what each unit is tried in.
        making: how forms are made.
        op_types: operators whose nodes are units; empty for those that the form is advisable for.
        only: names of the units that are asked for; empty for all.
    """
    if form == "static":
        made = _computed(model, op_types or COMPUTE, _static_writer(model, op_types or COMPUTE, making))
    elif form == "dynamic":
        made = _computed(model, op_types or DYNAMIC_TYPES, _dynamic_writer(model, making))
    elif form == "half":
        made = _computed(model, op_types or HALF_TYPES, _half, _able_to_half(model))
    else:
        made = Trials(_with_weights_as_inputs(model), list(_stored(model, form, op_types, making, only)), model)
    asked = [each for each in made.units if not only or each.name in only]
    return replace(made, units=sorted(asked, key=lambda each: (-each.weight_bytes, each.name)))


def _static_writer(model: ModelProto, op_types: Sequence[str], making: Making) -> Write:
    tensors = set(_to_calibrate(model, op_types))
    ranges = tensor_ranges(model, sorted(tensors), making.feeds, making.calibration, making.percentile)

    def write(alone: ModelProto, named: set[str]) -> Sequence[LayerForm]:
        return write_static(alone, StaticChoice((), named=named), ranges)

    return write


def _to_calibrate(model: ModelProto, op_types: Sequence[str]) -> Iterator[str]:
    """Yield the tensors that need a range where all units have the form, and where each alone has it."""
    cutter = Cutter(model)
    every = StaticChoice(op_types)
    asked = {node.name: node for node in model.graph.node if node.op_type in op_types and node.name}
    alone = [(cutter.cut(node, asked).model, StaticChoice((), named={name})) for name, node in asked.items()]
    for each, choice in ((model, every), *alone):
        scales = Planner(each).plan(choice).scales
        yield from (*scales, *scales.values())


def _dynamic_writer(model: ModelProto, making: Making) -> Write:
    fronts: Mapping[str, Front] = {}
    if making.clip_recurrent is not None and len(making.feeds):
        fronts, _ = chosen_fronts(model, making.clip_recurrent, making.feeds, lambda node: True)

    def write(alone: ModelProto, named: set[str]) -> Sequence[LayerForm]:
        put_fronts(alone, {name: front for name, front in fronts.items() if name in named})
        return quantize_dynamic(alone, (), named=named)

    return write


def _half(alone: ModelProto, named: set[str]) -> Sequence[LayerForm]:
    """Turn nodes to fp16 as targets compute it that have kernels for it; values beyond fp16 become infinite."""
    kinds, places, layers = Kinds(alone), list[Place](), list[LayerForm]()
    for at, graph in enumerate(iter_graphs(alone)):
        for index, node in enumerate(graph.node):
            operands = kinds.operands(at, node) if node.name in named else None
            if operands is not None and operands.inputs and operands.outputs:
                places.append((at, index))
                size = sum(elements(each) for each in graph.initializer if each.name in node.input)
                layers.append(LayerForm(name=node.name, op_type=node.op_type, form="fp16 half", weight_bytes=size))
    write_half(alone, places, rounding=True)
    return layers


def _able_to_half(model: ModelProto) -> set[str]:
    """Return the nodes that compute in float32; a unit taken out of its graph no longer shows that."""
    kinds = Kinds(model)
    return {
        node.name
        for at, graph in enumerate(iter_graphs(model))
        for node in graph.node
        if kinds.operands(at, node).inputs
    }


def _computed(model: ModelProto, op_types: Sequence[str], write: Write, able: Container[str] | None = None) -> Trials:
    """One trial per node name, of those that are `able`; nodes of one name, in different branches, are one unit."""
    board = Switchboard(model)
    asked = list(dict.fromkeys(node.name for node in iter_nodes(model) if node.op_type in op_types and node.name))
    asked = [unit for unit in asked if able is None or unit in able]
    inside = {node.name for graph in list(iter_graphs(model))[1:] for node in graph.node}
    found: list[Trial] = []
    for unit in asked:
        if unit in inside:
            found += _alone(model, unit, write)
        elif (made := board.add(unit, asked, lambda cut, name: write(cut, {name}))) is not None:
            switch, layer = made
            size = 4 * (layer.weight_bytes or 0)
            found.append(Trial(unit, layer.op_type, size, overrides={switch: to_tensor(np.array(True), switch)}))
    return Trials(board.finished(), found)


def _alone(model: ModelProto, unit: str, write: Write) -> Iterator[Trial]:
    """Yield the trial of a unit inside a subgraph, with a model of its own, if it can take the form."""

    def made() -> ModelProto:
        copied = copy_model(model)
        write(copied, {unit})
        return copied

    layers = [each for each in write(copy_model(model), {unit}) if each.name == unit and each.form != "fp32"]
    if layers:
        yield Trial(unit, layers[0].op_type, 4 * sum(each.weight_bytes or 0 for each in layers), made)


def _stored(
    model: ModelProto, form: StoredForm, op_types: Sequence[str], making: Making, only: Collection[str]
) -> Iterator[Trial]:
    tensors = fixed_initializers(model.graph)
    units = [unit for unit in storage_units(model) if not op_types or unit.op_type in op_types]
    units = [unit for unit in units if not only or unit.name in only]
    points = _points(model, form, units, making)
    for unit in units:
        if unit.in_subgraph:
            yield Trial(unit.name, unit.op_type, unit.bytes, _stored_alone(model, unit, form, making.block))
            continue
        rounded = (
            points[unit.name].values(unit.shape)
            if unit.name in points
            else stored_values(to_array(tensors[unit.name]), unit, form, making.block)
        )
        if rounded is not None:
            stored = to_tensor(rounded, unit.name)
            alone = _with_weight(model, unit.name, stored)
            yield Trial(unit.name, unit.op_type, unit.bytes, alone, overrides={unit.name: stored})


def _points(model: ModelProto, form: StoredForm, units: Sequence[StorageUnit], making: Making) -> Mapping[str, Point]:
    """Return what weights become where rounding looks at their inputs."""
    if making.rounding == "nearest" or form == "fp16" or not len(making.feeds):
        return {}
    tensors = fixed_initializers(model.graph)
    forms: dict[StorageUnit, GridForm] = {}
    for unit in units:
        taken = stored_form(unit, form, making.block)
        if not unit.in_subgraph and taken != "fp16" and not obstacle(to_array(tensors[unit.name]), taken):
            forms[unit] = taken
    return captured_points(model, forms, making.feeds, making.rounding, making.block, making.captures)


def _stored_alone(model: ModelProto, unit: StorageUnit, form: StoredForm, block: int) -> Callable[[], ModelProto]:
    def made() -> ModelProto:
        copied = copy_model(model)
        store_weights(copied, form, only=[unit.name], block=block)
        return copied

    return made


def _with_weight(model: ModelProto, name: str, stored: TensorProto) -> Callable[[], ModelProto]:
    def made() -> ModelProto:
        copied = copy_model(model)
        fixed_initializers(copied.graph)[name].CopyFrom(stored)
        return copied

    return made


def _with_weights_as_inputs(model: ModelProto) -> ModelProto:
    copied = copy_model(model)
    copied.ir_version = max(copied.ir_version, OVERRIDES_IR)
    tensors = fixed_initializers(copied.graph)
    for unit in storage_units(copied):
        if not unit.in_subgraph:
            dims = tensors[unit.name].dims
            copied.graph.input.append(helper.make_tensor_value_info(unit.name, TensorProto.FLOAT, dims))
    return copied
