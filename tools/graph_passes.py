"""Names of onnxruntime's graph passes, by what they do. They are what its session calls `disabled_optimizers`.

Fusions of whole layers into `com.microsoft` operators need no list: only level `extended` runs them.
"""

from __future__ import annotations

# Several operators become fewer standard ones.
FUSION_PASSES = frozenset(
    {
        "ConvAddFusion",
        "ConvBNFusion",
        "ConvMulFusion",
        "DivMulFusion",
        "FuseReluClip",
        "GeluFusionL1",
        "GemmSumFusion",
        "GemmTransposeFusion",
        "LabelEncoderFusion",
        "LayerNormFusionL1",
        "MatMulAddFusion",
        "MatMul_BatchNormalization_Fusion",
        "NotWhereFusion",
        "Pad_Fusion",
        "ReshapeFusion",
        "SliceConcatToSpaceToDepthFusion",
    }
)

# Values that do not depend on the inputs are computed once, equal ones kept once.
CONSTANT_PASSES = frozenset({"ConstantFolding", "ConstantSharing"})

# Every stock session does these at load at no cost to speed. In a file they would hide convolutions and matrix
# products from quantization, unfold weights that are stored small, fix 8-bit types for one processor, or freeze
# quantization nodes in a form that other runtimes do not know.
LEFT_TO_THE_RUNTIME = frozenset(
    {
        "Avx2WeightS8ToU8Transformer",
        "ConvActivationFusion",
        "ConvAddActivationFusion",
        "DQMatMulNBitsFusion",
        "DynamicQuantizeMatMulFusion",
        "FuseFp16InitializerToFp32NodeTransformer",
        "GemmActivationFusion",
        "MatMulActivationFusion",
        "MatMulIntegerToFloatFusion",
        "MatMulScaleFusion",
        "MatmulTransposeFusion",
        "QDQFinalCleanupTransformer",
        "QDQPropagationTransformer",
        "QDQS8ToU8Transformer",
        "QDQSelectorActionTransformer",
        "SimplifiedLayerNormFusion",  # its operator is written as a standard one and is none
        "WeightBiasQuantization",
    }
)
