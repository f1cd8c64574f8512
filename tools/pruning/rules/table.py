"""Which rule follows which operator."""

from __future__ import annotations

from onnx import NodeProto

from ...onnx_model import is_standard
from ..trace import Rule
from . import (
    attention,
    convolution,
    einsum,
    elementwise,
    fused,
    matrix,
    movement,
    normal,
    recurrent,
    reduction,
    reshape,
    selection,
    shaped,
    stored,
)

_RULES: dict[str, Rule] = {
    **dict.fromkeys(elementwise.OPERATORS, elementwise.elementwise),
    "ArgMax": reduction.arg,
    "ArgMin": reduction.arg,
    "Attention": attention.standard,
    "AveragePool": reduction.pool,
    "BatchNormalization": normal.batch_norm,
    "CastLike": elementwise.first,
    "Concat": selection.concat,
    "Constant": stored.constant,
    "ConstantOfShape": shaped.constant_of_shape,
    "Conv": convolution.conv,
    "ConvTranspose": convolution.conv_transpose,
    "CumSum": normal.along_computed,
    "DepthToSpace": movement.depth_to_space,
    "DequantizeLinear": stored.other_form,
    "Einsum": einsum.einsum,
    "Expand": shaped.expand,
    "Flatten": reshape.flatten,
    "GRU": recurrent.recurrent,
    "Gather": selection.gather,
    "Gemm": matrix.gemm,
    "GlobalAveragePool": reduction.pool,
    "GlobalLpPool": reduction.pool,
    "GlobalMaxPool": reduction.pool,
    "GridSample": normal.places,
    "GroupNormalization": normal.group_norm,
    "Hardmax": normal.softmax,
    "InstanceNormalization": normal.instance_norm,
    "LRN": normal.local_response,
    "LSTM": recurrent.recurrent,
    "LayerNormalization": normal.layer_norm,
    "SimplifiedLayerNormalization": normal.layer_norm,
    "LogSoftmax": normal.softmax,
    "LpNormalization": normal.along_axis,
    "LpPool": reduction.pool,
    "MatMul": matrix.matmul,
    "MaxPool": reduction.pool,
    "Pad": selection.pad,
    "QuantizeLinear": stored.other_form,
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
    "Trilu": normal.triangle,
    "Unsqueeze": movement.unsqueeze,
    "Upsample": reduction.resize,
}


_FUSED: dict[str, Rule] = {
    "Attention": attention.joint,
    "BiasGelu": elementwise.elementwise,
    "BiasSplitGelu": stored.whole,
    "EmbedLayerNormalization": stored.whole,
    "FastGelu": elementwise.elementwise,
    "FusedConv": fused.fused_conv,
    "FusedMatMul": fused.fused_matmul,
    "Gelu": elementwise.elementwise,
    "MultiHeadAttention": attention.multi_head,
    "QuickGelu": elementwise.elementwise,
    "SkipLayerNormalization": fused.skip_norm,
    "SkipSimplifiedLayerNormalization": fused.skip_norm,
}


def rule_of(node: NodeProto) -> Rule | None:
    """Return the rule for a node, or None where its channels cannot be followed."""
    if is_standard(node):
        return _RULES.get(node.op_type)
    return _FUSED.get(node.op_type) if node.domain == "com.microsoft" else None
