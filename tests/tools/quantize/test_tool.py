from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import QuantizeStep, RequestError
from shipfit.tools import QuantizationTool
from shipfit.tools.quantize.analysis import analyse
from shipfit.tools.quantize.tool import advisable


def test_phases_come_back_one_by_one(lab: Any, digits_model: Path, digits_data: Path) -> None:
    target = lab.folder / "deep" / "small.onnx"
    report = QuantizationTool().run(digits_model, target, str(digits_data))
    forms = {each.op_type: (each.static, each.dynamic) for each in report.analysis.operators}
    assert forms == {"Conv": (2, 3), "Gemm": (1, 1)}
    assert report.calibration is not None
    assert report.calibration.tensors >= 4
    assert {layer.form for layer in report.result.layers} == {"int8 static", "fp32"}
    assert report.validation.size_ratio == target.stat().st_size / digits_model.stat().st_size
    assert report.validation.evaluation.candidate_accuracy is not None
    assert abs(report.validation.evaluation.net_loss or 0) <= 3


def test_raw_models_are_normalised_first(lab: Any, old_opset_model: Path) -> None:
    target = lab.folder / "small.onnx"
    report = QuantizationTool().run(old_opset_model, target, step=QuantizeStep(compute={"MatMul": "dynamic"}))
    assert report.calibration is None
    assert report.validation.evaluation.synthetic
    assert report.validation.evaluation.fidelity.value > 25


def test_advice_follows_the_operators(mlp_model: Path, lstm_model: Path, digits_model: Path) -> None:
    assert advisable(analyse(mlp_model)).compute == {"MatMul": "dynamic", "Gemm": "dynamic"}
    assert advisable(analyse(digits_model)).compute == {"Conv": "static", "Gemm": "static"}
    assert advisable(analyse(lstm_model)).storage == "int8"


def test_analysis_predicts_bytes_and_names_obstacles(lstm_model: Path) -> None:
    found = analyse(lstm_model)
    assert found.predicted_bytes["int8"] < found.predicted_bytes["fp16"] < found.size_bytes
    assert any("LSTM" in reason and "computed" in reason for reason in found.obstacles)


def test_wrong_paths_are_told(lab: Any, mlp_model: Path) -> None:
    with pytest.raises(RequestError, match="no model"):
        QuantizationTool().run(lab.folder / "none.onnx", lab.folder / "out.onnx")
    with pytest.raises(RequestError, match="exists already"):
        QuantizationTool().run(mlp_model, mlp_model)
