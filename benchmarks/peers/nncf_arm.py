"""NNCF: post-training quantization, plainly or with its accuracy control (second argument `accuracy_control`)."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import nncf
import onnx
from prepared import prepare
from task import Feed, Task, accuracy, decibels, open_session, run

_QUALITY_AT_MOST_DB = 60.0


def quantize(task: Task) -> None:
    """Quantize with the defaults, and the transformer patterns where there is attention."""
    model = onnx.load(prepare(task))
    _keep(task, nncf.quantize(model, _dataset(task, task.calibration), **_settings(model, task)))


def control_accuracy(task: Task) -> None:
    """Quantize and let NNCF take back what costs more than the request allows, by its own ranking."""
    model = onnx.load(prepare(task))
    allowed = task.bounds["drop"] if task.labels is not None else _QUALITY_AT_MOST_DB - task.bounds["db"]
    validation = list(enumerate(task.validation))
    made = nncf.quantize_with_accuracy_control(
        model,
        calibration_dataset=_dataset(task, task.calibration),
        validation_dataset=nncf.Dataset(validation, lambda pair: next(task.counted([pair[1]]))),
        validation_fn=lambda candidate, pairs: (_metric(task, candidate, pairs), None),
        max_drop=allowed,
        drop_type=nncf.DropType.ABSOLUTE,
        **_settings(model, task),
    )
    _keep(task, made)


def _metric(task: Task, candidate: onnx.ModelProto, pairs: Iterable[tuple[int, Feed]]) -> float:
    """Return accuracy, or without labels the SQNR in dB, of a candidate on some validation samples."""
    some = list(pairs)
    after = task.answers(open_session(candidate.SerializeToString()), [feed for _, feed in some])
    if task.labels is not None:
        return accuracy(after, task.labels[[index for index, _ in some]])
    return min(decibels([task.before[index] for index, _ in some], after), _QUALITY_AT_MOST_DB)


def _dataset(task: Task, feeds: list[Feed]) -> Any:
    return nncf.Dataset(feeds, lambda feed: next(task.counted([feed])))


def _settings(model: onnx.ModelProto, task: Task) -> dict[str, Any]:
    kinds = {node.op_type for node in model.graph.node}
    attends = ({"Softmax", "MatMul"} <= kinds and not kinds & {"Conv", "LSTM"}) or "LayerNormalization" in kinds
    return {
        "subset_size": len(task.calibration),
        "target_device": nncf.TargetDevice.CPU,
        "model_type": nncf.ModelType.TRANSFORMER if attends else None,
    }


def _keep(task: Task, made: onnx.ModelProto) -> None:
    onnx.save(made, task.product)


if __name__ == "__main__":
    run(control_accuracy if sys.argv[2:] == ["accuracy_control"] else quantize)
