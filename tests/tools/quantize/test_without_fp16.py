"""A step that may not use fp16 leaves none in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from shipfit.contracts import Limits, QuantizeStep
from shipfit.tools.registry import transformation

from ... import models


def types(fp16: bool, folder: Path) -> set[str]:
    rng = np.random.default_rng(0)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["y"])]
    weights: dict[str, Any] = {
        "w": rng.standard_normal((8, 4096)).astype(np.float32),
        "b": rng.standard_normal(4096).astype(np.float32),
    }
    source = models.save(
        models.build(nodes, [models.spec("x", [1, 8])], [models.spec("y", [1, 4096])], weights), folder / "m.onnx"
    )
    target = folder / f"{fp16}.onnx"
    step = QuantizeStep(storage="int8", fp16=fp16)
    transformation("quantize")(step, source, target, None, Limits())
    return {onnx.TensorProto.DataType.Name(each.data_type) for each in onnx.load(target).graph.initializer}


@pytest.mark.parametrize(("fp16", "expected"), [(True, {"INT8", "FLOAT16", "FLOAT"}), (False, {"INT8", "FLOAT"})])
def test_what_int8_would_keep_in_fp16_stays(fp16: bool, expected: set[str], tmp_path: Path) -> None:
    assert types(fp16, tmp_path) == expected
