"""Ours: a recipe replayed by `shipfit apply` as a user would, on the file alone."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from onnx_files import sha256
from subjects import RECOVERY
from watch import Watched, watch

SHIPFIT = str(Path(sys.executable).with_name("shipfit"))
_KILL_AFTER_S = 900.0


def recipe(model: Path, ratio: float, seed: int, int8: Mapping[str, str]) -> dict[str, Any]:
    """Return the steps that take out the share `ratio` of the channels, then compute in 8 bits where asked."""
    steps: list[dict[str, Any]] = [{"kind": "normalize"}, {"kind": "prune", "method": "structured", "ratio": ratio}]
    if int8:
        steps.append({"kind": "quantize", "compute": dict(int8), "storage": "int8"})
    return {"version": 1, "model": sha256(model), "steps": steps, "seed": seed}


def apply(folder: Path, steps: Mapping[str, Any], product: Path) -> Watched:
    """Replay a recipe on the model in `folder`; its file becomes `product`, its words are in what is returned."""
    work = product.with_suffix("")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / "recipe.json").write_text(json.dumps(steps), encoding="utf-8")
    config = {"calibration_data": str(folder / RECOVERY)}
    (work / "request.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [SHIPFIT, "apply", str(folder / "model.onnx"), str(work / "recipe.json")]
    command += ["--data", str(folder / "data.npz"), "--config", str(work / "request.yaml"), "--out", str(work / "out")]
    environment = {"SHIPFIT_HOME": str(work / "home"), "NO_COLOR": "1", "TERM": "dumb"}
    done = watch(command, work, environment, _KILL_AFTER_S)
    if done.status == 0:
        shutil.move(work / "out" / "model.onnx", product)
    shutil.rmtree(work)
    return done
