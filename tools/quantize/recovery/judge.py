"""Judge what a recovery gains: the fidelity of a quantized model on a few selection samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from ...measure.fidelity import OutputError
from ...measure.logits import logits_of, unmasked, with_outputs
from ..calibrate import Feeds
from ..trial import opened, run

HELD_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Fidelity:
    """Signal and noise of one model: an array each of shape (samples, outputs); noise is infinite where not finite."""

    signal: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float64]

    @property
    def decibels(self) -> float:
        """SQNR at the worst output, infinite when exact, minus infinity when nothing is left."""
        return _decibels(self.signal, self.noise)

    def gain(self, before: Fidelity) -> tuple[float, float]:
        """Return by how many dB this is above `before`, and the standard error of that over samples (jackknife)."""
        gain = _difference(self.decibels, before.decibels)
        count = len(self.signal)
        if count < 2 or not np.isfinite(gain):
            return gain, 0.0
        left_out = [np.arange(count) != index for index in range(count)]
        gains = np.array([_difference(self._of(each), before._of(each)) for each in left_out])
        return gain, float(np.sqrt((count - 1) * np.var(gains))) if np.isfinite(gains).all() else float("inf")

    def mean_gain(self, before: Fidelity) -> tuple[float, float]:
        """Return by how many dB a sample is above what it was before, on average, and the standard error of that.

        A few samples far worse than the others decide the SQNR of all together; here each counts alike.
        """
        pairs = zip(self._by_sample(), before._by_sample(), strict=True)
        gains = np.array([_difference(after, earlier) for after, earlier in pairs])
        if len(gains) < 2 or not np.isfinite(gains).all():
            return 0.0, float("inf")
        return float(gains.mean()), float(gains.std(ddof=1) / len(gains) ** 0.5)

    def _by_sample(self) -> list[float]:
        return [self._of(np.arange(len(self.signal)) == index) for index in range(len(self.signal))]

    def _of(self, samples: npt.NDArray[np.bool_]) -> float:
        return _decibels(self.signal[samples], self.noise[samples])


def _decibels(signal: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        each = 10 * np.log10(signal.sum(axis=0) / noise.sum(axis=0))
    each = np.where(noise.sum(axis=0) == 0, np.inf, np.where(np.isnan(each), -np.inf, each))
    return float(np.min(each, initial=np.inf))


def _difference(first: float, second: float) -> float:
    return 0.0 if first == second else first - second


class Judge:
    """Compares models with `reference`: each output at its logits where both models have them, else at itself.

    Args:
        reference: right by definition.
        feeds: samples; as many are used as have outputs that fit in 128 MB, at least one.

    Raises:
        ToolError: the reference does not load, or does not run on the samples.
    """

    def __init__(self, reference: ModelProto, feeds: Feeds) -> None:
        self._outputs = [each.name for each in reference.graph.output]
        self._logits = logits_of(reference)
        self._known: list[tuple[Mapping[str, Any], dict[str, Any]]] = []
        exposed, held = with_outputs(reference, list(self._logits.values())), 0
        with opened(exposed) as session:
            for feed in feeds:
                answers = _by_name(exposed, run(session, feed))
                self._known.append((feed, answers))
                held += sum(int(each.nbytes) for each in answers.values() if isinstance(each, np.ndarray))
                if held > HELD_BYTES:
                    break

    @property
    def place(self) -> str:
        """Where fidelity is measured, in words."""
        return "at the logits" if self._logits else "at the worst output"

    def measure(self, candidate: ModelProto) -> Fidelity:
        """Return the fidelity of `candidate`, sample by sample.

        Raises:
            ToolError: it does not load or run.
        """
        theirs = logits_of(candidate)
        both = {name for name in self._outputs if name in self._logits and name in theirs}
        exposed = with_outputs(candidate, [theirs[name] for name in self._outputs if name in both])
        errors: list[list[OutputError]] = []
        with opened(exposed) as session:
            for feed, known in self._known:
                answers = _by_name(exposed, run(session, feed))
                errors.append([OutputError() for _ in self._outputs])
                for error, name in zip(errors[-1], self._outputs, strict=True):
                    if name in both:
                        error.add(unmasked(known[self._logits[name]]), answers[theirs[name]])
                    else:
                        error.add(known[name], answers[name])
        signal = [[error.signal for error in sample] for sample in errors]
        noise = [[error.noise if error.finite else np.inf for error in sample] for sample in errors]
        return Fidelity(np.array(signal, np.float64), np.array(noise, np.float64))


def _by_name(model: ModelProto, values: Sequence[Any]) -> dict[str, Any]:
    return {each.name: value for each, value in zip(model.graph.output, values, strict=True)}
