"""Find activations that linear operators read, and what before them can take a factor for each channel.

A factor is folded into the scale and shift of a normalization, fused or not, that only these operators read; else a
`Mul` divides what they read, and whoever else reads the activation goes on reading it as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from ...onnx_model import elements, is_standard, to_array
from ..graphs import Use, fixed_initializers, input_name, uses
from ..rounding import FloatArray
from .editor import Editor
from .matrix import Constants, Matrix, matrix_of

# Operator → inputs that hold the scale and the shift of its first output, one value per channel of the last axis.
_NORMALIZATIONS: dict[tuple[str, str], tuple[int, ...]] = {
    ("", "LayerNormalization"): (1, 2),
    ("", "RMSNormalization"): (1,),
    ("", "SimplifiedLayerNormalization"): (1,),
    ("com.microsoft", "SkipLayerNormalization"): (2, 3),
    ("com.microsoft", "SkipSimplifiedLayerNormalization"): (2,),
    ("com.microsoft", "EmbedLayerNormalization"): (5, 6),
}


@dataclass(frozen=True)
class Absorber:
    """Constants whose product with a factor multiplies an activation: inputs of nodes."""

    inputs: Sequence[tuple[NodeProto, int]]


@dataclass(frozen=True)
class Group:
    """Linear operators that read one activation along its last axis.

    Attributes:
        absorber: what can take the factor; absent, a `Mul` has to be put in.
    """

    tensor: str
    matrices: Sequence[Matrix]
    absorber: Absorber | None

    @property
    def channels(self) -> int:
        """Channels of the activation."""
        return self.matrices[0].inputs

    @property
    def outputs(self) -> int:
        """Output channels of all its operators."""
        return sum(matrix.outputs for matrix in self.matrices)


def find_groups(model: ModelProto) -> list[Group]:
    """Return the groups of the main graph in its order. An operator whose weight others read too is in none."""
    constants, readers = fixed_initializers(model.graph), uses(model.graph)
    makers = {name: node for node in model.graph.node for name in node.output if name}
    outputs = {each.name for each in model.graph.output}
    found: dict[str, list[Matrix]] = {}
    for node in model.graph.node:
        matrix = matrix_of(node, constants)
        if matrix is not None and matrix.channel_axis == -1 and len(readers.get(matrix.weight, ())) == 1:
            found.setdefault(node.input[0], []).append(matrix)
    groups: list[Group] = []
    for tensor, matrices in found.items():
        if len({matrix.inputs for matrix in matrices}) != 1 or tensor in constants:
            continue
        own = len(readers[tensor]) == len(matrices) and tensor not in outputs
        maker = makers.get(tensor) if own else None
        absorber = _absorber(maker, matrices[0].inputs, constants, makers, readers) if maker is not None else None
        groups.append(Group(tensor, matrices, absorber))
    return groups


def _absorber(
    node: NodeProto,
    width: int,
    constants: Constants,
    makers: dict[str, NodeProto],
    readers: dict[str, list[Use]],
) -> Absorber | None:
    domain = "" if is_standard(node) else node.domain
    held = _NORMALIZATIONS.get((domain, node.op_type))
    if held is not None:
        inputs = [(node, index) for index in held if input_name(node, index)]
        return Absorber(inputs) if inputs and all(_is_row(each, width, constants) for each in inputs) else None
    if domain or node.op_type not in ("Add", "Mul"):
        return None
    own = _operand(node, width, constants)
    if own is None or node.op_type == "Mul":
        return None if own is None else Absorber([own])
    scaled = makers.get(node.input[1 - own[1]])
    if scaled is None or scaled.op_type != "Mul" or len(readers[scaled.output[0]]) != 1:
        return None
    scale = _operand(scaled, width, constants)
    return None if scale is None else Absorber([scale, own])


def _operand(node: NodeProto, width: int, constants: Constants) -> tuple[NodeProto, int] | None:
    """The one input of `node` that is a constant row, where the other is no constant."""
    rows = [(node, index) for index in (0, 1) if _is_row((node, index), width, constants)]
    return rows[0] if len(rows) == 1 else None


def _is_row(place: tuple[NodeProto, int], width: int, constants: Constants) -> bool:
    node, index = place
    tensor = constants.get(node.input[index])
    if tensor is None or tensor.data_type != TensorProto.FLOAT or elements(tensor) != width:
        return False
    return list(tensor.dims)[-1:] == [width] and bool(np.isfinite(to_array(tensor)).all())


def divide(model: ModelProto, editor: Editor, group: Group, factors: FloatArray) -> None:
    """Divide what the group reads by `factors`, and multiply its weights by them."""
    for matrix in group.matrices:
        editor.change(matrix.node, 1, lambda weight, m=matrix: m.scale_inputs(weight, factors))  # type: ignore[misc]
    if group.absorber is None:
        _put_in(model, editor, group, factors)
        return
    for node, index in group.absorber.inputs:
        editor.change(node, index, lambda values: (values / factors).astype(np.float32))


def _put_in(model: ModelProto, editor: Editor, group: Group, factors: FloatArray) -> None:
    own = {id(matrix.node) for matrix in group.matrices}
    first = next(index for index, node in enumerate(model.graph.node) if id(node) in own)
    smooth = editor.fresh("smooth")
    made = helper.make_node(
        "Mul", [group.tensor, editor.add("factors", np.reciprocal(factors))], [smooth], editor.fresh("Smooth")
    )
    for matrix in group.matrices:
        matrix.node.input[0] = smooth
    model.graph.node.insert(first, made)
