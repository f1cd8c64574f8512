"""Write a model in which each unit has a given form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onnx import ModelProto

from ...contracts import LayerForm, NodeForm
from ..onnx_model import iter_nodes
from ..quantize.calibrate import Feeds
from ..quantize.clipping import Range
from ..quantize.dynamic import quantize_dynamic
from ..quantize.dynamic_ops import EMITTERS
from ..quantize.static import calibrate, write_static
from ..quantize.static_plan import COMPUTE, StaticChoice
from ..quantize.trial import copy_model

# Dynamic Conv is 2 to 9 times slower than float32 wherever it was measured.
DYNAMIC = tuple(op_type for _, op_type in EMITTERS if op_type != "Conv")
_FORMS: Mapping[str, NodeForm] = {"int8 static": "static", "int8 dynamic": "dynamic"}

Forms = Mapping[str, NodeForm]


@dataclass(frozen=True)
class Variant:
    """A model and the forms that its units really have, float32 ones not named."""

    model: ModelProto
    forms: dict[str, NodeForm] = field(default_factory=dict[str, NodeForm])


class Variants:
    """Writes models with forms by unit; calibrated once for all of them.

    Attributes:
        able: form → units that can take it, in graph order.
    """

    def __init__(self, model: ModelProto, feeds: Feeds) -> None:
        self._model = model
        products = {node.name for node in model.graph.node if node.op_type in COMPUTE and node.name}
        others = {node.name for node in iter_nodes(model) if node.op_type in DYNAMIC and node.name}
        self._ranges: dict[str, Range] = calibrate(model, StaticChoice((), named=products), feeds)
        static = self.written(dict.fromkeys(products, "static"))
        dynamic = self.written(dict.fromkeys(others, "dynamic"))
        self.able: dict[NodeForm, list[str]] = {"static": list(static.forms), "dynamic": list(dynamic.forms)}

    def written(self, forms: Forms) -> Variant:
        """Return the model with `forms`, as far as units can take them."""
        copied = copy_model(self._model)
        static, dynamic = ({unit for unit, each in forms.items() if each == form} for form in ("static", "dynamic"))
        layers: list[LayerForm] = []
        if static:
            layers += write_static(copied, StaticChoice((), named=static), self._ranges)
        if dynamic:
            layers += quantize_dynamic(copied, (), named=dynamic)
        taken: dict[str, NodeForm] = {
            layer.name: _FORMS[layer.form] for layer in layers if layer.form in _FORMS and layer.name
        }
        return Variant(copied, taken)
