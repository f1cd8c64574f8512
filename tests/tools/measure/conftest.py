"""Ways to call the data tool and to build models with odd inputs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from shipfit.contracts import DataReport
from shipfit.tools.measure import lock
from shipfit.tools.measure.data import CanonicalData, open_data
from shipfit.tools.measure.data_tool import build_data

BuildData = Callable[..., tuple[DataReport, CanonicalData]]
WriteModel = Callable[[str], Path]


@pytest.fixture(autouse=True)
def own_lock(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests time nothing that matters, so they neither wait for the host's measurements nor hold them up."""
    folder = tmp_path_factory.mktemp("lock")
    monkeypatch.setattr(lock, "lock_folder", lambda: folder)


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """Write a model given in ONNX's text form."""

    def write(text: str) -> Path:
        path = tmp_path / f"model-{len(list(tmp_path.iterdir()))}.onnx"
        onnx.save(onnx.parser.parse_model(text), path)
        return path

    return write


@pytest.fixture
def make_data(tmp_path: Path) -> BuildData:
    """Run the data tool in a folder of its own and open what it made."""

    def make(model: Path, seed: int = 0, **params: Any) -> tuple[DataReport, CanonicalData]:
        work = tmp_path / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        report = build_data(model, work, params, seed)
        return report, open_data(work / "data", report.ref)

    return make


@pytest.fixture
def scorer(write_model: WriteModel) -> Path:
    """A model of three classes: `x` float (free, 4) → `y` (free, 3)."""
    return write_model(
        """<ir_version: 8, opset_import: ["": 17]>
        scorer (float[n, 4] x) => (float[n, 3] y)
        <float[4, 3] w = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1}> { y = MatMul(x, w) }"""
    )


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """40 labelled samples for `scorer`."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 4)).astype(np.float32)
    path = tmp_path / "samples.npz"
    np.savez(path, x=x, labels=np.argmax(x[:, :3], axis=1))
    return path
