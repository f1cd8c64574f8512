"""Random networks of blocks that real ones are made of, for what must hold whatever the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from ... import models

Block = Callable[["Network"], None]


class Network:
    """A graph that grows at its end.

    Attributes:
        at: what was made last.
        width: its channels: on the second axis of an image, on the last of a sequence.
        side: height and width of an image; `length` of a sequence.
    """

    def __init__(self, seed: int, width: int, side: int = 8, free: bool = True) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.at, self.width, self.side, self.length = "x", width, side, 5
        self.batch: str | int = "n" if free else 2
        self.inputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def name(self, base: str) -> str:
        self._count += 1
        return f"{base}{self._count}"

    def weight(self, *shape: int, scale: float | None = None, about: float = 0.0) -> str:
        name = self.name("w")
        fan = max(1, int(np.prod(shape[1:])))
        spread = 1 / float(np.sqrt(fan)) if scale is None else scale
        self.weights[name] = (about + spread * self.rng.normal(size=shape)).astype(np.float32)
        return name

    def numbers(self, *values: int) -> str:
        name = self.name("i")
        self.weights[name] = np.array(values, np.int64)
        return name

    def scalar(self, value: float) -> str:
        name = self.name("s")
        self.weights[name] = np.array(value, np.float32)
        return name

    def index(self, value: int) -> str:
        name = self.name("i")
        self.weights[name] = np.array(value, np.int64)
        return name

    def add(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node; return the name of its first output, and of others with `_1`, `_2`."""
        name = self.name("t")
        names = [name, *(f"{name}_{at}" for at in range(1, outputs))]
        self.nodes.append(helper.make_node(op_type, list(inputs), names, f"{op_type}_{name}", **attributes))
        return name

    def extent(self, tensor: str, axis: int) -> str:
        """An extent as a vector of one, computed in the graph."""
        return self.add("Unsqueeze", self.add("Gather", self.add("Shape", tensor), self.index(axis)), self.numbers(0))

    def shape(self, *parts: str) -> str:
        return self.add("Concat", *parts, axis=0)

    def activation(self, tensor: str) -> str:
        kind = self.rng.choice(["Relu", "Sigmoid", "HardSwish", "Tanh", "Softplus", "Clip", "HardSigmoid"])
        if kind == "Clip":
            return self.add("Clip", tensor, self.scalar(-0.5), self.scalar(0.8))
        return self.add(str(kind), tensor)

    def conv(self, tensor: str, width: int, to: int, kernel: int = 3, groups: int = 1) -> str:
        biased = [self.weight(to, scale=0.3)] if self.rng.random() < 0.5 else []
        weight = self.weight(to, width // groups, kernel, kernel)
        pads = [kernel // 2] * 4
        return self.add("Conv", tensor, weight, *biased, pads=pads, **({"group": groups} if groups > 1 else {}))

    def norm(self, tensor: str, width: int) -> str:
        own = [self.weight(width, scale=0.2, about=1.0), self.weight(width), self.weight(width)]
        spread = self.weight(width, scale=0.1, about=1.0)
        return self.add("BatchNormalization", tensor, *own, spread)

    def linear(self, tensor: str, width: int, to: int, biased: bool = True) -> str:
        made = self.add("MatMul", tensor, self.weight(width, to, scale=1 / np.sqrt(width)))
        return self.add("Add", made, self.weight(to, scale=0.2)) if biased else made

    def build(self, shape: Sequence[int | str]) -> onnx.ModelProto:
        inputs = [models.spec("x", shape), *self.inputs]
        outputs = [models.spec(self.at, [self.batch, 4])]
        return models.build(self.nodes, inputs, outputs, self.weights, domains=["com.microsoft"])


# Images: (batch, channels, height, width).


def plain(net: Network) -> None:
    to = int(net.rng.choice([4, 6, 8]))
    made = net.conv(net.at, net.width, to, int(net.rng.choice([1, 3])))
    made = net.norm(made, to) if net.rng.random() < 0.5 else made
    net.at, net.width = net.activation(made), to


def residual(net: Network) -> None:
    inner = int(net.rng.choice([4, 6]))
    first = net.activation(net.norm(net.conv(net.at, net.width, inner), inner))
    second = net.conv(first, inner, net.width)
    net.at = net.activation(net.add("Add", second, net.at))


def dense(net: Network) -> None:
    made = net.activation(net.conv(net.at, net.width, 4))
    net.at, net.width = net.add("Concat", net.at, made, axis=1), net.width + 4


def squeeze_excite(net: Network) -> None:
    pooled = net.add("GlobalAveragePool", net.at)
    inner = net.activation(net.conv(pooled, net.width, 4, 1))
    net.at = net.add("Mul", net.at, net.add("HardSigmoid", net.conv(inner, 4, net.width, 1)))


def squeeze_excite_flat(net: Network) -> None:
    pooled = net.add("ReduceMean", net.at, axes=[2, 3], keepdims=0)
    gate = net.add("Sigmoid", net.linear(net.activation(net.linear(pooled, net.width, 4)), 4, net.width))
    target = net.shape(net.extent(net.at, 0), net.extent(net.at, 1), net.numbers(1, 1))
    net.at = net.add("Mul", net.add("Reshape", gate, target), net.at)


def depthwise(net: Network) -> None:
    net.at = net.activation(net.conv(net.at, net.width, net.width, 3, net.width))


def multiplied(net: Network) -> None:
    net.at, net.width = net.conv(net.at, net.width, 2 * net.width, 3, net.width), 2 * net.width


def grouped(net: Network) -> None:
    net.at = net.activation(net.conv(net.at, net.width, net.width, 3, 2))


def turned(net: Network) -> None:
    groups = int(net.rng.choice([1, 2]))
    weight = net.weight(net.width, 6 // groups, 3, 3)
    bias = net.weight(6)
    net.at = net.add("ConvTranspose", net.at, weight, bias, pads=[1] * 4, group=groups)
    net.width = 6


def shuffled(net: Network) -> None:
    target = net.numbers(-1, 2, net.width // 2, net.side, net.side)
    made = net.add("Transpose", net.add("Reshape", net.at, target), perm=[0, 2, 1, 3, 4])
    back = net.shape(net.extent(net.at, 0), net.numbers(net.width), net.extent(net.at, 2), net.extent(net.at, 3))
    net.at = net.add("Reshape", made, back)


def halves(net: Network) -> None:
    sizes = [net.width // 2, net.width - net.width // 2]
    first = net.add("Split", net.at, net.numbers(*sizes), outputs=2, axis=1)
    net.at = net.add("Concat", net.activation(f"{first}_1"), first, axis=1)


def gated(net: Network) -> None:
    made = net.conv(net.at, net.width, 8)
    first = net.add("Split", made, outputs=2, axis=1)
    net.at, net.width = net.add("Mul", first, net.add("Sigmoid", f"{first}_1")), 4


def sliced(net: Network) -> None:
    most = net.numbers(2**62) if net.rng.random() < 0.5 else net.numbers(net.width)
    net.at = net.add("Slice", net.at, net.numbers(1), most, net.numbers(1))
    net.width -= 1
    net.at, net.width = net.conv(net.at, net.width, 4), 4


def chosen(net: Network) -> None:
    order = net.rng.permutation(net.width)
    net.at = net.add("Gather", net.at, net.numbers(*map(int, order)), axis=1)


def one_chosen(net: Network) -> None:
    one = net.add("Gather", net.at, net.index(-1), axis=1)
    net.at = net.add("Add", net.at, net.add("Unsqueeze", one, net.numbers(1)))


def pooled(net: Network) -> None:
    kind = str(net.rng.choice(["MaxPool", "AveragePool"]))
    net.at = net.add(kind, net.at, kernel_shape=[3, 3], pads=[1] * 4)


def resized(net: Network) -> None:
    scales = net.name("s")
    net.weights[scales] = np.array([1, 1, 2, 2], np.float32)
    larger = net.add("Resize", net.at, "", scales, mode="nearest")
    if net.rng.random() < 0.5:
        small = net.shape(net.extent(net.at, 0), net.numbers(net.width, net.side, net.side))
        net.at = net.add("Resize", larger, "", "", small, mode="linear")
    else:
        net.at = net.add("AveragePool", larger, kernel_shape=[2, 2], strides=[2, 2])


def padded(net: Network) -> None:
    wide = net.add("Pad", net.at, net.numbers(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect")
    net.at = net.add("MaxPool", wide, kernel_shape=[3, 3])


def instance_normed(net: Network) -> None:
    net.at = net.add("InstanceNormalization", net.at, net.weight(net.width, about=1), net.weight(net.width))


def group_normed(net: Network) -> None:
    """As torch exports it: groups are channels of an InstanceNormalization."""
    flat = net.add("Reshape", net.at, net.numbers(0, 2, -1))
    ones, zeros = net.name("w"), net.name("w")
    net.weights |= {ones: np.ones(2, np.float32), zeros: np.zeros(2, np.float32)}
    made = net.add("InstanceNormalization", flat, ones, zeros)
    back = net.add("Reshape", made, net.add("Shape", net.at))
    scaled = net.add("Mul", back, net.weight(net.width, 1, 1, about=1))
    net.at = net.add("Add", scaled, net.weight(net.width, 1, 1))


def slopes(net: Network) -> None:
    net.at = net.add("PRelu", net.conv(net.at, net.width, net.width), net.weight(net.width, 1, 1))


def channels_last(net: Network) -> None:
    """The block of a ConvNeXt."""
    last = net.add("Transpose", net.conv(net.at, net.width, net.width, 3, net.width), perm=[0, 2, 3, 1])
    normed = net.add("LayerNormalization", last, net.weight(net.width, about=1), net.weight(net.width), axis=-1)
    inner = net.activation(net.linear(normed, net.width, 12))
    made = net.add("Mul", net.linear(inner, 12, net.width), net.weight(net.width))
    net.at = net.add("Add", net.at, net.add("Transpose", made, perm=[0, 3, 1, 2]))


def blocks_to_space(net: Network) -> None:
    mode = str(net.rng.choice(["DCR", "CRD"]))
    deep = net.conv(net.at, net.width, 16)
    wide = net.add("DepthToSpace", deep, blocksize=2, mode=mode)
    net.at = net.add("SpaceToDepth", wide, blocksize=2)
    net.width = 16


def along_width(net: Network) -> None:
    """A row of an image as a sequence through a recurrence, as readers of text do."""
    rows = net.add("ReduceMean", net.at, axes=[2], keepdims=0)
    steps = net.add("Transpose", rows, perm=[2, 0, 1])
    made = recurrent_over(net, steps, net.width)
    wide = net.add("Unsqueeze", net.add("Transpose", made, perm=[1, 2, 0]), net.numbers(2))
    net.at, net.width = net.add("Add", net.conv(net.at, net.width, 6, 1), net.conv(wide, 6, 6, 1)), 6


# Sequences: (batch, length, channels).


def neurons(net: Network) -> None:
    normed = net.add("LayerNormalization", net.at, net.weight(net.width, about=1), net.weight(net.width), axis=-1)
    inner = net.linear(normed, net.width, 12)
    scaled = net.add("Mul", inner, net.add("Sigmoid", inner))
    net.at = net.add("Add", net.at, net.linear(scaled, 12, net.width))


def attention(net: Network) -> None:
    heads, each = 3, 4
    mode = str(net.rng.choice(["apart", "split", "shaped", "unbound"]))
    if mode == "apart":
        parts = [_heads(net, net.linear(net.at, net.width, heads * each), heads, each) for _ in range(3)]
    elif mode == "split":
        joint = net.linear(net.at, net.width, 3 * heads * each)
        first = net.add("Split", joint, outputs=3, axis=2)
        parts = [_heads(net, name, heads, each) for name in (first, f"{first}_1", f"{first}_2")]
    else:
        joint = net.linear(net.at, net.width, 3 * heads * each)
        target = net.shape(net.extent(joint, 0), net.extent(joint, 1), net.numbers(3, heads, each))
        moved = net.add("Transpose", net.add("Reshape", joint, target), perm=[2, 0, 3, 1, 4])
        if mode == "shaped":
            parts = [net.add("Gather", moved, net.index(at), axis=0) for at in range(3)]
        else:
            first = net.add("Split", moved, outputs=3, axis=0)
            parts = [net.add("Squeeze", name, net.numbers(0)) for name in (first, f"{first}_1", f"{first}_2")]
    scores = net.add("MatMul", parts[0], net.add("Transpose", parts[1], perm=[0, 1, 3, 2]))
    last = net.add("Cast", net.add("Gather", net.add("Shape", parts[0]), net.index(-1)), to=1)
    weighed = net.add("Softmax", net.add("Div", scores, net.add("Sqrt", last)), axis=-1)
    together = net.add("Transpose", net.add("MatMul", weighed, parts[2]), perm=[0, 2, 1, 3])
    flat = net.shape(net.extent(together, 0), net.extent(together, 1), net.numbers(heads * each))
    made = net.linear(net.add("Reshape", together, flat), heads * each, net.width)
    net.at = net.add("Add", net.at, made)


def _heads(net: Network, tensor: str, heads: int, each: int) -> str:
    if net.rng.random() < 0.5:
        target = net.shape(net.extent(tensor, 0), net.extent(tensor, 1), net.numbers(heads, -1))
    else:
        target = net.numbers(0, 0, heads, each)
    return net.add("Transpose", net.add("Reshape", tensor, target), perm=[0, 2, 1, 3])


def fused_attention(net: Network) -> None:
    """Attention as onnxruntime's transformer tool writes it."""
    heads, each = 4, 3
    width = heads * each
    mode = str(net.rng.choice(["joint", "narrow", "apart"]))
    if mode == "apart":
        parts = [net.linear(net.at, net.width, width, biased=False) for _ in range(3)]
        bias = net.weight(3 * width, scale=0.2)
        made = net.add("MultiHeadAttention", *parts, bias, num_heads=heads, domain="com.microsoft")
        wide = width
    else:
        sizes = [width] * 3 if mode == "joint" else [width, width, 2 * heads]
        weight, bias = net.weight(net.width, sum(sizes), scale=0.3), net.weight(sum(sizes), scale=0.2)
        told: dict[str, Any] = {} if mode == "joint" else {"qkv_hidden_sizes": sizes}
        made = net.add("Attention", net.at, weight, bias, num_heads=heads, domain="com.microsoft", **told)
        wide = sizes[2]
    out = net.linear(made, wide, net.width, biased=False)
    own = [net.weight(net.width, about=1), net.weight(net.width), net.weight(net.width)]
    net.at = net.add("SkipLayerNormalization", out, net.at, *own, domain="com.microsoft")


def fused_neurons(net: Network) -> None:
    inner = net.linear(net.at, net.width, 12, biased=False)
    made = net.add("BiasGelu", inner, net.weight(12), domain="com.microsoft")
    net.at = net.add("Add", net.at, net.linear(net.add("FastGelu", made, domain="com.microsoft"), 12, net.width))


def lettered(net: Network) -> None:
    """Attention by Einsum, heads an axis of the weights."""
    query, key, value = (
        net.add("Einsum", net.at, net.weight(net.width, 3, 4, scale=0.3), equation="btc,chd->bhtd") for _ in range(3)
    )
    scores = net.add("Softmax", net.add("Einsum", query, key, equation="bhtd, bhsd -> bhts"), axis=-1)
    mixed = net.add("Einsum", scores, value, equation="bhts,bhsd->bthd")
    made = net.add("Einsum", mixed, net.weight(3, 4, net.width, scale=0.3), equation="bthd,hdc->btc")
    net.at = net.add("Add", net.at, made)


def fused_conv(net: Network) -> None:
    weight, bias = net.weight(6, net.width, 3, 3), net.weight(6)
    net.at = net.add("FusedConv", net.at, weight, bias, pads=[1] * 4, activation="Relu", domain="com.microsoft")
    net.width = 6


def recurrent(net: Network) -> None:
    steps = net.add("Transpose", net.at, perm=[1, 0, 2])
    made = net.add("Transpose", recurrent_over(net, steps, net.width), perm=[1, 0, 2])
    net.at = net.linear(made, 6, net.width)


def recurrent_over(net: Network, steps: str, width: int) -> str:
    """`(length, batch, width)` to `(length, batch, 6)`, both directions joined and read by a product."""
    units, kind = int(net.rng.choice([4, 6])), str(net.rng.choice(["LSTM", "GRU", "RNN"]))
    direction = str(net.rng.choice(["forward", "reverse", "bidirectional"]))
    ways, gates = 2 if direction == "bidirectional" else 1, {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    weights = [net.weight(ways, gates * units, width, scale=0.4), net.weight(ways, gates * units, units, scale=0.4)]
    biased = net.rng.random() < 0.7
    inputs = [steps, *weights, net.weight(ways, 2 * gates * units) if biased else "", ""]
    inputs += [_state(net, steps, ways, units) for _ in range(2 if kind == "LSTM" else 1)]
    if kind == "LSTM" and net.rng.random() < 0.3:
        inputs.append(net.weight(ways, 3 * units))
    extra = {"linear_before_reset": 1} if kind == "GRU" and net.rng.random() < 0.5 else {}
    names = {"activations": ["Tanh"] * ways} if kind == "RNN" else {}
    made = net.add(kind, *inputs, outputs=2, hidden_size=units, direction=direction, **extra, **names)
    if ways == 2:
        joined = net.add("Reshape", net.add("Transpose", made, perm=[0, 2, 1, 3]), net.numbers(0, 0, -1))
    else:
        joined = net.add("Squeeze", made, net.numbers(1))
    return net.linear(joined, ways * units, 6)


def _state(net: Network, steps: str, ways: int, units: int) -> str:
    mode = str(net.rng.choice(["none", "zeros", "spread"]))
    if mode == "none":
        return ""
    target = net.shape(net.numbers(ways), net.extent(steps, 1), net.numbers(units))
    if mode == "zeros":
        return net.add("ConstantOfShape", target)
    return net.add("Expand", net.weight(ways, 1, units), target)


def weighed(net: Network) -> None:
    """Steps weighed by a product with a vector, as readers of sequences do."""
    scores = net.add("MatMul", net.add("Tanh", net.linear(net.at, net.width, 6)), net.weight(6, scale=0.4))
    shares = net.add("Unsqueeze", net.add("Softmax", scores, axis=-1), net.numbers(2))
    net.at = net.add("Mul", net.at, shares)


def classed(net: Network) -> None:
    """A learned token before the others."""
    target = net.shape(net.extent(net.at, 0), net.numbers(1, net.width))
    token = net.add("Expand", net.weight(1, 1, net.width), target)
    net.at = net.add("Concat", token, net.at, axis=1)
    net.length += 1


IMAGE: tuple[Block, ...] = (
    plain, residual, dense, squeeze_excite, squeeze_excite_flat, depthwise, multiplied, grouped, turned, shuffled,
    halves, gated, sliced, chosen, one_chosen, pooled, resized, padded, instance_normed, group_normed, slopes,
    channels_last, blocks_to_space, along_width, fused_conv,
)  # fmt: skip
SEQUENCE: tuple[Block, ...] = (
    neurons, weighed, attention, recurrent, classed, fused_attention, fused_neurons, lettered,
)  # fmt: skip
EVEN = frozenset({grouped, turned, shuffled, group_normed})


def image_network(seed: int, blocks: Sequence[Block], head: int, free: bool = True) -> onnx.ModelProto:
    """A stem, the blocks and a head that flattens (0), pools (1) or reads patches as a sequence (2)."""
    net = Network(seed, 8, free=free)
    net.at = net.conv("x", 3, 8)
    for block in blocks:
        if block in EVEN and net.width % 2:
            continue
        block(net)
    if head == 0:
        flat = net.add("Flatten", net.at)
        side = net.side * net.side * net.width
        net.at = net.add("Gemm", flat, net.weight(4, side), net.weight(4), transB=1)
    elif head == 1:
        target = net.shape(net.extent(net.at, 0), net.numbers(-1))
        mean = net.add("Reshape", net.add("GlobalAveragePool", net.at), target)
        net.at = net.add("Gemm", mean, net.weight(net.width, 4), alpha=0.5)
    else:
        target = net.shape(net.extent(net.at, 0), net.extent(net.at, 1), net.numbers(-1))
        net.at = net.add("Transpose", net.add("Reshape", net.at, target), perm=[0, 2, 1])
        sequence_blocks(net, (attention,))
    return net.build([net.batch, 3, 8, 8])


def sequence_network(seed: int, blocks: Sequence[Block], free: bool = True) -> onnx.ModelProto:
    """An embedding of rows, the blocks, a mean over steps and a product."""
    net = Network(seed, 8, free=free)
    net.at = net.linear("x", 3, 8)
    sequence_blocks(net, blocks)
    return net.build([net.batch, "length" if free else 5, 3])


def sequence_blocks(net: Network, blocks: Sequence[Block]) -> None:
    for block in blocks:
        block(net)
    mean = net.add("ReduceMean", net.at, axes=[1], keepdims=0)
    net.at = net.add("Gemm", mean, net.weight(net.width, 4), net.weight(4))


def feeds(model: onnx.ModelProto, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Two samples."""
    rng = np.random.default_rng(seed)
    shape = [each.dim_value or 2 for each in model.graph.input[0].type.tensor_type.shape.dim]
    return [{"x": rng.normal(size=shape).astype(np.float32)} for _ in range(2)]
