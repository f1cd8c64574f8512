"""The bodies of `If` and `Loop` as models of their own, with what is fed to them where samples run through them.

A body's model has as inputs what the body reads of the graphs around it, and the constants among that as its own. Of an
`If` it is fed what these values are for samples that take the branch, of a `Loop` what they are in its first
iterations, for which the body is run outside the loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from ...contracts import ToolError
from ..onnx_model import is_standard
from .calibrate import Feeds, watched_values
from .graphs import fixed_initializers, outer_reads
from .trial import opened, run

HELD_BYTES = 128 * 2**20  # of values fed to one body
ITERATIONS = 16  # of a loop, for each sample

Body = tuple[str, GraphProto]


def bodies_of(node: NodeProto) -> list[Body]:
    """Return the graphs that `node` holds, with the names of the attributes that hold them."""
    return [(each.name, each.g) for each in node.attribute if each.HasField("g")]


def alone(model: ModelProto, body: GraphProto, feed: Mapping[str, Any] | None = None) -> ModelProto:
    """Return the body as a model.

    Args:
        model: whose main graph holds the node of the body.
        body: left as it is.
        feed: what is fed to it, for the types of its inputs; without it they count as float32.
    """
    made = ModelProto(ir_version=model.ir_version)
    made.opset_import.extend(model.opset_import)
    made.functions.extend(model.functions)
    made.graph.CopyFrom(body)
    constants = fixed_initializers(model.graph)
    for name in outer_reads(body):
        if name in constants:
            made.graph.initializer.append(constants[name])
        else:
            made.graph.input.append(_typed(name, None if feed is None else feed[name]))
    return made


def _typed(name: str, value: Any) -> ValueInfoProto:
    kind = TensorProto.FLOAT if value is None else helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype)
    return helper.make_tensor_value_info(name, kind, None)


def body_feeds(model: ModelProto, node: NodeProto, body: Body, feeds: Feeds) -> list[dict[str, Any]]:
    """Return what is fed to the body when `model` runs on `feeds`: nothing where no sample comes to it.

    Args:
        model: whose main graph holds `node`; left as it is.
        node: holds the body.
        body: one of `bodies_of(node)`.
        feeds: samples; no more are read once what is fed takes 128 MB.

    Raises:
        ToolError: a model does not run on the samples, what is fed is no tensor, or `node` is of another kind.
    """
    if not is_standard(node) or node.op_type not in ("If", "Loop"):
        raise ToolError(f"it is inside the body of a {node.op_type}")
    constants = fixed_initializers(model.graph)
    free = [name for name in outer_reads(body[1]) if name not in constants]
    given = [name for name in node.input if name]
    found: list[dict[str, Any]] = []
    held = 0
    for values in watched_values(model, [*given, *free], feeds):
        if not all(isinstance(value, np.ndarray) for value in values):
            raise ToolError("its body reads what is no tensor")
        around = dict(zip(free, values[len(given) :], strict=True))
        known = dict(zip(given, values, strict=False))
        calls = _branch(node, body, known, around) if node.op_type == "If" else _loop(model, node, body, known, around)
        for call in calls:
            found.append(call)
            held += sum(int(value.nbytes) for value in call.values())
        if held > HELD_BYTES:
            break
    return found


def _branch(node: NodeProto, body: Body, known: Mapping[str, Any], around: dict[str, Any]) -> list[dict[str, Any]]:
    taken = bool(np.asarray(known[node.input[0]]).reshape(-1)[0])
    return [around] if taken == (body[0] == "then_branch") else []


def _loop(
    model: ModelProto, node: NodeProto, body: Body, known: Mapping[str, Any], around: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Run the body as the loop would: its inputs are a count, a condition and the state, its outputs the next two."""
    count = int(known[node.input[0]].reshape(-1)[0]) if node.input[0] else ITERATIONS
    going = known[node.input[1]] if node.input[1] else np.array(True)
    state: Sequence[Any] = [known[name] for name in node.input[2:]]
    inputs = list(body[1].input)
    with opened(alone(model, body[1], around), as_shipped=False) as session:
        for at in range(min(count, ITERATIONS)):
            if not np.asarray(going).reshape(-1)[0]:
                return
            first = [_shaped(np.int64(at), inputs[0]), _shaped(np.asarray(going).reshape(-1)[0], inputs[1])]
            call = {**dict(zip((each.name for each in inputs), [*first, *state], strict=True)), **around}
            yield call
            going, *after = run(session, call)
            state = after[: len(state)]


def _shaped(value: Any, declared: ValueInfoProto) -> Any:
    return np.full([1] * len(declared.type.tensor_type.shape.dim), value)
