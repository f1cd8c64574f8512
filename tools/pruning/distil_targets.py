"""What of a student is compared with its teacher, and the teacher's part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper

from ...contracts import ToolError
from ..onnx_model import is_standard, opset, quoted
from ..quantize.trial import copy_model, run
from .distil_samples import Arrays, stacked
from .labels import Labels

# Of the activations that both have, so many, spread over the depth.
_FEATURES = 8
# What the teacher's answers may take of memory; what goes beyond is computed again each time.
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Target:
    """One tensor of both models.

    Attributes:
        name: of the value in both graphs.
        scores: the axis along which a softmax follows, None where none does.
        flat: that softmax takes all from its axis on as one, as it does up to opset 12.
        feature: it is an activation on the way, no answer.
        keep: by axis the teacher's positions that the student has.
    """

    name: str
    scores: int | None = None
    feature: bool = False
    flat: bool = False
    keep: Mapping[int, Labels] = field(default_factory=dict[int, Labels])

    def part(self, whole: NDArray[Any]) -> NDArray[Any]:
        """Return what the student has of the teacher's tensor."""
        for axis, positions in self.keep.items():
            whole = whole.take(positions, axis)
        return whole


def targets_of(teacher: ModelProto, student: ModelProto, tensors: Mapping[str, Mapping[int, Labels]]) -> list[Target]:
    """Return answers first, then features in the order of the student's graph.

    Scores are compared before their softmax: behind it, rounding has taken what is small.
    """
    ours, theirs = _made(student), _made(teacher)
    names = [each.name for each in student.graph.output]
    if lacking := sorted(set(names) - {each.name for each in teacher.graph.output}):
        raise ToolError(f"the teacher has no output {quoted(lacking[0])}")
    answers = [_answer(name, student, ours, theirs, tensors) for name in names]
    taken = {each.name for each in answers}
    shared = [name for name in ours if name in tensors and name in theirs and name not in taken]
    spread = sorted({round(at) for at in np.linspace(0, len(shared) - 1, min(_FEATURES, len(shared)))})
    return answers + [Target(shared[at], feature=True, keep=tensors[shared[at]]) for at in spread]


def _made(model: ModelProto) -> dict[str, Any]:
    return {name: node for node in model.graph.node for name in node.output if name}


def _answer(
    name: str,
    student: ModelProto,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    tensors: Mapping[str, Mapping[int, Labels]],
) -> Target:
    node, other = ours.get(name), theirs.get(name)
    if node is None or other is None or not is_standard(node) or node.op_type not in ("Softmax", "LogSoftmax"):
        return Target(name, keep=tensors.get(name, {}))
    if other.op_type != node.op_type or other.input[0] != node.input[0]:
        return Target(name, keep=tensors.get(name, {}))
    flat = opset(student) < 13
    default = 1 if flat else -1
    axis = next((int(each.i) for each in node.attribute if each.name == "axis"), default)
    return Target(node.input[0], scores=axis, flat=flat and axis > 0, keep=tensors.get(node.input[0], {}))


class Teacher:
    """The teacher's answers for samples, computed when they are first asked for and then kept.

    Args:
        session: of `telling(teacher, targets)`.
        feeds: all samples.
        together: whether samples may go through it in one call.
    """

    def __init__(self, session: Any, targets: Sequence[Target], feeds: Sequence[Arrays], together: bool) -> None:
        self._session, self._targets, self._feeds, self._together = session, targets, feeds, together
        self._kept: dict[int, list[NDArray[Any]]] = {}
        self._bytes = 0

    def answers(self, indices: Sequence[int]) -> list[NDArray[Any]]:
        """Return for each target the answers of the samples `indices`, along the first axis.

        Raises:
            ToolError: the runtime fails on them, or they are no finite numbers.
        """
        fresh = self._ask([index for index in indices if index not in self._kept])
        rows = [self._kept[index] if index in self._kept else fresh[index] for index in indices]
        for index, row in fresh.items():
            size = sum(each.nbytes for each in row)
            if self._bytes + size <= _MOST_BYTES:
                self._bytes += size
                self._kept[index] = row
        return rows[0] if len(rows) == 1 else [np.concatenate(each) for each in zip(*rows, strict=True)]

    def _ask(self, indices: Sequence[int]) -> dict[int, list[NDArray[Any]]]:
        if not indices:
            return {}
        if not self._together:
            return {index: self._parts(run(self._session, self._feeds[index])) for index in indices}
        found = self._parts(run(self._session, stacked([self._feeds[index] for index in indices])))
        split = [np.split(each, len(indices)) for each in found]
        return {index: [each[at] for each in split] for at, index in enumerate(indices)}

    def _parts(self, found: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        parts = [target.part(each) for target, each in zip(self._targets, found, strict=True)]
        for target, part in zip(self._targets, parts, strict=True):
            if not np.isfinite(part).all():
                raise ToolError(f"the original's own {quoted(target.name)} is not finite on the samples", "pruning")
        return parts


def telling(model: ModelProto, targets: Sequence[Target]) -> ModelProto:
    """Return the model with the targets as its outputs, in their order."""
    made = copy_model(model)
    del made.graph.output[:]
    made.graph.output.extend(helper.make_empty_tensor_value_info(target.name) for target in targets)
    return made
