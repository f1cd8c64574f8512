"""Olive: a bounded search over onnxruntime's quantizers, with the request as its goals, relative to the original."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

os.environ["OLIVE_DISABLE_TELEMETRY"] = "1"

from olive.workflows import run as run_olive
from olive_script import file_of
from prepared import prepare
from task import Task, run

SCRIPT = str(Path(__file__).resolve().with_name("olive_script.py"))
_SHARE_OF_TIME, _CANDIDATES = 0.7, 8
_STATIC = {
    "type": "OnnxStaticQuantization",
    "activation_type": "uint8",
    "quant_format": "QDQ",
    "prepare_qdq_config": False,
    "data_config": "calibration",
}
_DYNAMIC = {"type": "OnnxDynamicQuantization"}
_METHODS = ("MinMax", "Percentile", "Entropy")
_OPERATORS = (["MatMul", "Gemm", "LSTM"], ["MatMul", "Gemm", "LSTM", "Gather"], None)


def search(task: Task) -> None:
    """Have Olive search while there is time, and take the candidate that it ranks first."""
    path = prepare(task)
    settings = _settings(task, path)
    (task.out / "olive.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    output = run_olive(settings)
    best = output.get_best_candidate() if output.has_output_model() else None
    if best is not None:
        shutil.copyfile(file_of(best.model_path), task.product)
        return
    made = {name: found for name, found in task.seen.items() if name != str(path) and "size" in found}
    nearest = min(made, key=lambda name: task.shortfall(made[name]))
    shutil.copyfile(nearest, task.product)
    raise RuntimeError("no candidate reached every goal; the nearest of them was taken here")


def _settings(task: Task, path: Path) -> dict[str, Any]:
    common = {"precision": "int8", "reduce_range": False, "quant_preprocess": False}
    return {
        "input_model": {"type": "OnnxModel", "model_path": str(path)},
        "systems": {
            "here": {
                "type": "LocalSystem",
                "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
            }
        },
        "data_configs": [
            {
                "name": "calibration",
                "user_script": SCRIPT,
                "load_dataset_config": {"type": "calibration_samples"},
                "dataloader_config": {"type": "calibration_loader"},
            }
        ],
        "evaluators": {"bounds": {"type": "OnnxEvaluator", "metrics": _metrics(task)}},
        "passes": {
            "quantization": [
                *({**common, **_STATIC, "calibrate_method": method, "per_channel": True} for method in _METHODS),
                *({**common, **_DYNAMIC, "per_channel": True, "op_types_to_quantize": types} for types in _OPERATORS),
            ]
        },
        "search_strategy": {
            "execution_order": "joint",
            # Of few candidates: its other samplers go on for ever once a small space is used up.
            "sampler": "sequential",
            "max_iter": _CANDIDATES,
            "max_time": int(_SHARE_OF_TIME * task.left_s),
        },
        "evaluator": "bounds",
        "host": "here",
        "target": "here",
        "cache_dir": str(task.out / "olive-cache"),
        "output_dir": str(task.out / "olive"),
    }  # fmt: skip


def _metrics(task: Task) -> list[dict[str, Any]]:
    """Return the request as Olive's metrics, their goals relative to the original where Olive knows how."""
    bounds = task.bounds
    goals: list[tuple[str, bool, dict[str, Any] | None]] = []
    if task.labels is not None:
        goals.append(("accuracy", True, {"type": "max-degradation", "value": bounds.get("drop", 0.01)}))
    else:
        goals.append(("decibels", True, {"type": "threshold", "value": bounds["db"]}))
    faster = 100 * (1 - 1 / bounds["speedup"]) if bounds.get("speedup", 0) > 1 else None
    goals.append(("time", False, {"type": "percent-min-improvement", "value": faster} if faster else None))
    smaller = 100 * (1 - bounds["size"]) if "size" in bounds else None
    goals.append(("bytes", False, {"type": "percent-min-improvement", "value": smaller} if smaller else None))
    return [
        {
            "name": name,
            "type": "custom",
            "sub_types": [
                {"name": name, "priority": rank, "higher_is_better": higher, **({"goal": goal} if goal else {})}
            ],
            "user_config": {"user_script": SCRIPT, "evaluate_func": f"measured_{name}"},
        }
        for rank, (name, higher, goal) in enumerate(goals, 1)
    ]


if __name__ == "__main__":
    run(search)
