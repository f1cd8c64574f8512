"""Which passes can find anything to do in a model, so that no process is started for nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from onnx import ModelProto, TensorProto

from ..normalize.sharing import MIN_BYTES, equal_ones
from ..onnx_model import iter_graphs, iter_nodes, read_names, tensor_bytes, to_array

# Pass → what must be there: an operator, or `A>B` where B reads what A gives, with `*` a B with a constant operand
# besides. `|` stands between alternatives.
_NEEDS: Mapping[str, str] = {
    "eliminate_identity": "Identity",
    "eliminate_if_with_const_cond": "If",
    "eliminate_nop_cast": "Cast",
    "eliminate_nop_dropout": "Dropout",
    "eliminate_nop_expand": "Expand",
    "eliminate_nop_flatten": "Flatten",
    "eliminate_nop_monotone_argmax": "ArgMax",
    "eliminate_nop_reshape": "Reshape",
    "eliminate_nop_transpose": "Transpose",
    "eliminate_consecutive_idempotent_ops": "Ceil>Ceil|Floor>Floor|Round>Round|Relu>Relu|Reshape>Reshape",
    "eliminate_shape_gather": "Shape>Gather",
    "eliminate_shape_op": "Shape",
    "eliminate_slice_after_shape": "Shape>Slice",
    "extract_constant_to_initializer": "Constant",
    "fuse_add_bias_into_conv": "Conv>Add*",
    "fuse_bn_into_conv": "Conv>BatchNormalization",
    "fuse_concat_into_reshape": "Concat>Reshape",
    "fuse_consecutive_concats": "Concat>Concat",
    "fuse_consecutive_log_softmax": "Softmax>Log",
    "fuse_consecutive_reduce_unsqueeze": "ReduceSum>Unsqueeze|ReduceMean>Unsqueeze|ReduceMax>Unsqueeze|"
    "ReduceMin>Unsqueeze|ReduceProd>Unsqueeze|ReduceL1>Unsqueeze|ReduceL2>Unsqueeze",
    "fuse_consecutive_slices": "Slice>Slice",
    "fuse_consecutive_squeezes": "Squeeze>Squeeze",
    "fuse_consecutive_transposes": "Transpose>Transpose",
    "fuse_consecutive_unsqueezes": "Unsqueeze>Unsqueeze",
    "fuse_matmul_add_bias_into_gemm": "MatMul>Add*",
    "fuse_pad_into_conv": "Pad>Conv",
    "fuse_pad_into_pool": "Pad>MaxPool|Pad>AveragePool",
    "fuse_qkv": "MatMul",
    "fuse_transpose_into_gemm": "Transpose>Gemm",
    "replace_einsum_with_matmul": "Einsum",
    "rewrite_where": "Not>Where",
    "FusionConcatReshape": "Concat>Reshape",
    "FusionConvAdd": "Conv>Add*",
    "FusionConvBN": "Conv>BatchNormalization",
    "FusionConvMul": "Conv>Mul*",
    "FusionConvTransposeAdd": "ConvTranspose>Add*",
    "FusionConvTransposeBN": "ConvTranspose>BatchNormalization",
    "FusionConvTransposeMul": "ConvTranspose>Mul*",
    "FusionGemm": "MatMul>Add*",
    "FusionGemmAdd": "Gemm>Add*",
    "FusionGemmMul": "Gemm>Mul*",
    "FusionPadConv": "Pad>Conv",
    "FusionReduce": "ReduceSum>Unsqueeze",
}


def relevant(name: str, model: ModelProto) -> bool:
    """Tell whether pass `name` may find something in `model`; a pass of which nothing is known may."""
    if name in _PREDICATES:
        return _PREDICATES[name](model)
    needs = _NEEDS.get(name)
    return needs is None or not _patterns(model).isdisjoint(needs.split("|"))


def _patterns(model: ModelProto) -> set[str]:
    """Return the operators and pairs that are there, in the notation of `_NEEDS`."""
    found: set[str] = set()
    for graph in iter_graphs(model):
        givers = {name: node.op_type for node in graph.node for name in node.output}
        constants = {each.name for each in graph.initializer}
        for node in graph.node:
            pairs = {f"{givers[name]}>{node.op_type}" for name in node.input if name in givers}
            found |= {node.op_type, *pairs}
            if not constants.isdisjoint(node.input):
                found |= {f"{pair}*" for pair in pairs}
    return found


def _single(op_type: str, field: str) -> Callable[[ModelProto], bool]:
    """Return a test for operators with a single input or output, which do nothing then."""
    return lambda model: any(node.op_type == op_type and len(getattr(node, field)) == 1 for node in iter_nodes(model))


def _has_dead_end(model: ModelProto) -> bool:
    """Tell whether a node gives nothing that is read, in a graph or in those inside it."""
    return any(
        read.isdisjoint(node.output)
        for graph in iter_graphs(model)
        for read in [read_names(graph)]
        for node in graph.node
    )


def _has_unused(model: ModelProto) -> bool:
    return any(
        tensor.name not in read
        for graph in iter_graphs(model)
        for read in [read_names(graph)]
        for tensor in graph.initializer
    )


def _has_duplicates(model: ModelProto) -> bool:
    """Tell whether two weights are equal; below a kilobyte a name costs as much as the values."""
    stored = [tensor for tensor in model.graph.initializer if tensor_bytes(tensor) >= MIN_BYTES]
    return any(True for _ in equal_ones(stored, lambda each: each))


def _has_idle_pad(model: ModelProto) -> bool:
    """Tell whether a Pad by constant amounts pads nothing."""
    for graph in iter_graphs(model):
        small = (each for each in graph.initializer if len(each.dims) == 1 and each.data_type == TensorProto.INT64)
        idle = {each.name for each in small if not to_array(each).any()}
        for node in graph.node:
            by_attribute = any(each.name == "pads" and not any(each.ints) for each in node.attribute)
            if node.op_type == "Pad" and (by_attribute or (len(node.input) > 1 and node.input[1] in idle)):
                return True
    return False


_PREDICATES: Mapping[str, Callable[[ModelProto], bool]] = {
    "eliminate_deadend": _has_dead_end,
    "eliminate_unused_initializer": _has_unused,
    "eliminate_duplicate_initializer": _has_duplicates,
    "eliminate_nop_concat": _single("Concat", "input"),
    "eliminate_nop_pad": _has_idle_pad,
    "eliminate_nop_split": _single("Split", "output"),
    "weight_tying": _has_duplicates,
}
