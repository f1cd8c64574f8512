"""Expose the logits: the tensor before the softmax or sigmoid that a model ends in.

A softmax hides breakage: a model whose logits are wrong by half still answers nearly the same where it is sure.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

ENDS = frozenset({"Softmax", "LogSoftmax", "Sigmoid", "HardSigmoid"})
# What may stand behind it and leaves each value what it is.
_CARRIERS = frozenset(
    {"Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "ReduceMean", "Reshape", "Squeeze",
     "Transpose", "Unsqueeze"}
)  # fmt: skip


def exposed(path: Path) -> tuple[bytes, list[int | None]]:
    """Return the model with its logits as further outputs, and the place of each output's logits among all outputs.

    The place is None for an output that does not end in a softmax or sigmoid (or one that is not float32).
    """
    model = onnx.load(path)
    places: list[int | None] = []
    names = (f"exposed_logits_{number}" for number in count())
    first = len(model.graph.output)
    for output in list(model.graph.output)[:first]:
        found = _before_the_end([model.graph], output.name)
        places.append(None if found is None else len(model.graph.output))
        if found is not None:
            _give_out(model.graph, found, next(names))
    return model.SerializeToString(), places


def _before_the_end(scopes: list[Any], name: str) -> str | None:
    """Return the tensor before the softmax or sigmoid that tensor `name` comes from, through If bodies.

    Args:
        scopes: the graph of the tensor and those around it, innermost last.
        name: of the tensor.
    """
    node = _producer(scopes, name)
    while node is not None and node.op_type in _CARRIERS:
        name = node.input[0]
        node = _producer(scopes, name)
    if node is None:
        return None
    if node.op_type == "If":
        return _out_of_branches(scopes, node, list(node.output).index(name))
    if node.op_type == "Div":
        return _written_out(scopes, node)
    return str(node.input[0]) if node.op_type in ENDS else None


def _producer(scopes: list[Any], name: str) -> Any:
    return next((node for graph in reversed(scopes) for node in graph.node if name in node.output), None)


def _written_out(scopes: list[Any], division: Any) -> str | None:
    """Return x of exp(x − max) / Σ, a softmax in single operators."""
    exponential = _producer(scopes, division.input[0])
    if exponential is None or exponential.op_type != "Exp":
        return None
    difference = _producer(scopes, exponential.input[0])
    return str(difference.input[0]) if difference is not None and difference.op_type == "Sub" else None


def _out_of_branches(scopes: list[Any], node: Any, place: int) -> str | None:
    """Give the logits out of both branches as one more output of an `If`."""
    branches = [attribute.g for attribute in node.attribute if attribute.name in ("then_branch", "else_branch")]
    found = [_before_the_end([*scopes, branch], branch.output[place].name) for branch in branches]
    if any(each is None for each in found):
        return None
    name = f"{node.output[place]}_logits"
    for index, (branch, each) in enumerate(zip(branches, found, strict=True)):
        _give_out(branch, str(each), f"{name}_{index}")
    node.output.append(name)
    return name


def _give_out(graph: Any, name: str, given: str) -> None:
    """Append tensor `name` to the outputs of `graph` under the name `given`."""
    graph.node.append(helper.make_node("Identity", [name], [given]))
    graph.output.append(helper.make_tensor_value_info(given, TensorProto.FLOAT, None))


def inverse(output: np.ndarray) -> np.ndarray:
    """Return what a softmax or sigmoid came from as far as its answer tells: logarithms of chances, or of odds."""
    chances = np.clip(output.astype(np.float64), 1e-12, 1 - 1e-12)
    if output.ndim and output.shape[-1] > 1 and np.allclose(output.sum(-1), 1, atol=1e-3):
        logarithms = np.log(chances)
        return np.asarray(logarithms - logarithms.mean(-1, keepdims=True))
    return np.asarray(np.log(chances / (1 - chances)))
