"""The runtime optimizer's phases, on a model that it can improve and on one that it cannot."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from shipfit.contracts import RequestError
from shipfit.tools.runtime_optimizer import RuntimeOptimizer


@pytest.mark.slow
def test_phases_are_separate(mlp_model: Path, tmp_path: Path):
    optimizer = RuntimeOptimizer()
    assert optimizer.name
    assert optimizer.description
    assert optimizer.category
    result = optimizer.run(mlp_model, out=tmp_path / "out", seconds=0.5)
    assert result.analysis.compatibility.compatible
    assert result.analysis.profile.latency_ms is not None
    assert result.optimization.graph is not None
    assert result.optimization.graph.details["nodes"] < result.analysis.profile.nodes
    assert result.validation.evaluation.fidelity.value > 90
    assert result.validation.benchmark.speedup.value > 0
    assert len(onnx.load(tmp_path / "out" / "model.onnx").graph.node) == result.optimization.graph.details["nodes"]
    again = optimizer.run(tmp_path / "out", goal="memory", seconds=0.5)
    assert any("enable_mem_pattern" in note for note in again.optimization.session.notes)
    assert again.optimization.graph is None
    assert again.validation.evaluation.fidelity.value == float("inf")


def test_folder_that_exists_is_refused(mlp_model: Path, tmp_path: Path):
    with pytest.raises(RequestError, match="exists"):
        RuntimeOptimizer().run(mlp_model, out=tmp_path)
