"""Operators that pass 8-bit values on between units, and what they cost in either form.

Movers rearrange values, so that input and output share a grid. Mixers compute, and have a grid of their own.
Activations are mixers of one operand that are written as integer operators (`integer_activations`). Rescalings, one
factor and one shift for all values, only move the grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto

from ..onnx_model import is_standard, to_array
from .graphs import attribute, float_attribute, input_name, int_attribute

MICROSOFT = "com.microsoft"

# Nanoseconds an element on one core with AVX-512, 8 bits and float32. Ratios count, and only between neighbours.
QUANTIZE = 0.10
DEQUANTIZE = 0.12
PER_NODE = 500.0


@dataclass(frozen=True)
class Cost:
    """Nanoseconds an element of the output, or of the first input where `of_input`."""

    packed: float
    floating: float
    of_input: bool = False


MOVERS: dict[str, Cost] = {
    "MaxPool": Cost(0.05, 0.16, of_input=True),
    "Reshape": Cost(0.0, 0.0),
    "Flatten": Cost(0.0, 0.0),
    "Squeeze": Cost(0.0, 0.0),
    "Unsqueeze": Cost(0.0, 0.0),
    "Transpose": Cost(0.05, 0.17),
    "Slice": Cost(0.03, 0.05),
    "Split": Cost(0.03, 0.05, of_input=True),
    "Gather": Cost(0.03, 0.05),
    "Expand": Cost(0.03, 0.05),
    "Tile": Cost(0.03, 0.05),
    "DepthToSpace": Cost(0.05, 0.17),
    "Resize": Cost(0.6, 0.21),
}
# The operands that may be activations.
MIXERS: dict[str, tuple[slice, Cost]] = {
    "Add": (slice(0, 2), Cost(0.11, 0.13)),
    "Mul": (slice(0, 2), Cost(0.20, 0.13)),
    "Concat": (slice(0, None), Cost(0.055, 0.15)),
    "GlobalAveragePool": (slice(0, 1), Cost(0.045, 0.13, of_input=True)),
    # The integer kernel takes 0.9, but the runtime calls it between 8-bit tensors, wanted or not.
    "AveragePool": (slice(0, 1), Cost(0.16, 0.16, of_input=True)),
}
ACTIVATIONS: dict[tuple[str, str], Cost] = {
    ("", "HardSwish"): Cost(0.24, 0.26),
    ("", "HardSigmoid"): Cost(0.035, 0.11),
    ("", "Sigmoid"): Cost(0.26, 0.25),
    ("", "Tanh"): Cost(0.26, 0.30),
    ("", "LeakyRelu"): Cost(0.26, 0.10),
    ("", "Softmax"): Cost(2.3, 0.32),
    (MICROSOFT, "QuickGelu"): Cost(0.50, 0.50),
}
# The codes stay as they are and are read on another grid.
RESCALE = Cost(0.0, 0.09)
# Their outputs need no calibration.
BOUNDED = frozenset({"HardSigmoid", "Sigmoid", "Tanh"})
# onnxruntime computes these in 8 bits wherever they stand between 8-bit tensors, but can be kept from it.
PULLED = frozenset({"Resize", "Softmax"})


def is_mover(node: NodeProto) -> bool:
    """Tell whether every value of the output is one of the first input, and the runtime moves them as codes."""
    if not is_standard(node) or node.op_type not in MOVERS or not node.input or not all(node.output):
        return False
    if node.op_type == "MaxPool":
        return len(node.output) == 1
    if node.op_type != "Resize":
        return node.op_type == "Split" or len(node.output) == 1
    mode, place = attribute(node, "mode"), attribute(node, "coordinate_transformation_mode")
    return (mode is None or mode.s == b"nearest") and (place is None or place.s != b"tf_crop_and_resize")


def operands(node: NodeProto) -> list[str]:
    """Return the inputs of a mixer or an activation that have to be 8-bit; none where it is neither."""
    if len(node.output) != 1:
        return []
    if is_standard(node) and node.op_type in MIXERS:
        return list(node.input[MIXERS[node.op_type][0]])
    return list(node.input[:1]) if is_activation(node) else []


def is_activation(node: NodeProto) -> bool:
    """Tell whether `node` can be written as an integer activation."""
    if (_domain(node), node.op_type) not in ACTIVATIONS or len(node.output) != 1:
        return False
    if node.op_type in ("HardSigmoid", "QuickGelu"):
        return slope(node) > 0.0
    return True


def slope(node: NodeProto) -> float:
    """Return what `HardSwish`, `HardSigmoid` and `QuickGelu` multiply their input with, inside."""
    return {"HardSwish": 1 / 6, "QuickGelu": float_attribute(node, "alpha", 1.702)}.get(
        node.op_type, float_attribute(node, "alpha", 0.2)
    )


def offset(node: NodeProto) -> float:
    """Return what `HardSwish` and `HardSigmoid` add to that."""
    return 0.5 if node.op_type == "HardSwish" else float_attribute(node, "beta", 0.5)


def is_hard(node: NodeProto) -> bool:
    """Tell whether `node` is a straight line between two saturations, alone or as a gate."""
    return is_standard(node) and node.op_type in ("HardSwish", "HardSigmoid") and slope(node) > 0.0


@dataclass(frozen=True)
class Rescaling:
    """`factor · x + shift`, the factor positive."""

    source: str
    factor: float
    shift: float

    @property
    def root(self) -> float:
        """Where the result is zero."""
        return -self.shift / self.factor


def rescaling(node: NodeProto, constants: Mapping[str, TensorProto]) -> Rescaling | None:
    """Return what `node` scales and shifts by, None where it does anything else.

    It is a `Mul`, `Div`, `Add` or `Sub` of a scalar, or a 1×1 depthwise `Conv` whose channels are all alike.
    """
    if not is_standard(node) or len(node.output) != 1 or len(node.input) < 2:
        return None
    found = _alike(node, constants) if node.op_type == "Conv" else _by_scalar(node, constants)
    if found is None or not np.isfinite((found.factor, found.shift)).all():
        return None
    return found if found.factor > 0.0 else None


def _by_scalar(node: NodeProto, constants: Mapping[str, TensorProto]) -> Rescaling | None:
    values = [_scalar(constants.get(name)) for name in node.input]
    first, second = values if len(values) == 2 else (None, None)
    if node.op_type in ("Mul", "Add") and second is None:
        first, second, source = second, first, node.input[1]
    else:
        source = node.input[0]
    if first is not None or second is None:
        return None
    with np.errstate(divide="ignore"):
        lines = {
            "Mul": (second, 0.0),
            "Div": (float(np.divide(1.0, second)), 0.0),
            "Add": (1.0, second),
            "Sub": (1.0, -second),
        }
    return Rescaling(source, *lines[node.op_type]) if node.op_type in lines else None


def _alike(node: NodeProto, constants: Mapping[str, TensorProto]) -> Rescaling | None:
    weight, bias = constants.get(node.input[1]), constants.get(input_name(node, 2))
    if (
        weight is None
        or list(weight.dims[1:]) != [1] * (len(weight.dims) - 1)
        or (input_name(node, 2) and bias is None)
    ):
        return None
    if int_attribute(node, "group", 1) != weight.dims[0] or any(_moves(node, name) for name in ("pads", "strides")):
        return None
    factors, shifts = to_array(weight), np.zeros(1, np.float32) if bias is None else to_array(bias)
    if attribute(node, "auto_pad") is not None or np.ptp(factors) > 0 or np.ptp(shifts) > 0:
        return None
    return Rescaling(node.input[0], float(factors.flat[0]), float(shifts.flat[0]))


def _moves(node: NodeProto, name: str) -> bool:
    found = attribute(node, name)
    return found is not None and any(each != (1 if name == "strides" else 0) for each in found.ints)


def _scalar(tensor: TensorProto | None) -> float | None:
    if tensor is None or tensor.data_type != TensorProto.FLOAT or list(tensor.dims) not in ([], [1]):
        return None
    return float(to_array(tensor).reshape(()))


def cost(node: NodeProto) -> Cost:
    """Return what a carrier costs."""
    if is_activation(node):
        return ACTIVATIONS[_domain(node), node.op_type]
    return MIXERS[node.op_type][1] if node.op_type in MIXERS else MOVERS[node.op_type]


def _domain(node: NodeProto) -> str:
    return "" if is_standard(node) else node.domain
