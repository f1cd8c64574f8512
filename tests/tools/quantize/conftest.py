"""A data view of given feeds, a way to run models, and random valid models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from shipfit.contracts import DataRef

Feeds = Sequence[Mapping[str, Any]]


class GivenFeeds:
    """The same feeds for every part."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = list(feeds)
        size = len(self._feeds)
        self.ref = DataRef(
            id="0" * 64, samples=size, parts={"calibration": size, "selection": size, "final": size}, synthetic=True
        )

    def feeds(self, part: str, limit: int | None = None) -> Feeds:
        return self._feeds[:limit]

    def labels(self, part: str, limit: int | None = None) -> None:
        return None


class Lab:
    """Build, save, run and compare small models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.view = GivenFeeds

    def build(
        self,
        nodes: Sequence[onnx.NodeProto],
        inputs: Mapping[str, Sequence[int | str]],
        outputs: Mapping[str, Sequence[int | str]],
        weights: Mapping[str, np.ndarray],
        opset: int = 17,
    ) -> onnx.ModelProto:
        graph = helper.make_graph(
            list(nodes),
            "g",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in outputs.items()],
            [numpy_helper.from_array(value, name) for name, value in weights.items()],
        )
        imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8 if opset < 19 else 10)

    def save(self, model: onnx.ModelProto, name: str = "model.onnx") -> Path:
        path = self.folder / name
        path.write_bytes(model.SerializeToString(deterministic=True))
        return path

    def session(self, model: onnx.ModelProto | Path, **options: Any) -> ort.InferenceSession:
        settings = ort.SessionOptions()
        settings.log_severity_level = 4
        settings.intra_op_num_threads = 1
        for name, value in options.items():
            setattr(settings, name, value)
        source = str(model) if isinstance(model, Path) else model.SerializeToString()
        return ort.InferenceSession(source, settings, providers=["CPUExecutionProvider"])

    def run(self, model: onnx.ModelProto | Path, feed: Mapping[str, Any]) -> list[Any]:
        return list(self.session(model).run(None, dict(feed)))

    def optimized(self, model: onnx.ModelProto, level: Any = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC) -> Any:
        """Return the graph that a stock session runs at `level`."""
        path = self.folder / "optimized.onnx"
        self.session(model, graph_optimization_level=level, optimized_model_filepath=str(path))
        return onnx.load(path)

    def sqnr(self, reference: onnx.ModelProto | Path, candidate: onnx.ModelProto | Path, feeds: Feeds) -> float:
        """Return the fidelity in dB at the worst output over all feeds."""
        first: Any = self.session(reference)
        second: Any = self.session(candidate)
        signal: dict[int, float] = {}
        noise: dict[int, float] = {}
        for feed in feeds:
            pairs = zip(first.run(None, dict(feed)), second.run(None, dict(feed)), strict=True)
            for index, (wanted, got) in enumerate(pairs):
                signal[index] = signal.get(index, 0.0) + float(np.sum(np.square(wanted, dtype=np.float64)))
                noise[index] = noise.get(index, 0.0) + float(np.sum(np.square(wanted.astype(np.float64) - got)))
        return min(10 * np.log10(signal[each] / noise[each]) if noise[each] else np.inf for each in signal)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def digit_feeds(digits_data: Path) -> list[dict[str, np.ndarray]]:
    """Sixteen digits, one by one."""
    images = np.load(digits_data)["image"]
    return [{"image": images[index : index + 1]} for index in range(16)]
