"""Models from lines of text, so that tests of expressions read like the expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper

from ... import models

Constants = Mapping[str, float | np.ndarray]


def written(
    text: str, constants: Constants, opset: int = 17, outputs: tuple[str, ...] = ("y",), rank: int = 3
) -> onnx.ModelProto:
    """Return a model of lines like `g = Clip(s, zero, six)` or `m = ReduceMean(x, axes=[-1])`; the input is x.

    Args:
        text: lines, or statements between semicolons.
        constants: those that the text names become float32 (or, given as arrays, what they are).
        opset: of the model.
        outputs: names of the model's outputs.
        rank: of input and outputs; the last axis has 8 positions.
    """
    nodes = [_node(line) for line in text.replace(";", "\n").strip().splitlines()]
    read = {name for node in nodes for name in node.input}
    stored = {
        name: value if isinstance(value, np.ndarray) else np.array(value, np.float32)
        for name, value in constants.items()
        if name in read
    }
    shape = ["N", *["A", "B"][: rank - 2], 8]
    specs = [models.spec(name, [None] * rank) for name in outputs]
    return models.build(nodes, [models.spec("x", shape)], specs, stored, opset)


def _node(line: str) -> onnx.NodeProto:
    output, call = (each.strip() for each in line.split("=", 1))
    op, inside = call.removesuffix(")").split("(", 1)
    inputs, attributes = list[str](), dict[str, Any]()
    for part in inside.split(","):
        name, _, value = part.strip().partition("=")
        if value:
            attributes[name] = (
                [int(value[1:-1])] if value.startswith("[") else float(value) if "." in value else int(value)
            )
        else:
            inputs.append(name)
    return helper.make_node(op, inputs, [output], **attributes)


def feeds(rank: int = 3, spread: float = 3.0) -> dict[str, np.ndarray]:
    """Numbers on both sides of zero."""
    shape = (2, *[3, 4][: rank - 2], 8)
    return {"x": np.asarray(np.random.default_rng(2).standard_normal(shape) * spread, np.float32)}
