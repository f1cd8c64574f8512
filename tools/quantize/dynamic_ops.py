"""The dynamic int8 form of each operator that onnxruntime has a kernel for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import NodeProto, TensorProto, helper

from .dynamic_gather import emit_gather
from .emission import Emission, Unfit
from .graphs import attribute, float_attribute, input_name, int_attribute
from .recurrent_weights import RecurrentWeight
from .rounding import FloatArray, channel_scales


def emit_matmul(node: NodeProto, emission: Emission) -> list[NodeProto]:
    """Return `MatMul` of an activation and a constant in int8."""
    return _matmul(node.input[0], node.input[1], emission.weight(node.input[1]), "matmul", node.output[0], emission)


def _matmul(x: str, origin: str, weight: FloatArray, key: str, output: str, emission: Emission) -> list[NodeProto]:
    if weight.ndim < 2:
        raise Unfit("its weight is a vector")
    # Above rank 2 the scale would have to broadcast over the batch axes of the product: one for all.
    scales = channel_scales(weight, (1,) if emission.per_channel and weight.ndim == 2 else ())
    flat = scales.reshape(-1) if scales.size > 1 else scales.reshape(())
    integers = emission.roundings.integers(origin, weight, scales, (weight.ndim - 1,))
    packed, scale = emission.constant(origin, key, ("int8", integers), ("scale", flat))
    nodes: list[NodeProto] = []
    values, x_scale, x_zero = emission.activation(x, nodes)
    product = emission.fresh("product")
    nodes.append(emission.node("MatMulInteger", [values, packed, x_zero], [product]))
    return [*nodes, *_rescale(product, x_scale, scale, output, emission)]


def _rescale(product: str, x_scale: str, scale: str, output: str, emission: Emission) -> list[NodeProto]:
    wide, factor = emission.fresh("wide"), emission.fresh("factor")
    cast = emission.node("Cast", [product], [wide])
    cast.attribute.append(helper.make_attribute("to", TensorProto.FLOAT))
    return [
        cast,
        emission.node("Mul", [x_scale, scale], [factor]),
        emission.node("Mul", [wide, factor], [output]),
    ]


def emit_gemm(node: NodeProto, emission: Emission) -> list[NodeProto]:
    """Return `Gemm` as an int8 product and the addition of its bias; `alpha` goes into the weight."""
    if int_attribute(node, "transA", 0):
        raise Unfit("its first operand is transposed")
    weight, alpha = emission.weight(node.input[1]), np.float32(float_attribute(node, "alpha", 1.0))
    transposed = int_attribute(node, "transB", 0)
    weight = np.ascontiguousarray(weight.T if transposed else weight) * alpha
    bias, extra = _gemm_bias(node, emission)
    output = emission.fresh("unbiased") if bias else node.output[0]
    key = f"gemm{transposed}{alpha}"
    nodes = _matmul(node.input[0], node.input[1], weight, key, output, emission)
    if bias:
        nodes += [*extra, emission.node("Add", [output, bias], [node.output[0]])]
    return nodes


def _gemm_bias(node: NodeProto, emission: Emission) -> tuple[str, list[NodeProto]]:
    name, beta = input_name(node, 2), float_attribute(node, "beta", 1.0)
    if not name or beta == 1.0:
        return name, []
    (factor,) = emission.weights.add(emission.graph, "", ("beta", beta), [("beta", np.asarray(beta, np.float32))])
    scaled = emission.fresh("bias")
    return scaled, [emission.node("Mul", [name, factor], [scaled])]


def emit_conv(node: NodeProto, emission: Emission) -> list[NodeProto]:
    """Return `Conv` in int8; its scales apply to the output, so they may differ per channel."""
    weight = emission.weight(node.input[1])
    scales = channel_scales(weight, (0,) if emission.per_channel else ())
    across = (1, -1, *(1 for _ in range(weight.ndim - 2)))
    integers = emission.roundings.integers(node.input[1], weight, scales, (0,))
    packed, scale = emission.constant(node.input[1], "conv", ("int8", integers), ("scale", scales.reshape(across)))
    nodes: list[NodeProto] = []
    values, x_scale, x_zero = emission.activation(node.input[0], nodes)
    product, bias = emission.fresh("product"), input_name(node, 2)
    integer = emission.node("ConvInteger", [values, packed, x_zero], [product])
    integer.attribute.extend(node.attribute)
    output = emission.fresh("unbiased") if bias else node.output[0]
    nodes += [integer, *_rescale(product, x_scale, scale, output, emission)]
    if bias:
        (shape,) = emission.weights.add(
            emission.graph, "", ("across", len(across)), [("across", np.array(across, np.int64))]
        )
        spread = emission.fresh("bias")
        nodes += [
            emission.node("Reshape", [bias, shape], [spread]),
            emission.node("Add", [output, spread], [node.output[0]]),
        ]
    return nodes


def emit_lstm(node: NodeProto, emission: Emission) -> list[NodeProto]:
    """Return `DynamicQuantizeLSTM`, its weights rounded to the nearest unless the emission has them."""
    if int_attribute(node, "layout", 0):
        raise Unfit("its batch comes first")
    if len(node.input) > 7 and node.input[7]:
        raise Unfit("it has peepholes")
    inputs = [input_name(node, index) for index in range(8)]
    extra: list[str] = []
    for index, key in ((1, "lstm.w"), (2, "lstm.r")):
        inputs[index], *quantization = _recurrent(inputs[index], key, emission)
        extra += quantization
    made = helper.make_node(
        "DynamicQuantizeLSTM", [*inputs, *extra], list(node.output), emission.fresh("lstm"), domain="com.microsoft"
    )
    made.attribute.extend(each for each in node.attribute if each.name != "layout")
    return [made]


def _recurrent(origin: str, key: str, emission: Emission) -> tuple[str, ...]:
    """Names of values, scales and zero points of a weight."""
    made = emission.rounded.get(origin)
    if made is None:
        weight = np.ascontiguousarray(emission.weight(origin).transpose(0, 2, 1))
        scales = channel_scales(weight, (0, 2) if emission.per_channel else (0,))
        flat = scales.reshape(weight.shape[0], -1) if emission.per_channel else scales.reshape(-1)
        made = RecurrentWeight(emission.roundings.integers(origin, weight, scales, (0, 2)), flat)
    zero = np.zeros(made.scales.shape, np.int8)
    return emission.constant(origin, key, ("int8", made.integers), ("scale", made.scales), ("zero", zero))


def emit_attention(node: NodeProto, emission: Emission) -> list[NodeProto]:
    """Return onnxruntime's fused `Attention` as `QAttention`."""
    if attribute(node, "qkv_hidden_sizes") is not None or any(node.input[5:]):
        raise Unfit("QAttention does not know its hidden sizes or biases")
    weight = emission.weight(node.input[1])
    scales = channel_scales(weight, (1,) if emission.per_channel else ())
    flat = scales.reshape(-1) if scales.size > 1 else scales.reshape(())
    packed, scale, zero = emission.constant(
        node.input[1],
        "attention",
        ("int8", emission.roundings.integers(node.input[1], weight, scales, (1,))),
        ("scale", flat),
        ("zero", np.zeros(flat.shape, np.int8)),
    )
    nodes: list[NodeProto] = []
    values, x_scale, x_zero = emission.activation(node.input[0], nodes)
    rest = [input_name(node, 3), x_zero, zero, input_name(node, 4)]
    inputs = [values, packed, input_name(node, 2), x_scale, scale, *rest]
    made = emission.node("QAttention", inputs, list(node.output), domain="com.microsoft")
    made.attribute.extend(node.attribute)
    return [*nodes, made]


EMITTERS: dict[tuple[str, str], Callable[[NodeProto, Emission], list[NodeProto]]] = {
    ("", "MatMul"): emit_matmul,
    ("", "Gemm"): emit_gemm,
    ("", "Conv"): emit_conv,
    ("", "LSTM"): emit_lstm,
    ("", "Gather"): emit_gather,
    ("com.microsoft", "Attention"): emit_attention,
}
