"""The graph passes that can be named, by the library that carries each and the family it belongs to.

The names are the libraries' own: onnxoptimizer's (`eliminate_deadend`), onnxslim's (`FusionGemm`) and onnxruntime's
(`LayerNormFusionL1`); `fuse_hard_swish` and the like are ours (`tools.rewrite`). onnxruntime's run first,
because its layer fusions look for what exporters write; the others mend what it leaves.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import AfterValidator

from .base import Contract

PassFamily = Literal["elimination", "fusion", "constant_folding", "layer_optimization"]
Carrier = Literal["onnxruntime", "onnxoptimizer", "onnxslim", "shipfit"]

FAMILIES: tuple[PassFamily, ...] = get_args(PassFamily)
DEFAULT = "default"


class GraphPass(NamedTuple):
    """Who carries a pass, its family, and whether it runs where no names are given."""

    carrier: Carrier
    family: PassFamily
    default: bool = True


_STANDARD: tuple[tuple[Carrier, PassFamily, str], ...] = (
    (
        "onnxoptimizer",
        "elimination",
        "eliminate_identity eliminate_nop_concat eliminate_nop_dropout eliminate_nop_monotone_argmax "
        "eliminate_nop_pad eliminate_nop_split eliminate_consecutive_idempotent_ops eliminate_duplicate_initializer",
    ),
    (
        "onnxoptimizer",
        "fusion",
        "fuse_add_bias_into_conv fuse_bn_into_conv fuse_matmul_add_bias_into_gemm fuse_pad_into_conv "
        "fuse_pad_into_pool fuse_transpose_into_gemm fuse_consecutive_concats fuse_consecutive_log_softmax "
        "fuse_consecutive_reduce_unsqueeze fuse_consecutive_slices fuse_consecutive_squeezes "
        "fuse_consecutive_transposes fuse_consecutive_unsqueezes",
    ),
    ("onnxoptimizer", "elimination", "eliminate_deadend eliminate_unused_initializer"),
    (
        "onnxslim",
        "fusion",
        "FusionPadConv FusionConvTransposeAdd FusionConvTransposeBN FusionConvTransposeMul FusionReduce",
    ),
    (
        "onnxruntime",
        "elimination",
        "CastChainElimination CastElimination CommonSubexpressionElimination DoubleQDQPairsRemover EliminateDropout "
        "EliminateIdentity EliminateSlice ExpandElimination NoopElimination PreShapeNodeElimination "
        "TransposeOptimizer UnsqueezeElimination",
    ),
    ("onnxruntime", "constant_folding", "ConstantFolding ConstantSharing"),
    (
        "onnxruntime",
        "fusion",
        "ConvAddFusion ConvBNFusion ConvMulFusion DivMulFusion FuseReluClip GeluFusionL1 GemmSumFusion "
        "GemmTransposeFusion LabelEncoderFusion LayerNormFusionL1 MatMulAddFusion MatMul_BatchNormalization_Fusion "
        "NotWhereFusion Pad_Fusion ReshapeFusion SliceConcatToSpaceToDepthFusion",
    ),
    (
        "onnxruntime",
        "layer_optimization",
        "AttentionFusion BiasDropoutFusion BiasGeluFusion BiasSoftmaxFusion EmbedLayerNormFusion FastGeluFusion "
        "GatherSliceToSplitFusion GatherToSliceFusion GeluFusionL2 GroupQueryAttentionFusion "
        "GroupQueryAttentionPreNormFusion LayerNormFusionL2 MatMulNBitsFusion QuickGeluFusion SwiGluFusion",
    ),
    (
        "shipfit",
        "fusion",
        "fold_known_shapes drop_zero_states take_last_state gather_one_hot fold_row_tables fuse_sigmoid fuse_gelu "
        "fuse_fast_gelu fuse_layer_norm spell_rms_norm fuse_softmax fuse_attention fuse_attention_weights "
        "fuse_hard_swish fuse_hard_sigmoid fuse_rectifiers cancel_transposes drop_expand pool_mean round_down_resize "
        "fold_affine_after fold_affine_before fold_affine_past merge_layers factor_gate slice_before_conv crop_kernels "
        "planar_conv affine_as_conv align_channels pad_channels share_work sum_before_norm state_shapes",
    ),
)

# The result of each is checked, so they are open to those who name them, but not run unasked: they do again what
# another pass above does (the `nop` ones, onnxslim's doubles, `eliminate_common_subexpression`), merge products that
# quantization takes one by one (`fuse_qkv`), belong to normalization (`extract_constant_to_initializer`), or rely on
# shapes that exporters often write wrong (`eliminate_shape_*`, `eliminate_slice_after_shape`, the chains of Reshape),
# or are slower on the CPU than what they replace (`SkipLayerNormFusion`, see `tools.rewrite.sum_before_norm`).
_ON_REQUEST: tuple[tuple[Carrier, PassFamily, str], ...] = (
    ("onnxruntime", "layer_optimization", "BiasSkipLayerNormFusion SkipLayerNormFusion"),
    (
        "onnxoptimizer",
        "elimination",
        "eliminate_common_subexpression eliminate_if_with_const_cond eliminate_nop_cast eliminate_nop_expand "
        "eliminate_nop_flatten eliminate_nop_reshape eliminate_nop_transpose eliminate_nop_with_unit "
        "eliminate_shape_gather eliminate_shape_op eliminate_slice_after_shape",
    ),
    ("onnxoptimizer", "constant_folding", "extract_constant_to_initializer"),
    ("onnxoptimizer", "fusion", "fuse_concat_into_reshape fuse_qkv replace_einsum_with_matmul rewrite_where"),
    (
        "onnxslim",
        "elimination",
        "EliminationConcat EliminationReshape EliminationReshapeAs EliminationSlice EliminationTranspose "
        "EliminationTransposeAsReshape EliminationTransposeViewTranspose EliminationUnsqueeze dead_node_elimination "
        "subexpression_elimination",
    ),
    ("onnxslim", "constant_folding", "weight_tying"),
    (
        "onnxslim",
        "fusion",
        "FusionConcatReshape FusionConvAdd FusionConvBN FusionConvMul FusionGemm FusionGemmAdd FusionGemmMul",
    ),
)


def _catalogue() -> dict[str, GraphPass]:
    found: dict[str, GraphPass] = {}
    for carriers in get_args(Carrier):
        for table, default in ((_STANDARD, True), (_ON_REQUEST, False)):
            for carrier, family, names in table:
                if carrier == carriers:
                    found |= dict.fromkeys(names.split(), GraphPass(carrier, family, default))
    return found


GRAPH_PASSES: dict[str, GraphPass] = _catalogue()


def known_pass(name: str) -> str:
    """Return `name`.

    Raises:
        ValueError: there is no such pass; the message lists near ones.
    """
    if name == DEFAULT or name in GRAPH_PASSES:
        return name
    near = difflib.get_close_matches(name, GRAPH_PASSES, n=3, cutoff=0.5)
    hint = f"near ones are {', '.join(near)}" if near else "docs/configuration.md lists them"
    raise ValueError(f"there is no graph pass {name[:80]!r}; {hint}")


PassName = Annotated[str, AfterValidator(known_pass)]


class GraphSwitches(Contract):
    """Which graph passes may run.

    Attributes:
        elimination: drop what has no effect: dead ends, unused initializers, operators that do nothing.
        fusion: several operators become fewer standard ones; those of attention, and of Gelu's approximation, one of
            `com.microsoft`.
        constant_folding: what does not depend on the inputs is computed once, and equal values are kept once.
        layer_optimization: whole layers become `com.microsoft` operators.
        passes: exactly the passes that may run, by name, of the families that are on; `default` stands for all those
            that run where no names are given, so that `[default, fuse_qkv]` adds one.
    """

    elimination: bool = True
    fusion: bool = True
    constant_folding: bool = True
    layer_optimization: bool = True
    passes: tuple[PassName, ...] | None = None

    @property
    def decided(self) -> bool:
        """Whether all passes are named one by one, so that nothing is left to timing."""
        return self.passes is not None and DEFAULT not in self.passes

    @property
    def chosen(self) -> tuple[str, ...]:
        """The passes that run, in order."""
        named = (DEFAULT,) if self.passes is None else self.passes
        return tuple(
            name
            for name, each in GRAPH_PASSES.items()
            if getattr(self, each.family) and (name in named or (each.default and DEFAULT in named))
        )
