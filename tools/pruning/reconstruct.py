"""Recover what a cut costs without labels and without training, and keep what helps on other samples.

Rungs: the cut as it is; each layer's outputs matched to the mean and deviation that they had; each layer fitted by
least squares. Which is nearest to the original at its logits is decided on samples that nothing was fitted to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from onnx import ModelProto

from ..quantize.calibrate import Feeds
from ..quantize.graphs import Names
from ..quantize.recovery.judge import Judge
from ..quantize.trial import copy_model, elements_of
from .batching import batched
from .layers import Pair
from .least_squares import Fit, least_squares, matched
from .recurrent_layers import GATES
from .slicing import Cut
from .walk import LayerFit, fit_layers

Rung = Literal["as cut", "matched", "least squares"]

SAMPLES = 1000
MATCHED_SAMPLES = 64
JUDGED_SAMPLES = 64
# So many elements of inputs are fitted to, in however few samples.
ENOUGH_ELEMENTS = 2**22
FEWEST_SAMPLES = 16
_RUNGS: tuple[tuple[Rung, Fit, int], ...] = (
    ("matched", matched, MATCHED_SAMPLES),
    ("least squares", least_squares, SAMPLES),
)


@dataclass(frozen=True)
class Reconstruction:
    """What became of a cut.

    Attributes:
        model: the nearest to the original.
        rung: how it came about.
        fits: of its layers, in the order in which they were fitted.
        fidelities: SQNR of each rung in dB, at the logits or the worst output, on samples that nothing was fitted to.
    """

    model: ModelProto
    rung: Rung
    fits: tuple[LayerFit, ...]
    fidelities: Mapping[Rung, float]


def reconstruct(original: ModelProto, made: Cut, feeds: Feeds, judged_on: Feeds) -> Reconstruction:
    """Return the cut model, its weights fitted to what the original's layers gave.

    Args:
        original: left as it is.
        made: what was cut from it; left as it is.
        feeds: unlabelled samples to fit to: 256 to 1,000 are good, fewer where each has many elements.
        judged_on: others, to choose on.

    Raises:
        ToolError: a model does not load, or does not run on the samples.
    """
    judge = Judge(original, judged_on[:JUDGED_SAMPLES])
    rungs: dict[Rung, tuple[ModelProto, list[LayerFit]]] = {"as cut": (made.model, [])}
    for name, fit, samples in _RUNGS:
        rungs[name] = _fitted(original, made, feeds[: min(samples, _affordable(feeds))], fit)
    fidelities: dict[Rung, float] = {name: judge.measure(model).decibels for name, (model, _) in rungs.items()}
    best = max(rungs, key=lambda name: fidelities[name])
    model, fits = rungs[best]
    return Reconstruction(model, best, tuple(fits), fidelities)


def _affordable(feeds: Feeds) -> int:
    return max(FEWEST_SAMPLES, ENOUGH_ELEMENTS // max(1, elements_of(feeds[0]))) if len(feeds) else 0


def _fitted(original: ModelProto, made: Cut, feeds: Feeds, fit: Fit) -> tuple[ModelProto, list[LayerFit]]:
    student = copy_model(made.model)
    if not len(feeds):
        return student, []
    teacher = copy_model(original)
    shown = set(_show_states(teacher, student))
    fits = fit_layers(Pair(teacher, student, made.tensors, made.initializers), batched(original, feeds), fit)
    for node in student.graph.node:
        if shown.intersection(node.output[:1]):
            node.output[0] = ""
    return student, fits


def _show_states(teacher: ModelProto, student: ModelProto) -> Iterator[str]:
    """Have the recurrent nodes of both give out their states at all steps, and yield the names that are new."""
    names = Names(teacher)
    ours = {tuple(node.output): node for node in student.graph.node if node.op_type in GATES}
    for node in teacher.graph.node:
        if node.op_type in GATES and node.output and not node.output[0] and tuple(node.output) in ours:
            name = names.fresh("states")
            ours[tuple(node.output)].output[0] = name
            node.output[0] = name
            yield name
