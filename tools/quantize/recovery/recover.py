"""Try what a step asks for as recovery, and keep what helps on the selection part.

Equalizing and smoothing change the model before it is quantized, and leave what it computes as it is; each is tried
on a quantization of few samples, and so is rounding the weights of integer operators with error feedback. The bias is
corrected last, in the quantized model. Decisions fall one after the other, each on what was kept before: a step that
names only what was kept leads to the same model again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from onnx import ModelProto

from ....contracts import DataError, DataView, LayerForm, QuantizeStep, Recovery, ToolError
from ..calibrate import Feeds
from ..computed_rounding import NEAREST, Roundings, captured_roundings
from ..trial import copy_model
from .bias import SAMPLES as BIAS_SAMPLES, correct_bias
from .equalize import equalized
from .judge import Fidelity, Judge
from .smooth import smoothed

SELECTION_SAMPLES = 32
PROBED_SAMPLES = 32
# A trial with ranges of few samples cuts what the whole would not, and favours what is cut less.
TRIAL_SAMPLES = 256
# A gain counts from this many dB, and from so many standard errors over samples: more where it is the best of several.
LEAST_GAIN_DB = 0.1
ERRORS, ERRORS_OF_BEST = 1.0, 2.0
# What samples gain on average counts too, from so many times as many: one sample alone is one standard error from none.
MEAN_ERRORS = 1.5
# float32 rounding alone stays above; what falls below has changed the function.
SAME_DB = 100.0

# What became of each unit, the calibration samples read, and notes.
Built = tuple[list[LayerForm], int, list[str]]
Build = Callable[[QuantizeStep, ModelProto, DataView | None, Roundings], Built]
Preparation = Callable[[ModelProto, QuantizeStep, Feeds], Iterator[tuple[str, ModelProto]]]


@dataclass(frozen=True)
class Recovered:
    """What became of the model and of the step, whose `recovery` now is what was kept."""

    step: QuantizeStep
    layers: list[LayerForm]
    samples: int
    notes: Sequence[str] = ()


def recover(step: QuantizeStep, model: ModelProto, data: DataView | None, build: Build) -> Recovered:
    """Quantize `model` in place with `build`, and recover what `step.recovery` names.

    Raises:
        DataError: a recovery is asked for and there are no samples.
        ToolError: the model does not load, or does not run on the samples.
    """
    if not set(step.recovery) - {"digits"}:
        return Recovered(step, *build(step, model, data, NEAREST))
    if data is None or not len(data.feeds("calibration", 1)):
        raise DataError("recovery needs samples; give --data or --calibration-data")
    work = _Recovery(step, model, data, build)
    if "feedback" in step.recovery or any(name in step.recovery for name in PREPARATIONS):
        work.start()
    for name, prepare in PREPARATIONS.items():
        if name in step.recovery:
            work.prepare(name, prepare)
    return work.finish()


def _equalized(model: ModelProto, step: QuantizeStep, feeds: Feeds) -> Iterator[tuple[str, ModelProto]]:
    del step
    return equalized(model, feeds)


PREPARATIONS: dict[Recovery, Preparation] = {"equalize": _equalized, "smooth": smoothed}


class _Recovery:
    """The state of one step: the model as prepared so far, and how well its trial does."""

    def __init__(self, step: QuantizeStep, model: ModelProto, data: DataView, build: Build) -> None:
        self._step, self._model, self._data, self._build = step, model, data, build
        self._feeds = data.feeds("calibration", PROBED_SAMPLES)
        self._judge = Judge(model, data.feeds("selection", SELECTION_SAMPLES))
        self._notes: list[str] = []
        # What is done to recurrent inputs was done, and judged, before.
        self._kept: list[Recovery] = [each for each in step.recovery if each == "digits"]
        self._best: Fidelity

    def start(self) -> None:
        """Measure what preparations have to beat."""
        self._best = self._trial(self._model)

    def _trial(self, model: ModelProto, roundings: Roundings = NEAREST) -> Fidelity:
        """Quantize a copy, what is stored rounded the cheap way, and measure it."""
        few = min(self._step.samples, TRIAL_SAMPLES)
        step = self._step.model_copy(update={"samples": few, "rounding": "nearest", "recovery": ()})
        copied = copy_model(model)
        self._build(step, copied, self._data, roundings)
        return self._judge.measure(copied)

    def prepare(self, name: Recovery, prepare: Preparation) -> None:
        """Keep the best of the prepared models, if it is better than the one there is."""
        try:
            tried = [
                (label, model, self._fair(model)) for label, model in prepare(self._model, self._step, self._feeds)
            ]
        except ToolError as error:
            self._drop(name, error.message)
            return
        if not tried:
            self._drop(name, "there is nothing in this model that it could change")
            return
        label, model, fidelity = max(tried, key=lambda each: each[2].decibels)
        if self._helps(name, label, fidelity, ERRORS if len(tried) == 1 else ERRORS_OF_BEST):
            self._model.CopyFrom(model)

    def _fair(self, model: ModelProto) -> Fidelity:
        same = self._judge.measure(model).decibels
        if same < SAME_DB:
            raise ToolError(f"it changes what the model computes (SQNR {same:.0f} dB)")
        return self._trial(model)

    def _helps(self, name: Recovery, label: str, fidelity: Fidelity, errors: float = ERRORS) -> bool:
        error = fidelity.gain(self._best)[1]
        found = f"{self._best.decibels:.1f} → {fidelity.decibels:.1f} dB {self._judge.place} (± {error:.1f})"
        if not self._gains(fidelity, errors):
            self._drop(name, f"no gain to rely on: {found}, {label}")
            return False
        self._notes.append(f"{name}: {found}, {label}")
        self._best = fidelity
        self._kept.append(name)
        return True

    def _gains(self, fidelity: Fidelity, errors: float) -> bool:
        gain, error = fidelity.gain(self._best)
        mean, of_mean = fidelity.mean_gain(self._best)
        return gain >= LEAST_GAIN_DB and (gain >= errors * error or mean >= MEAN_ERRORS * errors * of_mean)

    def _drop(self, name: Recovery, why: str) -> None:
        self._notes.append(f"{name} dropped: {why}")

    def finish(self) -> Recovered:
        """Quantize the prepared model in full, and correct its biases if that is asked for."""
        roundings = self._roundings() if "feedback" in self._step.recovery else NEAREST
        prepared = copy_model(self._model) if "bias" in self._step.recovery else None
        layers, samples, notes = self._build(self._step, self._model, self._data, roundings)
        if prepared is not None:
            self._correct(prepared)
        step = self._step.model_copy(update={"recovery": tuple(self._kept)})
        return Recovered(step, layers, samples, [*notes, *self._notes])

    def _roundings(self) -> Roundings:
        """Return the roundings by what inputs say, none where they do not help."""
        try:
            roundings = captured_roundings(self._step, self._model, self._data)
            fidelity = self._trial(self._model, roundings) if roundings else None
        except ToolError as error:
            self._drop("feedback", error.message)
            return NEAREST
        if fidelity is None:
            self._drop("feedback", "no weight computes in integers whose input can be looked at")
            return NEAREST
        return roundings if self._helps("feedback", roundings.told, fidelity) else NEAREST

    def _correct(self, prepared: ModelProto) -> None:
        """Correct mean and deviation, or the mean alone where matching the deviation too does not help."""
        self._best = self._judge.measure(self._model)
        feeds = self._data.feeds("calibration", BIAS_SAMPLES)
        tried: list[tuple[str, ModelProto, Fidelity]] = []
        try:
            for what, deviations in (("mean and deviation", True), ("mean", False)):
                corrected = copy_model(self._model)
                count = correct_bias(prepared, corrected, feeds, deviations)
                if not count:
                    self._drop("bias", "no unit has a bias that could be corrected")
                    return
                tried.append(
                    (
                        f"{what} of {count} {'unit' if count == 1 else 'units'}",
                        corrected,
                        self._judge.measure(corrected),
                    )
                )
                if self._gains(tried[-1][2], ERRORS):
                    break
        except ToolError as error:
            self._drop("bias", error.message)
            return
        label, corrected, fidelity = max(tried, key=lambda each: each[2].decibels)
        if self._helps("bias", label, fidelity):
            self._model.CopyFrom(corrected)
