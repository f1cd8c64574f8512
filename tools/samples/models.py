"""Models with random features and a linear readout that is fitted in closed form: small, quick, and of real use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ..demo import INPUT, OUTPUT
from ..quantize.static import calibrate, write_static
from ..quantize.static_plan import StaticChoice
from ..session import open_session

ROWS = "rows"
_CLASSES = 10
_CALIBRATION = 64
# Output and input channels of each 3×3 convolution, and whether its map is halved.
_LAYERS = ((16, 1, False), (32, 16, True), (64, 32, True))
_HIDDEN = 128

Weights = dict[str, np.ndarray]


def digits_cnn(target: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write a CNN of 26,000 parameters that reads 8×8 digits: random filters, fitted readout, free batch axis."""
    _save(_cnn(target, images, labels), target)


def digits_quantized(target: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write the same CNN with static int8 everywhere, as somebody before us would have left it."""
    model = _cnn(target, images, labels)
    choice = StaticChoice({"Conv", "Gemm"})
    feeds = [{INPUT: image[np.newaxis]} for image in images[:_CALIBRATION]]
    write_static(model, choice, calibrate(model, choice, feeds))
    _save(model, target)


def digits_lstm(target: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write an LSTM that reads a digit row by row, input `rows` (8, 1, 8): random recurrence, fitted readout."""
    rng = np.random.default_rng(0)
    weights = {
        "lstm.w": rng.standard_normal((1, 4 * _HIDDEN, 8)).astype(np.float32),
        "lstm.r": (rng.standard_normal((1, 4 * _HIDDEN, _HIDDEN)) / np.sqrt(_HIDDEN)).astype(np.float32),
        "axes": np.array([0], np.int64),
    }
    nodes = [
        helper.make_node("LSTM", [ROWS, "lstm.w", "lstm.r"], ["", "last"], "lstm", hidden_size=_HIDDEN),
        helper.make_node("Squeeze", ["last", "axes"], ["features"], "squeeze"),
    ]
    feeds = [{ROWS: image.transpose(1, 0, 2)} for image in images]
    shape = [8, 1, 8]
    features = _features(_model(nodes, weights, ROWS, shape, "features", [1, _HIDDEN]), feeds, target)
    _save(_with_readout(nodes, weights, features, labels, ROWS, shape), target)


def _cnn(target: Path, images: np.ndarray, labels: np.ndarray) -> ModelProto:
    rng = np.random.default_rng(0)
    nodes: list[NodeProto] = []
    weights: Weights = {}
    value = INPUT
    for number, (wide, narrow, halved) in enumerate(_LAYERS):
        scale = np.sqrt(2 / (9 * narrow))
        weights[f"conv{number}.weight"] = (rng.standard_normal((wide, narrow, 3, 3)) * scale).astype(np.float32)
        inputs = [value, f"conv{number}.weight"]
        nodes.append(helper.make_node("Conv", inputs, [f"conv{number}"], f"conv{number}", pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"conv{number}"], [f"relu{number}"], f"relu{number}"))
        value = f"relu{number}"
        if halved:
            halving, value = value, f"pool{number}"
            nodes.append(helper.make_node("MaxPool", [halving], [value], value, kernel_shape=[2, 2], strides=[2, 2]))
    nodes.append(helper.make_node("Flatten", [value], ["features"], "flatten"))
    shape: list[int | str] = ["batch", 1, 8, 8]
    feeds = [{INPUT: image[np.newaxis]} for image in images]
    trunk = _model(nodes, weights, INPUT, shape, "features", ["batch", 4 * _LAYERS[-1][0]])
    return _with_readout(nodes, weights, _features(trunk, feeds, target), labels, INPUT, shape)


def _features(trunk: ModelProto, feeds: Sequence[Mapping[str, np.ndarray]], target: Path) -> np.ndarray:
    """Return what the trunk answers, a row for each feed; `target` is used for it and overwritten later."""
    _save(trunk, target)
    session = open_session(target)
    return np.concatenate([np.asarray(session.run(None, dict(feed))[0], np.float64) for feed in feeds])


def _with_readout(
    nodes: list[NodeProto],
    weights: Weights,
    features: np.ndarray,
    labels: np.ndarray,
    source: str,
    shape: Sequence[int | str],
) -> ModelProto:
    """Return the trunk with a linear layer on top, fitted to the labels by ridge regression."""
    one_hot = np.eye(_CLASSES)[labels]
    mean = features.mean(0)
    centred = features - mean
    gram = centred.T @ centred + np.eye(features.shape[1])
    readout = np.linalg.solve(gram, centred.T @ (one_hot - one_hot.mean(0)))
    fitted = {
        "dense.weight": readout.T.astype(np.float32),
        "dense.bias": (one_hot.mean(0) - mean @ readout).astype(np.float32),
    }
    dense = helper.make_node("Gemm", ["features", *fitted], [OUTPUT], "dense", transB=1)
    return _model([*nodes, dense], {**weights, **fitted}, source, shape, OUTPUT, [shape[0], _CLASSES])


def _model(
    nodes: Sequence[NodeProto],
    weights: Weights,
    source: str,
    shape: Sequence[int | str],
    output: str,
    answers: Sequence[int | str],
) -> ModelProto:
    rows = answers if isinstance(shape[0], str) else [1, *answers[1:]]
    graph = helper.make_graph(
        list(nodes),
        "sample",
        [helper.make_tensor_value_info(source, TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, list(rows))],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="shipfit")


def _save(model: ModelProto, target: Path) -> None:
    onnx.checker.check_model(model)
    target.write_bytes(model.SerializeToString(deterministic=True))
