"""Which rule follows which operator."""

from __future__ import annotations

from onnx import NodeProto

from ...onnx_model import is_standard
from ..trace import Rule
from . import convolution, elementwise, matrix, movement, normal, recurrent, reduction, reshape, selection, shaped

_RULES: dict[str, Rule] = {
    **dict.fromkeys(elementwise.OPERATORS, elementwise.elementwise),
    "ArgMax": reduction.arg,
    "ArgMin": reduction.arg,
    "AveragePool": reduction.pool,
    "BatchNormalization": normal.batch_norm,
    "Concat": selection.concat,
    "ConstantOfShape": shaped.constant_of_shape,
    "Conv": convolution.conv,
    "ConvTranspose": convolution.conv_transpose,
    "DepthToSpace": movement.depth_to_space,
    "Expand": shaped.expand,
    "Flatten": reshape.flatten,
    "GRU": recurrent.recurrent,
    "Gather": selection.gather,
    "Gemm": matrix.gemm,
    "GlobalAveragePool": reduction.pool,
    "GlobalLpPool": reduction.pool,
    "GlobalMaxPool": reduction.pool,
    "GroupNormalization": normal.group_norm,
    "Hardmax": normal.softmax,
    "InstanceNormalization": normal.instance_norm,
    "LRN": normal.local_response,
    "LSTM": recurrent.recurrent,
    "LayerNormalization": normal.layer_norm,
    "LogSoftmax": normal.softmax,
    "LpNormalization": normal.along_axis,
    "LpPool": reduction.pool,
    "MatMul": matrix.matmul,
    "MaxPool": reduction.pool,
    "Pad": selection.pad,
    "RMSNormalization": normal.layer_norm,
    "RNN": recurrent.recurrent,
    "ReduceL1": reduction.reduce,
    "ReduceL2": reduction.reduce,
    "ReduceLogSum": reduction.reduce,
    "ReduceLogSumExp": reduction.reduce,
    "ReduceMax": reduction.reduce,
    "ReduceMean": reduction.reduce,
    "ReduceMin": reduction.reduce,
    "ReduceProd": reduction.reduce,
    "ReduceSum": reduction.reduce,
    "ReduceSumSquare": reduction.reduce,
    "Reshape": reshape.reshape,
    "Resize": reduction.resize,
    "Shape": movement.shape,
    "Size": movement.size,
    "Slice": selection.slice_,
    "Softmax": normal.softmax,
    "SpaceToDepth": movement.space_to_depth,
    "Split": selection.split,
    "Squeeze": movement.squeeze,
    "Tile": movement.tile,
    "Transpose": movement.transpose,
    "Unsqueeze": movement.unsqueeze,
    "Upsample": reduction.resize,
}


def rule_of(node: NodeProto) -> Rule | None:
    """Return the rule for a node, or None where its channels cannot be followed."""
    return _RULES.get(node.op_type) if is_standard(node) else None
