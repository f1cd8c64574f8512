"""A case or more for each operator that the trainable graph computes: inputs and attributes, against onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from shipfit.tools.session import open_bytes, plain_options

MICROSOFT = "com.microsoft"


@dataclass(frozen=True)
class Case:
    """`fixed`: which inputs are initializers; an input that is None is left out."""

    op: str
    inputs: Sequence[np.ndarray | None]
    attributes: dict[str, Any] = field(default_factory=dict)
    opset: int = 18
    outputs: int = 1
    domain: str = ""
    fixed: frozenset[int] = frozenset()

    def model(self) -> ModelProto:
        names = ["" if value is None else f"x{index}" for index, value in enumerate(self.inputs)]
        given = [(name, value) for name, value in zip(names, self.inputs, strict=True) if value is not None]
        outs = [f"y{index}" for index in range(self.outputs)]
        node = helper.make_node(self.op, names, outs, domain=self.domain, **self.attributes)
        held = {f"x{index}" for index in self.fixed}
        graph = helper.make_graph(
            [node],
            "one",
            [helper.make_tensor_value_info(n, _kind(v), v.shape) for n, v in given if n not in held],
            [helper.make_empty_tensor_value_info(name) for name in outs],
            [numpy_helper.from_array(value, name) for name, value in given if name in held],
        )
        imports = [helper.make_opsetid("", self.opset)]
        if self.domain:
            imports.append(helper.make_opsetid(self.domain, 1))
        return helper.make_model(graph, opset_imports=imports, ir_version=10)

    def feed(self) -> dict[str, np.ndarray]:
        return {
            f"x{index}": value
            for index, value in enumerate(self.inputs)
            if value is not None and index not in self.fixed
        }

    def expected(self) -> list[np.ndarray]:
        session: Any = open_bytes(self.model().SerializeToString(), plain_options())
        return session.run(None, self.feed())


def _kind(value: np.ndarray) -> int:
    return helper.np_dtype_to_tensor_dtype(value.dtype)


_rng = np.random.default_rng(5)


def f(*shape: int) -> np.ndarray:
    return _rng.normal(size=shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return _rng.uniform(0.2, 0.9, shape).astype(np.float32)


def i(*values: Any) -> np.ndarray:
    return np.asarray(values[0] if len(values) == 1 else values, np.int64)


def ints(*shape: int) -> np.ndarray:
    return _rng.integers(-9, 10, shape).astype(np.int64)


def bits(*shape: int) -> np.ndarray:
    return _rng.random(shape) < 0.5


def case(op: str, *inputs: Any, **options: Any) -> Case:
    """`opset`, `outputs`, `domain` and `fixed` are the case's, all other options are the node's attributes."""
    own = {name: options.pop(name) for name in ("opset", "outputs", "domain") if name in options}
    arrays = [None if value is None else np.asarray(value) for value in inputs]
    return Case(op, arrays, options, fixed=frozenset(options.pop("fixed", ())), **own)


def ms(op: str, *inputs: Any, **options: Any) -> Case:
    return case(op, *inputs, domain=MICROSOFT, **options)


_NAN = np.asarray([1.0, np.nan, np.inf, -np.inf], np.float32)

POINTWISE = [
    *(case(op, f(2, 3)) for op in ("Abs", "Asinh", "Atan", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "HardSwish")),
    *(case(op, f(2, 3)) for op in ("Mish", "Neg", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Sinh")),
    *(case(op, f(2, 3)) for op in ("Softsign", "Tan", "Tanh", "Identity", "Softplus", "Elu", "Celu", "Selu")),
    *(case(op, positive(2, 3)) for op in ("Acos", "Asin", "Atanh", "Log", "Sqrt")),
    case("Acosh", 1 + positive(3)),
    case("Round", np.asarray([0.5, 1.5, -0.5, 2.5], np.float32)),
    case("Abs", ints(4)),
    case("Neg", ints(4)),
    case("Not", bits(4)),
    case("IsNaN", _NAN),
    *(case("IsInf", _NAN, detect_positive=up, detect_negative=down) for up in (0, 1) for down in (0, 1)),
    case("Dropout", f(3), outputs=2),
    case("LeakyRelu", f(6), alpha=0.3),
    case("LeakyRelu", f(6)),
    case("ThresholdedRelu", f(8), alpha=0.4),
    case("Elu", f(8), alpha=0.7),
    case("Celu", f(8), alpha=0.7),
    case("Selu", f(8), alpha=1.2, gamma=0.9),
    case("HardSigmoid", 3 * f(9), alpha=0.3, beta=0.4),
    case("HardSigmoid", 3 * f(9)),
    case("Shrink", f(9), lambd=0.3, bias=0.1),
    case("Gelu", f(9), opset=20),
    case("Gelu", f(9), opset=20, approximate="tanh"),
    case("Swish", f(9), opset=24, alpha=1.3),
    ms("QuickGelu", f(9), alpha=1.5),
    case("Clip", f(9), min=-0.5, max=0.5, opset=6),
    case("Clip", f(9), opset=6),
    case("Clip", f(9), np.float32(-0.4), None),
    case("Clip", f(9), None, np.float32(0.4)),
    case("Clip", ints(9), i(-3), i(4)),
    case("Cast", f(5) * 3, to=TensorProto.INT32),
    case("Cast", ints(5), to=TensorProto.BOOL),
    case("Cast", bits(5), to=TensorProto.FLOAT),
    case("Cast", f(5), to=TensorProto.FLOAT16),
    case("CastLike", f(5), ints(1), opset=19),
]

ARITHMETIC = [
    *(case(op, f(2, 3), f(3)) for op in ("Add", "Sub", "Mul", "Div", "Equal", "Greater", "Less")),
    *(case(op, f(2, 1), f(3)) for op in ("GreaterOrEqual", "LessOrEqual")),
    *(case(op, bits(2, 3), bits(3)) for op in ("And", "Or", "Xor")),
    case("Div", ints(8), i([2, -2, 3, -3, 4, 5, 6, 7])),
    case("Equal", ints(4), ints(4)),
    case("Pow", f(2, 3), np.float32(2), opset=15),
    case("Pow", positive(2, 3), f(3)),
    case("Pow", f(4), i(3)),
    case("Pow", i(1, 2, 3), np.float32(2)),
    case("Mod", ints(6), i(4, -4, 3, -3, 5, 2)),
    case("Mod", f(6), f(6), fmod=1),
    case("PRelu", f(2, 3, 4), positive(3, 1)),
    case("Where", bits(2, 1), f(3), f(2, 3)),
    case("Where", bits(3), ints(3), ints(1)),
    *(case(op, f(2, 3), f(3), f(2, 1)) for op in ("Sum", "Mean", "Max", "Min")),
    case("Max", ints(4), ints(4)),
    case("Sum", f(3)),
]

_REDUCED = ("L1", "L2", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
REDUCTIONS = [
    *(case(f"Reduce{op}", f(2, 3, 4), i(1, -1)) for op in _REDUCED),
    *(case(f"Reduce{op}", f(2, 3, 4), axes=[1], keepdims=0, opset=12) for op in _REDUCED),
    *(case(f"Reduce{op}", f(2, 3)) for op in _REDUCED),
    *(case(f"ReduceLog{op}", positive(2, 3, 4), i([1]), keepdims=0) for op in ("Sum", "SumExp")),
    case("ReduceSum", f(2, 3), np.zeros(0, np.int64), noop_with_empty_axes=1),
    case("ReduceSum", ints(2, 3), i([0])),
    case("ReduceMean", f()),
    case("ReduceMax", ints(2, 3), i([0]), keepdims=0),
    case("ArgMax", f(2, 5), axis=1),
    case("ArgMax", i([1, 3, 3, 0]), axis=0, select_last_index=1, keepdims=0),
    case("ArgMin", i([[1, 0, 0], [2, 2, 5]]), axis=-1, keepdims=0),
    case("TopK", f(2, 6), i([3]), outputs=2),
    case("TopK", i([[3, 1, 3, 1, 2]]), i([4]), outputs=2, largest=0, axis=1),
    case("CumSum", f(2, 5), i(1)),
    case("CumSum", f(2, 5), i(-1), exclusive=1, reverse=1),
]

SHAPES = [
    case("Shape", f(2, 3, 4)),
    case("Shape", f(2, 3, 4), start=1, end=-1),
    case("Size", f(2, 3, 4)),
    case("Reshape", f(2, 3, 4), i(0, -1)),
    case("Reshape", f(0, 3), i(0, 3), allowzero=1),
    case("Flatten", f(2, 3, 4), axis=2),
    case("Flatten", f(2, 3, 4), axis=-2),
    case("Squeeze", f(1, 3, 1), axes=[0], opset=11),
    case("Squeeze", f(1, 3, 1), i([2])),
    case("Squeeze", f(1, 3, 1)),
    case("Unsqueeze", f(3), axes=[0, 2], opset=11),
    case("Unsqueeze", f(3, 2), i(-1, 1)),
    case("Transpose", f(2, 3, 4)),
    case("Transpose", f(2, 3, 4), perm=[1, 2, 0]),
    case("Concat", f(2, 3), f(2, 1), axis=-1),
    case("Split", f(2, 6), axis=1, outputs=3, num_outputs=3),
    case("Split", f(2, 7), axis=1, outputs=3, num_outputs=3),
    case("Split", f(2, 6), i(1, 5), axis=1, outputs=2),
    case("Split", f(6), split=[2, 4], outputs=2, opset=11),
    case("Expand", f(3, 1), i(2, 1, 4)),
    case("Tile", f(2, 3), i(2, 1)),
    case("DepthToSpace", f(1, 8, 2, 3), blocksize=2),
    case("DepthToSpace", f(1, 8, 2, 3), blocksize=2, mode="CRD"),
    case("SpaceToDepth", f(1, 2, 4, 6), blocksize=2),
    case("Trilu", f(3, 4)),
    case("Trilu", f(3, 4), i(-1), upper=0),
    case("ConstantOfShape", i(2, 3)),
    case("ConstantOfShape", i([2]), value=numpy_helper.from_array(np.asarray([7], np.int64))),
    case("Range", i(2), i(9), i(3)),
    case("Range", np.float32(1), np.float32(-1), np.float32(-0.5)),
    case("EyeLike", f(3, 4), k=1),
    case("OneHot", i(0, -1, 2), i(4), f(2)),
    case("OneHot", i([[0, 2]]), i([3]), f(2), axis=0),
]

INDICES = [
    case("Slice", f(5, 6), starts=[1, -3], ends=[4, 100], opset=9),
    case("Slice", f(5, 6), i(1, -3), i(4, 100)),
    case("Slice", f(5, 6), i(-1, 4), i(-(2**62), 0), i(0, 1), i(-1, -2)),
    case("Gather", f(4, 3), i([[0, -1], [2, 2]])),
    case("Gather", f(4, 3), i(1), axis=1),
    case("GatherElements", f(3, 4), i([[0, -1], [2, 1]]), axis=1),
    case("GatherND", f(2, 3, 4), i([[0, 1], [-1, 2]])),
    case("GatherND", f(2, 3, 4), i([[1], [0]]), batch_dims=1),
    case("NonZero", bits(3, 4)),
    case("Compress", f(3, 4), np.asarray([True, False, True]), axis=1),
    case("Compress", f(3, 4), np.asarray([False, True, True])),
    case("ReverseSequence", f(4, 3, 2), i(1, 4, 2)),
    case("ReverseSequence", f(3, 4, 2), i(1, 4, 2), time_axis=1, batch_axis=0),
    case("Pad", f(2, 3), pads=[0, 1, 1, 2], value=0.5, opset=10),
    case("Pad", f(2, 3), i(0, 1, 1, -1), np.float32(2)),
    case("Pad", f(2, 5), i(2, 1), None, i([1]), mode="reflect"),
    case("Pad", f(2, 5), i(0, 2, 1, 1), mode="edge"),
    case("Pad", f(2, 5), i(1, 2, 0, 1), mode="wrap", opset=19),
    case("Scatter", f(3, 3), i([[0, 1, 2]]), f(1, 3), opset=10),
    case("ScatterElements", f(3, 3), i([[0, -1, 2]]), f(1, 3), axis=0),
    *(
        case("ScatterElements", f(3, 3), i([[0, 0]]), f(1, 2), axis=1, reduction=way)
        for way in ("add", "mul", "max", "min")
    ),
    case("ScatterND", f(4, 3), i([[0], [-1]]), f(2, 3)),
    *(case("ScatterND", f(4, 3), i([[1, 1], [1, 1]]), f(2), reduction=way) for way in ("add", "mul", "max", "min")),
]

LINEAR = [
    case("MatMul", f(2, 3, 4), f(4, 5)),
    case("MatMul", f(4), f(2, 4, 3)),
    case("Gemm", f(3, 2), f(4, 3), f(4), transA=1, transB=1, alpha=0.5, beta=2.0),
    case("Gemm", f(2, 3), f(3, 4)),
    case("Einsum", f(2, 3, 4), f(2, 4, 5), equation="bij, bjk -> bik"),
    case("Conv", f(1, 2, 7), f(3, 2, 3), f(3)),
    case("Conv", f(1, 4, 7, 6), f(4, 2, 3, 3), group=2, pads=[1, 0, 2, 1], strides=[2, 1]),
    *(case("Conv", f(1, 2, 7, 6), f(3, 2, 3, 2), auto_pad=way, strides=[2, 2]) for way in ("SAME_UPPER", "SAME_LOWER")),
    case("Conv", f(1, 1, 5, 5, 5), f(1, 1, 2, 2, 2), dilations=[1, 2, 1], auto_pad="VALID"),
    case("ConvTranspose", f(1, 4, 4, 5), f(4, 3, 3, 2), f(6), group=2, strides=[2, 3], pads=[1, 0, 0, 1]),
    case("ConvTranspose", f(1, 2, 4), f(2, 3, 3), strides=[3], output_padding=[2]),
    case("ConvTranspose", f(1, 2, 4), f(2, 3, 3), strides=[2], output_shape=[9]),
    *(case("ConvTranspose", f(1, 2, 4), f(2, 3, 4), strides=[2], auto_pad=w) for w in ("SAME_UPPER", "SAME_LOWER")),
]

POOLS = [
    case("MaxPool", f(1, 2, 7), kernel_shape=[3], strides=[2]),
    case("MaxPool", f(1, 2, 7, 6), kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], ceil_mode=1),
    case("MaxPool", f(1, 2, 7, 6), kernel_shape=[2, 2], dilations=[2, 1]),
    case("MaxPool", f(1, 2, 7, 6), kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    case("AveragePool", f(1, 2, 7, 6), kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], ceil_mode=1),
    case("AveragePool", f(1, 2, 7), kernel_shape=[3], pads=[1, 2], count_include_pad=1),
    case(
        "AveragePool",
        f(1, 2, 8),
        kernel_shape=[3],
        strides=[2],
        pads=[1, 0],
        count_include_pad=1,
        ceil_mode=1,
        opset=19,
    ),
    case("AveragePool", f(1, 2, 7, 6), kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    case("AveragePool", f(1, 2, 9), kernel_shape=[3], dilations=[2], opset=19),
    case("LpPool", f(1, 2, 7, 6), kernel_shape=[3, 2], strides=[2, 1], p=3),
    *(case(op, f(2, 3, 4, 5)) for op in ("GlobalAveragePool", "GlobalMaxPool")),
    case("GlobalLpPool", f(2, 3, 4, 5), p=1),
]

NORMALIZATIONS = [
    case("BatchNormalization", f(2, 3, 4), f(3), f(3), f(3), positive(3), epsilon=1e-3),
    case("BatchNormalization", f(2, 3), f(3), f(3), f(3), positive(3), opset=9),
    case("InstanceNormalization", f(2, 3, 4, 5), f(3), f(3)),
    case("LayerNormalization", f(2, 3, 4), f(4), f(4)),
    case("LayerNormalization", f(2, 3, 4), f(3, 4), None, axis=1, outputs=3),
    case("RMSNormalization", f(2, 3, 4), f(4), opset=23),
    case("SimplifiedLayerNormalization", f(2, 3, 4), f(4), epsilon=1e-4),
    case("GroupNormalization", f(2, 4, 3), f(2), f(2), num_groups=2, opset=18),
    case("GroupNormalization", f(2, 4, 3), f(4), f(4), num_groups=2, opset=21),
    case("MeanVarianceNormalization", f(2, 3, 4, 5)),
    case("LRN", f(1, 6, 3, 3), size=3, alpha=0.3, bias=2.0),
    case("LpNormalization", f(2, 3, 4), axis=1, p=1),
    *(case(op, f(2, 3, 4), opset=11) for op in ("Softmax", "LogSoftmax", "Hardmax")),
    *(case(op, f(2, 3, 4), opset=13) for op in ("Softmax", "LogSoftmax", "Hardmax")),
    case("Softmax", f(2, 3, 4), opset=11, axis=2),
    case("Softmax", f(2, 3, 4), opset=13, axis=1),
]

_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_WAYS = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")
_TWICE = np.asarray([1, 1, 2, 2.5], np.float32)
_CROP = np.asarray([0, 0, 0.2, -0.1, 1, 1, 0.9, 1.2], np.float32)
RESIZES = [
    *(
        case(
            "Resize",
            f(1, 2, 4, 5),
            None,
            _TWICE,
            mode="nearest",
            nearest_mode=n,
            coordinate_transformation_mode=w,
            opset=19,
        )
        for n in _NEAREST
        for w in ("half_pixel", "asymmetric", "align_corners")
    ),
    *(
        case("Resize", f(1, 2, 4, 5), None, None, i(1, 2, 7, 3), mode=m, coordinate_transformation_mode=w, opset=19)
        for m in ("linear", "cubic")
        for w in _WAYS
    ),
    case("Resize", f(1, 1, 4, 4), None, _TWICE, mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1),
    case(
        "Resize", f(1, 1, 4, 5), None, None, i(7, 9), axes=[2, 3], keep_aspect_ratio_policy="not_larger", mode="linear"
    ),
    case(
        "Resize",
        f(1, 2, 4, 5),
        _CROP,
        None,
        i(1, 2, 5, 7),
        mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=3.0,
    ),
    case("Resize", f(1, 2, 4, 5), _TWICE, opset=10),
    case("Resize", f(1, 2, 4, 5), _TWICE, opset=10, mode="linear"),
    case("Upsample", f(1, 2, 4, 5), _TWICE, opset=9),
    case("Upsample", f(1, 2, 4, 5), _TWICE, opset=9, mode="linear"),
    case("Upsample", f(1, 2, 4, 5), scales=[1.0, 1.0, 2.0, 2.0], opset=7),
]


def recurrent(op: str, directions: int, *, bias: bool = True, state: bool = False, **options: Any) -> Case:
    gates, time, batch, wide, hidden = {"LSTM": 4, "GRU": 3, "RNN": 1}[op], 5, 3, 4, 6
    lengths = np.asarray([5, 2, 4], np.int32) if options.pop("lengths", False) else None
    peephole = [0.5 * f(directions, 3 * hidden)] if options.pop("peephole", False) else []
    start = [f(directions, batch, hidden) if state else None for _ in range(2 if op == "LSTM" else 1)]
    inputs = [
        f(time, batch, wide),
        0.5 * f(directions, gates * hidden, wide),
        0.5 * f(directions, gates * hidden, hidden),
        f(directions, 2 * gates * hidden) if bias else None,
        lengths,
        *start,
        *peephole,
    ]
    return case(op, *inputs, hidden_size=hidden, outputs=3 if op == "LSTM" else 2, **options)


RECURRENT = [
    *(recurrent(op, 1) for op in ("LSTM", "GRU", "RNN")),
    *(recurrent(op, 2, state=True, direction="bidirectional") for op in ("LSTM", "GRU", "RNN")),
    *(recurrent(op, 1, direction="reverse", bias=False) for op in ("LSTM", "GRU", "RNN")),
    *(recurrent(op, 2, state=True, lengths=True, direction="bidirectional") for op in ("LSTM", "GRU", "RNN")),
    *(recurrent(op, 1, clip=limit) for limit in (0.1, 0.4, 1.0) for op in ("LSTM", "GRU", "RNN")),
    recurrent("GRU", 2, linear_before_reset=1, state=True, direction="bidirectional"),
    recurrent("LSTM", 1, peephole=True, state=True),
    recurrent("LSTM", 1, input_forget=1),
    recurrent("LSTM", 1, activations=["Sigmoid", "Relu", "Softsign"]),
    recurrent("GRU", 2, activations=["Sigmoid", "Tanh", "Sigmoid", "Relu"], direction="bidirectional"),
]


def codes(*shape: int, kind: Any = np.uint8, most: int = 256) -> np.ndarray:
    return _rng.integers(0, most, shape).astype(kind)


STORAGE = [
    case("DequantizeLinear", codes(3, 4), np.float32(0.1), np.uint8(7)),
    case("DequantizeLinear", codes(3, 4), positive(4), codes(4), axis=-1),
    case("DequantizeLinear", codes(3, 4, kind=np.int8, most=100), positive(3), axis=0),
    case("DequantizeLinear", codes(4, 6), positive(4, 2), codes(4, 2), axis=1, block_size=3, opset=21),
    ms("DequantizeLinear", codes(3, 4), np.float32(0.1), np.uint8(7)),
    ms("MatMulNBits", f(3, 40), codes(5, 2, 16), positive(10), K=40, N=5, bits=4, block_size=32, fixed=(1, 2)),
    ms(
        "MatMulNBits",
        f(3, 64),
        codes(5, 2, 16),
        positive(10),
        codes(5),
        K=64,
        N=5,
        bits=4,
        block_size=32,
        fixed=(1, 2, 3),
    ),
]

_QKV = (f(2, 5, 8), f(2, 7, 8), f(2, 7, 8))
FUSED = [
    ms("Gelu", f(9)),
    ms("BiasGelu", f(2, 9), f(9)),
    ms("FastGelu", f(2, 9), f(9)),
    ms("SkipLayerNormalization", f(2, 3, 8), f(2, 3, 8), f(8), f(8), f(8)),
    ms("SkipSimplifiedLayerNormalization", f(2, 3, 8), f(2, 3, 8), f(8), f(8)),
    ms("FusedMatMul", f(2, 4, 3), f(2, 5, 4), transA=1, transB=1, alpha=0.5),
    *(
        ms(
            "FusedConv",
            f(1, 2, 5, 5),
            f(3, 2, 3, 3),
            f(3),
            kernel_shape=[3, 3],
            activation=name,
            activation_params=numbers,
        )
        for name, numbers in (("Relu", [0.0]), ("Clip", [-0.5, 0.5]), ("LeakyRelu", [0.2]), ("HardSigmoid", [0.2, 0.4]))
    ),
    ms("FusedGemm", f(2, 3), f(3, 4), f(4), activation="LeakyRelu", activation_alpha=0.3),
    ms("MultiHeadAttention", *_QKV, num_heads=2),
    ms("MultiHeadAttention", *_QKV, f(24), None, f(1, 2, 5, 7), num_heads=2, scale=0.3),
    ms("MultiHeadAttention", *_QKV, None, np.asarray([[1] * 7, [1] * 3 + [0] * 4], np.int32), num_heads=2),
    ms("MultiHeadAttention", f(2, 5, 8), f(2, 5, 8), f(2, 5, 8), num_heads=2, unidirectional=1),
    ms("Attention", f(2, 5, 8), f(8, 24), f(24), num_heads=2),
    ms("Attention", f(2, 5, 8), f(8, 24), f(24), np.asarray([[1] * 5, [1] * 3 + [0] * 2], np.int32), num_heads=2),
    ms("Attention", f(2, 5, 8), f(8, 24), f(24), num_heads=2, unidirectional=1),
    ms("Attention", f(2, 5, 8), f(8, 20), f(20), None, None, f(1, 2, 5, 5), num_heads=2, qkv_hidden_sizes=[8, 8, 4]),
]

CASES: list[Case] = [
    *POINTWISE,
    *ARITHMETIC,
    *REDUCTIONS,
    *SHAPES,
    *INDICES,
    *LINEAR,
    *POOLS,
    *NORMALIZATIONS,
    *RESIZES,
    *RECURRENT,
    *STORAGE,
    *FUSED,
]
