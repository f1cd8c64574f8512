"""Train what is left of a model towards the answers of the original, on inputs without labels (Hinton et al., 2015).

What is compared: scores before a softmax by their divergence at a temperature, all other answers by their squared
difference in units of the original's variance, and activations likewise at the channels that were kept. Best is what
answers best on samples that are held back from training; the untouched student competes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onnx import ModelProto

from ...contracts import ToolError
from .labels import Labels

# Fewer leave nothing to train on and hold back; some hundreds are what recovers accuracy.
LEAST_SAMPLES = 8

Kept = Mapping[str, Mapping[int, Labels]]


@dataclass(frozen=True)
class Told:
    """How far training is.

    Attributes:
        done: share of the time that is spent.
        seconds_left: at most.
        left: the least distance to the teacher so far, 1 being that of the student as it was given.
    """

    done: float
    seconds_left: float
    left: float


@dataclass(frozen=True)
class Distilled:
    """What training gave.

    Attributes:
        model: the student with the best weights; one that was not bettered is as it was given, to the byte.
        before: distance to the teacher on held samples, where 1 is as far as the teacher's mean answer is.
        after: the same of `model`.
        steps: updates of the weights.
        samples: trained on, and held back.
        seconds: of wall time.
        reason: why it ended, in words.
    """

    model: ModelProto
    before: float
    after: float
    steps: int
    samples: tuple[int, int]
    seconds: float
    reason: str


def distil(
    teacher: ModelProto,
    student: ModelProto,
    feeds: Sequence[Mapping[str, Any]],
    *,
    seconds: float,
    progress: Callable[[Told], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    seed: int = 0,
    trainable: Collection[str] | None = None,
    tensors: Kept | None = None,
) -> Distilled:
    """Return `student` trained towards `teacher` for `seconds` of wall time. Imports torch.

    Args:
        teacher: the original.
        student: a model with inputs and outputs of the same names.
        feeds: input name → array, a sample each; no labels.
        seconds: all of it, the teacher's answers and the last judgement included.
        progress: is told how far it is, about once a second.
        cancelled: asked at every step; when true, the best so far is returned, as upon Ctrl-C.
        seed: of the order of samples. Time decides how many there are, so that no two runs give the same weights.
        trainable: initializers of the student that may change; None: all that are learned.
        tensors: activations of both, and which positions of the teacher's axes the student kept (`Cut.tensors`).

    Raises:
        ToolError: the student has an operator that is not computed with in torch (it is named), the samples are too
            few, or the teacher's answers are no numbers.
    """
    if len(feeds) < LEAST_SAMPLES:
        raise ToolError(
            f"{len(feeds)} samples are too few to train on: give {LEAST_SAMPLES} or more, better some hundreds",
            "pruning",
        )
    from .distil_training import Training

    with Training(teacher, student, feeds, seconds, seed, trainable, tensors or {}) as training:
        return training.run(progress or (lambda _: None), cancelled or (lambda: False))
