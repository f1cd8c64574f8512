"""What a layer looks like to a fit: rows of what its weight multiplies, rows of what should come out, the weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto

from ..onnx_model import to_array
from ..quantize.graphs import fixed_initializers
from ..quantize.recovery.editor import Editor
from ..quantize.rounding import FloatArray
from .least_squares import Rows, Weight
from .padding import Real

# Tensor → axis → kept positions.
KeptAxes = Mapping[str, Mapping[int, npt.NDArray[np.int64]]]
Values = Mapping[str, FloatArray]


class Layer(Protocol):
    """A layer of the student, which has a counterpart in the teacher: the model that it was cut from.

    Attributes:
        node: of the student.
        given: what the student's weight multiplies; all of it varies with the sample.
        known: further values of the student that say what should come out.
        wanted: values of the teacher that say what should come out.
    """

    node: NodeProto
    given: tuple[str, ...]
    known: tuple[str, ...]
    wanted: tuple[str, ...]

    def rows(self, student: Values, teacher: Values, limit: int, real: Real | None) -> list[Rows]:
        """Return, for each weight, at most `limit` positions of one sample, padding left out."""
        ...

    def weights(self) -> list[Weight]:
        """Return the weights as they are."""
        ...

    def write(self, weights: Sequence[Weight]) -> None:
        """Write other ones in their place."""
        ...


class Pair:
    """A teacher, a student that was cut from it, and what the cut left of the teacher's activations and weights.

    Args:
        teacher: the original.
        student: the same with less in it; it is changed in place.
        kept, weights: of activations and of initializers, the positions that are left of axes that lost some.
    """

    def __init__(self, teacher: ModelProto, student: ModelProto, kept: KeptAxes, weights: KeptAxes) -> None:
        self.teacher, self.student, self.kept, self.weights = teacher, student, kept, weights
        self.editor = Editor(student)
        self.teacher_tensors = fixed_initializers(teacher.graph)
        self.counterparts = {node.output[0]: node for node in teacher.graph.node if node.output}

    def teacher_values(self, name: str) -> FloatArray:
        """Return the values of one of the teacher's constants."""
        return to_array(self.teacher_tensors[name])

    def cut_down(self, name: str, value: FloatArray) -> FloatArray:
        """Return what the student has of one of the teacher's activations."""
        for axis, positions in self.kept.get(name, {}).items():
            value = np.take(value, positions, axis)
        return value
