"""`BenchmarkTool`: measure models from Python, without a run around it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...contracts import Benchmark, Contract, DataRef, Footprint, RequestError, RuntimeSettings
from ..context import model_file
from .benchmark import DEFAULT_SECONDS, MAX_FEEDS, Patience, benchmark_models
from .data import open_data
from .data_tool import build_data
from .footprint import measure_footprints
from .lock import measuring_lock
from .session import stock


class Preparation(Contract):
    """What the models were fed.

    Attributes:
        source: where the samples came from.
        samples: how many feeds were rotated.
        shapes: input name → shape of the first feed.
        synthetic: the inputs were made from the model's specification.
    """

    source: str
    samples: int
    shapes: dict[str, tuple[int, ...]]
    synthetic: bool


class BenchmarkReport(Contract):
    """The phases of `BenchmarkTool.run`, each by itself.

    Attributes:
        preparation: the feeds.
        timing: speed and latency of both models.
        footprint: memory and load time, `original` and `candidate`.
    """

    preparation: Preparation
    timing: Benchmark
    footprint: dict[str, Footprint]


class BenchmarkTool:
    """Times a model against its original, and measures the memory that each needs."""

    name = "benchmark"
    description = "Measures speed, latency, memory and load time of a model against its original, side by side."
    category = "measurement"

    def run(
        self,
        original: str | Path,
        candidate: str | Path | None = None,
        data: str | None = None,
        *,
        seconds: float = DEFAULT_SECONDS,
        threads: int = 1,
        settings: RuntimeSettings | None = None,
        shape: Mapping[str, tuple[int, ...]] | None = None,
        seed: int = 0,
    ) -> BenchmarkReport:
        """Measure `candidate` (by default the original once more) against `original`.

        Args:
            original: path of an ONNX model or an exported torch program (`.pt2`).
            candidate: path of another with the same inputs and outputs.
            data: an `.npz` file, a folder of them, or `module:callable`; absent, inputs are synthesised.
            seconds: time limit of the timing.
            threads: threads of both sessions.
            settings: how the candidate's session is opened, by default stock.
            shape: shapes of inputs with free dimensions.
            seed: of synthesised inputs.

        Raises:
            OptimizationError: the models or the data cannot be used.
        """
        first, second = _model(original), _model(candidate if candidate is not None else original)
        with tempfile.TemporaryDirectory(prefix="shipfit-") as folder:
            preparation, feeds = self.prepare(first, Path(folder), data, shape, seed)
        timing = benchmark_models(first, second, feeds, Patience(seconds, seconds), threads, settings)
        with measuring_lock():
            subjects = [(first, stock(threads)), (second, settings or stock(threads))]
            before, after = measure_footprints(subjects, feeds)
        return BenchmarkReport(
            preparation=preparation, timing=timing, footprint={"original": before, "candidate": after}
        )

    def prepare(
        self,
        model: Path,
        folder: Path,
        data: str | None = None,
        shape: Mapping[str, tuple[int, ...]] | None = None,
        seed: int = 0,
    ) -> tuple[Preparation, list[Mapping[str, Any]]]:
        """Read or synthesise the feeds, using `folder` for the canonical data."""
        report = build_data(model, folder, {"source": data, "shape": shape}, seed)
        feeds = list(open_data(folder / "data", report.ref).feeds("selection", MAX_FEEDS))
        return _preparation(report.source, report.ref, feeds), feeds


def _preparation(source: str, ref: DataRef, feeds: Sequence[Mapping[str, Any]]) -> Preparation:
    shapes = {name: tuple(array.shape) for name, array in feeds[0].items()}
    return Preparation(source=source, samples=len(feeds), shapes=shapes, synthetic=ref.synthetic)


def _model(path: str | Path) -> Path:
    model = Path(path)
    if model.is_dir():
        model = model_file(model)
    if not model.is_file():
        raise RequestError(f"there is no model at {str(path)!r}; give the path of an .onnx or .pt2 file")
    return model
