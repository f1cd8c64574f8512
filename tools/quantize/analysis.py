"""What a model's operators and weights could become, before anything is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from onnx import ModelProto

from ...contracts import Contract, LayerForm, QuantizeStep
from ..model_files import load
from ..onnx_model import model_bytes
from .clipping import Range
from .dynamic import quantize_dynamic
from .dynamic_ops import EMITTERS
from .static import write_static
from .static_bodies import each_alone
from .static_plan import COMPUTE, Planner, StaticChoice
from .storage import predict_storage_bytes, storage_units
from .trial import copy_model

_DYNAMIC = tuple(sorted({op_type for _, op_type in EMITTERS}))


class OperatorForms(Contract):
    """How many nodes of one operator type could compute in int8, in either way."""

    op_type: str
    nodes: int
    static: int = 0
    dynamic: int = 0
    weight_bytes: int = 0


class QuantizationAnalysis(Contract):
    """What is there to quantize.

    Attributes:
        size_bytes: of the model as it is.
        operators: those that have an int8 kernel.
        storable_bytes: float32 weights that storage can take.
        predicted_bytes: size of the file with weights stored as `int8` or `fp16`; predicted, not measured.
        obstacles: why nodes cannot compute in int8 → how many.
    """

    size_bytes: int
    operators: tuple[OperatorForms, ...]
    storable_bytes: int
    predicted_bytes: dict[str, int]
    obstacles: dict[str, int]


def analyse(path: Path) -> QuantizationAnalysis:
    """Return what the model at `path` could become.

    Raises:
        ModelFileError: it cannot be read.
    """
    model = load(path)
    static = _dry_static(model)
    dynamic = quantize_dynamic(copy_model(model), _DYNAMIC)
    size = model_bytes(path)
    return QuantizationAnalysis(
        size_bytes=size,
        operators=tuple(_operators(static, dynamic)),
        storable_bytes=sum(unit.bytes for unit in storage_units(model)),
        predicted_bytes={form: size - predict_storage_bytes(model, form) for form in ("int8", "fp16")},
        obstacles=dict(
            Counter(f"{layer.op_type}: {layer.why}" for layer in (*static, *dynamic) if layer.form == "fp32")
        ),
    )


def _dry_static(model: ModelProto) -> list[LayerForm]:
    choice = StaticChoice(COMPUTE, (), QuantizeStep().min_terms)
    layers: list[LayerForm] = []
    for each in each_alone(model):
        scales = Planner(each).plan(choice).scales
        assumed = dict.fromkeys({*scales, *scales.values()}, Range(0.0, 1.0))
        layers += write_static(copy_model(each), choice, assumed)
    return layers


def _operators(static: Sequence[LayerForm], dynamic: Sequence[LayerForm]) -> Iterable[OperatorForms]:
    for op_type in sorted({layer.op_type for layer in (*static, *dynamic)}):
        ways = [[layer for layer in layers if layer.op_type == op_type] for layers in (static, dynamic)]
        able = [[layer for layer in layers if layer.form != "fp32"] for layers in ways]
        yield OperatorForms(
            op_type=op_type,
            nodes=max(len(layers) for layers in ways),
            static=len(able[0]),
            dynamic=len(able[1]),
            weight_bytes=max(4 * sum(layer.weight_bytes or 0 for layer in layers) for layers in able),
        )
