"""onnxruntime's own quantizer at its best: a small grid of settings, the one nearest to the request is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from prepared import prepare
from task import Feed, Task, first_line, run

_PRODUCTS, _CORE = ["MatMul", "Gemm", "LSTM", "Attention"], ["Conv", "MatMul", "Gemm"]
_HISTOGRAM_SAMPLES = 48  # histograms hold every activation of every sample in memory
_LEAST_S = 12.0  # no new setting is begun with less left


class Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, task: Task, samples: list[Feed]):
        self._feeds = task.counted(samples)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def search(task: Task) -> None:
    """Try every setting of the grid while there is time."""
    paths = {"folded": prepare(task), "plain": task.out / "plain.onnx"}
    for name, make in _grid(task):
        if task.left_s < _LEAST_S:
            task.notes.append(f"{name}: no time left")
            continue
        for state, path in dict(paths).items():
            out = task.out / "candidate.onnx"
            try:
                make(path, out)
            except Exception as error:  # noqa: BLE001 - a setting that fails is noted; the unfolded file is tried next
                task.notes.append(f"{name} on the {state} file: {first_line(error)}")
                continue
            task.offer(name, out)
            break


def _grid(task: Task) -> list[tuple[str, Callable[[Path, Path], None]]]:
    settings: list[tuple[str, Callable[[Path, Path], None]]] = [
        ("dynamic MatMul/Gemm/LSTM per-channel", _dynamic(_PRODUCTS, True)),
        ("static U8S8 minmax", _static(task, CalibrationMethod.MinMax, None)),
        ("dynamic MatMul/Gemm/LSTM/Gather per-channel", _dynamic([*_PRODUCTS, "Gather"], True)),
        ("static U8S8 minmax, Conv/MatMul/Gemm", _static(task, CalibrationMethod.MinMax, _CORE)),
        ("static U8S8 percentile", _static(task, CalibrationMethod.Percentile, None)),
        ("static U8S8 entropy", _static(task, CalibrationMethod.Entropy, None)),
        ("dynamic MatMul/Gemm/LSTM per-tensor", _dynamic(_PRODUCTS, False)),
        ("dynamic, all operators", _dynamic(None, True)),
        ("static U8S8 minmax per-tensor", _static(task, CalibrationMethod.MinMax, None, False)),
    ]
    return settings


def _dynamic(operators: list[str] | None, per_channel: bool) -> Callable[[Path, Path], None]:
    def make(path: Path, out: Path) -> None:
        quantize_dynamic(
            str(path), str(out), op_types_to_quantize=operators, per_channel=per_channel, reduce_range=False,
            weight_type=QuantType.QInt8, extra_options={"EnableSubgraph": True},
        )  # fmt: skip

    return make


def _static(
    task: Task, method: Any, operators: list[str] | None, per_channel: bool = True
) -> Callable[[Path, Path], None]:
    samples = task.calibration if method == CalibrationMethod.MinMax else task.calibration[:_HISTOGRAM_SAMPLES]

    def make(path: Path, out: Path) -> None:
        quantize_static(
            str(path), str(out), Reader(task, samples), quant_format=QuantFormat.QDQ, op_types_to_quantize=operators,
            per_channel=per_channel, reduce_range=False, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, calibrate_method=method,
        )  # fmt: skip

    return make


if __name__ == "__main__":
    run(search)
