"""Small models for tests: each shows one trait that real models have and that tools must cope with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str | None]


def spec(name: str, shape: Shape | None, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """An input or output."""
    return helper.make_tensor_value_info(name, dtype, None if shape is None else list(shape))


def constant(name: str, value: np.ndarray) -> onnx.NodeProto:
    """A Constant node, the way older exporters store weights."""
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value, name))


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Mapping[str, np.ndarray],
    name: str = "graph",
) -> onnx.GraphProto:
    tensors = [numpy_helper.from_array(value, key) for key, value in weights.items()]
    return helper.make_graph(list(nodes), name, list(inputs), list(outputs), tensors)


def build(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Mapping[str, np.ndarray],
    opset: int = 17,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A checked model of one graph."""
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(each, 1) for each in domains)]
    ir = 8 if opset < 19 else 10
    built = helper.make_model(graph(nodes, inputs, outputs, weights), opset_imports=imports, ir_version=ir)
    onnx.checker.check_model(built)
    return built


def save(model: onnx.ModelProto, path: Path, external: bool = False) -> Path:
    """Write `model`, with its weights in `weights.bin` beside it when `external`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if external:
        onnx.save_model(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=64)
    else:
        path.write_bytes(model.SerializeToString())
    return path


def run(model: onnx.ModelProto | Path, feeds: Mapping[str, np.ndarray]) -> list[Any]:
    """Outputs of a stock session."""
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    return list(ort.InferenceSession(source, options, providers=["CPUExecutionProvider"]).run(None, dict(feeds)))


def decibels(expected: np.ndarray, answer: np.ndarray) -> float:
    """Signal-to-noise ratio of an answer; infinite where it is exact."""
    assert expected.shape == answer.shape
    noise = float(np.square(expected.astype(np.float64) - answer).sum())
    return 10 * float(np.log10(np.square(expected, dtype=np.float64).sum() / noise)) if noise else float("inf")


def _he(rng: np.random.Generator, *shape: int) -> np.ndarray:
    fan_in = int(np.prod(shape[1:]))
    return (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)


def _conv(index: int, source: str, channels: int, **attributes: Any) -> list[onnx.NodeProto]:
    inputs = [source, f"conv{index}.weight", f"conv{index}.bias"]
    return [
        helper.make_node("Conv", inputs, [f"c{index}"], f"conv{index}", pads=[1, 1, 1, 1], **attributes),
        helper.make_node("Relu", [f"c{index}"], [f"r{index}"], f"relu{index}"),
    ]


def digits_arrays() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits as (1797, 1, 8, 8) float32 in 0..1, and their classes."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return (np.asarray(images) / 16).astype(np.float32).reshape(-1, 1, 8, 8), np.asarray(labels).astype(np.int64)


def digits_cnn(fit_samples: int = 900) -> onnx.ModelProto:
    """A CNN of 26k parameters that reads digits: random filters, and a ridge readout fitted on the first samples."""
    rng = np.random.default_rng(0)
    weights: dict[str, np.ndarray] = {}
    for index, (wide, narrow) in enumerate([(16, 1), (32, 16), (64, 32)], 1):
        weights[f"conv{index}.weight"] = _he(rng, wide, narrow, 3, 3)
        weights[f"conv{index}.bias"] = np.zeros(wide, np.float32)
    nodes = [
        *_conv(1, "image", 16),
        *_conv(2, "r1", 32),
        helper.make_node("MaxPool", ["r2"], ["p2"], "pool2", kernel_shape=[2, 2], strides=[2, 2]),
        *_conv(3, "p2", 64),
        helper.make_node("MaxPool", ["r3"], ["p3"], "pool3", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p3"], ["features"], "flatten"),
    ]
    image = spec("image", ["N", 1, 8, 8])
    images, labels = digits_arrays()
    trunk = build(nodes, [image], [spec("features", ["N", 256])], weights)
    features = run(trunk, {"image": images[:fit_samples]})[0].astype(np.float64)
    one_hot = np.eye(10)[labels[:fit_samples]]
    mean = features.mean(0)
    centred = features - mean
    readout = np.linalg.solve(centred.T @ centred + np.eye(256), centred.T @ (one_hot - one_hot.mean(0)))
    weights["fc.weight"] = readout.T.astype(np.float32)
    weights["fc.bias"] = (one_hot.mean(0) - mean @ readout).astype(np.float32)
    nodes.append(helper.make_node("Gemm", ["features", "fc.weight", "fc.bias"], ["scores"], "fc", transB=1))
    return build(nodes, [image], [spec("scores", ["N", 10])], weights)


def constant_cnn(opset: int = 11) -> onnx.ModelProto:
    """A CNN whose weights are Constant nodes, with BatchNormalization, a depthwise Conv and unnamed nodes."""
    rng = np.random.default_rng(1)
    stored = {
        "w1": _he(rng, 8, 3, 3, 3),
        "scale": np.ones(8, np.float32) * 1.5,
        "shift": rng.standard_normal(8).astype(np.float32),
        "mean": np.zeros(8, np.float32),
        "var": np.ones(8, np.float32) * 0.9,
        "w2": _he(rng, 8, 1, 3, 3),
        "w3": _he(rng, 16, 8, 1, 1),
        "half": np.array(0.5, np.float32),
        "shape": np.array([1, 16], np.int64),
        "fc": _he(rng, 16, 4),
    }
    nodes = [
        *(constant(name, value) for name, value in stored.items()),
        helper.make_node("Conv", ["x", "w1"], ["a"], "stem", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", "scale", "shift", "mean", "var"], ["b"], ""),
        helper.make_node("Relu", ["b"], ["c"], ""),
        helper.make_node("Conv", ["c", "w2"], ["d"], "depthwise", pads=[1, 1, 1, 1], group=8),
        helper.make_node("Mul", ["d", "half"], ["e"], "mul"),
        helper.make_node("Conv", ["e", "w3"], ["f"], "pointwise"),
        helper.make_node("GlobalAveragePool", ["f"], ["g"], "pool"),
        helper.make_node("Reshape", ["g", "shape"], ["h"], "reshape"),
        helper.make_node("MatMul", ["h", "fc"], ["i"], "matmul"),
        helper.make_node("Softmax", ["i"], ["y"], "softmax", axis=1),
    ]
    return build(nodes, [spec("x", [1, 3, 16, 16])], [spec("y", [1, 4])], {}, opset)


def mlp(opset: int = 17, width: int = 64) -> onnx.ModelProto:
    """Three MatMuls with biases over a fixed batch of one."""
    rng = np.random.default_rng(2)
    weights = {
        "w1": _he(rng, 16, width), "b1": np.zeros(width, np.float32),
        "w2": _he(rng, width, width), "b2": np.zeros(width, np.float32),
        "w3": _he(rng, width, 4), "b3": np.zeros(4, np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["m1"], "dense1"),
        helper.make_node("Add", ["m1", "b1"], ["a1"], "bias1"),
        helper.make_node("Relu", ["a1"], ["r1"], "relu1"),
        helper.make_node("MatMul", ["r1", "w2"], ["m2"], "dense2"),
        helper.make_node("Add", ["m2", "b2"], ["a2"], "bias2"),
        helper.make_node("Relu", ["a2"], ["r2"], "relu2"),
        helper.make_node("Gemm", ["r2", "w3", "b3"], ["y"], "dense3"),
    ]
    return build(nodes, [spec("x", [1, 16])], [spec("y", [1, 4])], weights, opset)


def lstm(opset: int = 17, hidden: int = 32) -> onnx.ModelProto:
    """An LSTM whose weights reach it through Transpose, Slice and Concat; free sequence length."""
    rng = np.random.default_rng(3)
    weights = {
        "w_t": _he(rng, 1, 12, 4 * hidden),
        "r_long": _he(rng, 1, 4 * hidden + 8, hidden),
        "wb": rng.standard_normal((1, 4 * hidden)).astype(np.float32) * 0.1,
        "rb": np.zeros((1, 4 * hidden), np.float32),
        "starts": np.array([0], np.int64),
        "ends": np.array([4 * hidden], np.int64),
        "axes": np.array([1], np.int64),
        "axis": np.array([1], np.int64),
        "fc": _he(rng, hidden, 5),
    }
    nodes = [
        helper.make_node("Transpose", ["w_t"], ["w"], "turn", perm=[0, 2, 1]),
        helper.make_node("Slice", ["r_long", "starts", "ends", "axes"], ["r"], "cut"),
        helper.make_node("Concat", ["wb", "rb"], ["b"], "join", axis=1),
        helper.make_node("LSTM", ["x", "w", "r", "b"], ["seq", "h"], "lstm", hidden_size=hidden),
        helper.make_node("Squeeze", ["h", "axis0"], ["last"], "squeeze"),
        helper.make_node("MatMul", ["last", "fc"], ["y"], "head"),
    ]
    weights["axis0"] = weights.pop("axis") * 0
    inputs, outputs = [spec("x", ["steps", 1, 12])], [spec("y", [1, 5])]
    return build(nodes, inputs, outputs, weights, opset)


def branching(opset: int = 17) -> onnx.ModelProto:
    """An `If` whose branches hold the weights (initializer, Constant node) and use one node name twice."""
    rng = np.random.default_rng(4)
    then = graph(
        [helper.make_node("MatMul", ["x", "wt"], ["yt"], "dense")],
        [],
        [spec("yt", [1, 32])],
        {"wt": _he(rng, 48, 32)},
        "then",
    )
    other = graph(
        [
            constant("we", _he(rng, 48, 32)),
            constant("half", np.array(0.5, np.float32)),
            helper.make_node("MatMul", ["x", "we"], ["me"], "dense"),
            helper.make_node("Mul", ["me", "half"], ["ye"], ""),
        ],
        [],
        [spec("ye", [1, 32])],
        {},
        "else",
    )
    nodes = [
        helper.make_node("If", ["flag"], ["mid"], "choose", then_branch=then, else_branch=other),
        helper.make_node("MatMul", ["mid", "head"], ["y"], "head"),
    ]
    inputs = [spec("x", [1, 48]), spec("flag", [], TensorProto.BOOL)]
    return build(nodes, inputs, [spec("y", [1, 3])], {"head": _he(rng, 32, 3)}, opset)
