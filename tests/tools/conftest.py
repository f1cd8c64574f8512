"""Random valid graphs for tests of transformations, and a door for tests of admission."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import strategies as st
from onnx import helper

from shipfit.contracts import ModelFileError
from shipfit.tools import onnx_model, weight_files
from shipfit.tools.admit import admit

from .. import models

CHANNELS = (1, 3, 4, 8)


class _Net:
    """A feed-forward image network, grown node by node."""

    def __init__(self, draw: st.DrawFn, opset: int) -> None:
        self.draw, self.opset = draw, opset
        self.rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.value, self.channels, self.size = "x", 3, 8
        self.count = 0

    def weight(self, array: np.ndarray) -> str:
        """Store a weight as initializer, as Constant node, or moved by Transpose or Slice."""
        name = f"w{len(self.weights)}_{len(self.nodes)}"
        way = self.draw(st.sampled_from(["initializer", "constant", "transposed", "sliced"]))
        if way == "constant":
            self.nodes.append(models.constant(name, array))
        elif way == "transposed" and array.ndim > 1:
            self.weights[f"{name}_t"] = array.transpose().copy()
            self.nodes.append(helper.make_node("Transpose", [f"{name}_t"], [name]))
        elif way == "sliced" and array.ndim > 0 and self.opset >= 10:
            self.weights[f"{name}_long"] = np.concatenate([array, array[:1]])
            self.weights[f"{name}_from"] = np.array([0], np.int64)
            self.weights[f"{name}_to"] = np.array([array.shape[0]], np.int64)
            self.nodes.append(helper.make_node("Slice", [f"{name}_{each}" for each in ("long", "from", "to")], [name]))
        else:
            self.weights[name] = array
        return name

    def array(self, *shape: int) -> np.ndarray:
        return np.asarray(self.rng.standard_normal(shape) / 2, np.float32)

    def add(self, op: str, *weights: np.ndarray, **attributes: Any) -> None:
        inputs = [self.value, *(self.weight(each) for each in weights)]
        self.value = f"v{self.count}"
        self.count += 1
        name = self.draw(st.sampled_from(["", f"node{self.count}"]))
        self.nodes.append(helper.make_node(op, inputs, [self.value], name, **attributes))

    def conv(self) -> None:
        out = self.draw(st.sampled_from(CHANNELS))
        self.add("Conv", self.array(out, self.channels, 3, 3), self.array(out), pads=[1, 1, 1, 1])
        self.channels = out

    def depthwise(self) -> None:
        self.add("Conv", self.array(self.channels, 1, 3, 3), pads=[1, 1, 1, 1], group=self.channels)

    def batch_norm(self) -> None:
        ones = np.abs(self.array(self.channels)) + 0.5
        self.add("BatchNormalization", ones, self.array(self.channels), self.array(self.channels), ones)

    def relu(self) -> None:
        self.add("Relu")

    def scale(self) -> None:
        self.add(self.draw(st.sampled_from(["Mul", "Add", "Sub"])), self.array())

    def hard_swish(self) -> None:
        """x · clip(x + 3, 0, 6) / 6, written out."""
        before = self.value
        constants = [self.weight(np.array(each, np.float32)) for each in (3, 0, 6, 6)]
        parts = [f"v{self.count}_{each}" for each in ("shifted", "gate", "product")]
        self.value = f"v{self.count}"
        self.count += 1
        self.nodes += [
            helper.make_node("Add", [before, constants[0]], [parts[0]]),
            helper.make_node("Clip", [parts[0], *constants[1:3]], [parts[1]]),
            helper.make_node("Mul", [before, parts[1]], [parts[2]]),
            helper.make_node("Div", [parts[2], constants[3]], [self.value]),
        ]

    def residual(self) -> None:
        before = self.value
        self.relu()
        self.nodes[-1].output[0] = self.value = f"{self.value}_side"
        self.value, side = f"v{self.count}", self.value
        self.count += 1
        self.nodes.append(helper.make_node("Add", [before, side], [self.value]))

    def finish(self) -> onnx.ModelProto:
        self.add("GlobalAveragePool")
        self.add("Flatten")
        if self.draw(st.booleans()):
            self.add("Gemm", self.array(self.channels, 5), self.array(5))
        else:
            self.add("MatMul", self.array(self.channels, 5))
        inputs, outputs = [models.spec("x", ["N", 3, 8, 8])], [models.spec(self.value, ["N", 5])]
        return models.build(self.nodes, inputs, outputs, self.weights, self.opset)


@st.composite
def _random_cnn(draw: st.DrawFn, opsets: tuple[int, ...] = (11, 13, 17)) -> onnx.ModelProto:
    net = _Net(draw, draw(st.sampled_from(opsets)))
    layers = [net.conv, net.depthwise, net.batch_norm, net.relu, net.scale, net.residual, net.hard_swish]
    for index in draw(st.lists(st.integers(0, len(layers) - 1), min_size=1, max_size=6)):
        layers[index]()
    return net.finish()


@pytest.fixture(scope="session")
def random_cnns() -> st.SearchStrategy[onnx.ModelProto]:
    """Valid CNNs with input `x` (N, 3, 8, 8); draw them with `data.draw`."""
    return _random_cnn()


@pytest.fixture
def door(tmp_path: Path) -> Callable[[Path], ModelFileError]:
    """Admit a model that must be refused, and return the refusal."""

    def refused(source: Path, limit: int = 10_000_000) -> ModelFileError:
        folder = tmp_path / "admitted"
        folder.mkdir()
        with pytest.raises(ModelFileError) as caught:
            admit(source, folder, limit)
        message = caught.value.message
        assert "\n" not in message
        assert message.isprintable()
        assert len(message) < 600
        return caught.value

    return refused


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat a kilobyte of weights as what protobuf cannot hold."""
    monkeypatch.setattr(onnx_model, "LARGE_BYTES", 1000)
    monkeypatch.setattr(weight_files, "LEAST_BYTES", 256)
    monkeypatch.setattr(weight_files, "spilling", weight_files.Spilling())
