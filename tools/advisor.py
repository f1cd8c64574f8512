"""`PruningAdvisor`: what pruning would save, and what it would cost, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ..contracts import (
    Advice,
    AdviceReport,
    Contract,
    DataView,
    Evaluation,
    Limits,
    NoOpError,
    Profile,
    PruneStep,
    ToolError,
    units,
    validate,
)
from .context import MODEL_FILE
from .inspect import inspect
from .measure.data import open_data
from .measure.data_tool import build_data
from .measure.evaluate import compare_models
from .model_files import load
from .onnx_model import model_bytes
from .prune import advise, prune
from .pruning.advice import ChannelAdvice, advise_channels
from .pruning.widths import WidthBounds, WidthChoice, find_widths
from .source import model_path

_LIMIT = 64
_TIMED = 4
_FITTED, _JUDGED, _SECONDS = 48, 32, 60.0
# Shares of the channels whose damage is measured, and the least likeness after recovery that is worth going on from.
CHANNEL_RATIOS = (0.3, 0.5)
LEAST_DB = 10.0


class PruningImpact(Contract):
    """What pruning at one threshold does to the answers; `evaluation` says on which data."""

    advice: Advice
    evaluation: Evaluation


class ChannelImpact(Contract):
    """What a model without the share `ratio` of its channels is, recovered without labels: measured, not predicted.

    `failed` says why there is none.
    """

    ratio: float
    size_ratio: float | None = None
    evaluation: Evaluation | None = None
    failed: str = ""


class PruningAnalysis(Contract):
    """The phases of `PruningAdvisor.run`, each by itself.

    Attributes:
        analysis: the facts about the model.
        strategy: thresholds with what each would save, and a recommendation in words.
        impact: the measured damage at each threshold that zeroes anything.
        channels: what whole channels can go, what that would save by prediction, and a recommendation in words.
        channel_impact: what was measured of it, none where it is recommended against beforehand.
    """

    analysis: Profile
    strategy: AdviceReport
    impact: tuple[PruningImpact, ...]
    channels: ChannelAdvice
    channel_impact: tuple[ChannelImpact, ...] = ()


class PruningAdvisor:
    """Measures what pruning does, of weights by magnitude and of whole channels; the model itself is not changed."""

    name = "pruning"
    description = "Measures what pruning would save, in size, time and compressed size, and what it would cost."
    category = "optimization"

    def run(
        self,
        model: str | Path,
        data: str | None = None,
        thresholds: Sequence[float] = (),
        seed: int = 0,
        limit: int = _LIMIT,
        ratios: Sequence[float] = CHANNEL_RATIOS,
    ) -> PruningAnalysis:
        """Advise on `model`, an .onnx file or a folder with one.

        Args:
            model: the file is opened in this process: give models that you trust.
            data: an `.npz` file, a folder of them, or `module:callable`; absent, inputs are synthesised.
            thresholds: absolute magnitudes; none for a ladder taken from the weights.
            seed: of the split of the data and of synthesised inputs.
            limit: samples at most that the damage is measured on.
            ratios: shares of the channels whose damage is measured, where any is worth trying.

        Raises:
            OptimizationError: the model or the data cannot be used, or has no weights to prune.
        """
        path = model_path(model)
        analysis, strategy = inspect(path), advise(path, thresholds)
        with TemporaryDirectory(prefix="shipfit-") as folder:
            work = Path(folder)
            view = _opened(path, work, data, seed)
            trial = _Trial(path, work / "pruned" / MODEL_FILE, view, limit)
            channels = _advised(path, view)
            measured = _channels_measured(trial, sorted(set(ratios))) if channels.worthwhile else ()
            impact = tuple(each for advice in strategy.options if (each := trial.of_threshold(advice)) is not None)
        return PruningAnalysis(
            analysis=analysis,
            strategy=strategy,
            impact=impact,
            channels=_judged(channels, measured),
            channel_impact=measured,
        )

    def channels(self, model: str | Path, data: str | None = None, seed: int = 0) -> ChannelAdvice:
        """Say what channels can go, what that would save, and whether it is worth trying, without trying it.

        Raises:
            OptimizationError: the model or the data cannot be used.
        """
        path = model_path(model)
        with TemporaryDirectory(prefix="shipfit-") as folder:
            return _advised(path, _opened(path, Path(folder), data, seed))

    def widths(
        self,
        model: str | Path,
        data: str | None = None,
        max_size_ratio: float | None = None,
        min_speedup: float | None = None,
        min_fidelity_db: float | None = None,
        seed: int = 0,
        seconds: float = _SECONDS,
    ) -> WidthChoice:
        """Say how many channels of each group are to stay within bounds, by measured damage and measured time.

        The step that comes with it goes into a recipe, or to `prune` as it is.

        Args:
            model: an .onnx file or a folder with one, opened in this process.
            data: as for `run`.
            max_size_ratio: share of the bytes that may be left.
            min_speedup: time of the model as it is / that of what is left.
            min_fidelity_db: likeness at the logits, predicted from groups that were measured one by one.
            seed: as for `run`.
            seconds: of measuring damage, the heaviest channels first; those without a measurement stay.

        Raises:
            OptimizationError: the model or the data cannot be used, no bound is given, or none can go within them.
        """
        bounds = validate(
            WidthBounds,
            {"max_size_ratio": max_size_ratio, "min_speedup": min_speedup, "min_fidelity_db": min_fidelity_db},
        )
        path = model_path(model)
        with TemporaryDirectory(prefix="shipfit-") as folder:
            view = _opened(path, Path(folder), data, seed)
            feeds, judged_on = view.feeds("calibration", _FITTED), view.feeds("selection", _JUDGED)
            return find_widths(load(path), model_bytes(path), bounds, feeds, judged_on, seconds)


def _opened(path: Path, work: Path, data: str | None, seed: int) -> DataView:
    return open_data(work / "data", build_data(path, work, {"source": data}, seed).ref)


def _advised(path: Path, view: DataView) -> ChannelAdvice:
    return advise_channels(load(path), model_bytes(path), list(view.feeds("selection", _TIMED)))


class _Trial:
    """Makes one pruned model after the other, and compares it with the original."""

    def __init__(self, path: Path, candidate: Path, view: DataView, limit: int) -> None:
        self._path, self._candidate, self._view, self._limit = path, candidate, view, limit

    def of_threshold(self, advice: Advice) -> PruningImpact | None:
        """Return the damage of a threshold; None where nothing is below it."""
        try:
            return PruningImpact(advice=advice, evaluation=self._evaluated(PruneStep(threshold=advice.threshold)))
        except NoOpError:
            return None

    def of_channels(self, ratio: float) -> ChannelImpact:
        """Return what a share of the channels costs."""
        try:
            evaluation = self._evaluated(PruneStep(method="structured", ratio=ratio))
        except ToolError as error:
            return ChannelImpact(ratio=ratio, failed=error.message)
        size = model_bytes(self._candidate) / model_bytes(self._path)
        return ChannelImpact(ratio=ratio, size_ratio=size, evaluation=evaluation)

    def _evaluated(self, step: PruneStep) -> Evaluation:
        prune(step, self._path, self._candidate, self._view, Limits())
        return compare_models(self._path, self._candidate, self._view, "selection", self._limit)


def _channels_measured(trial: _Trial, ratios: Sequence[float]) -> tuple[ChannelImpact, ...]:
    """Return the damage of each share, the least first, until one leaves too little."""
    found: list[ChannelImpact] = []
    for ratio in ratios:
        found.append(trial.of_channels(ratio))
        if not _bearable(found[-1]):
            break
    return tuple(found)


def _bearable(impact: ChannelImpact) -> bool:
    return impact.evaluation is not None and impact.evaluation.fidelity.value >= LEAST_DB


def _judged(advice: ChannelAdvice, measured: Sequence[ChannelImpact]) -> ChannelAdvice:
    """Return the advice with a recommendation by what was measured, where anything was."""
    if not measured:
        return advice
    best = next((each for each in reversed(measured) if _bearable(each)), None)
    if best is None or best.evaluation is None or best.size_ratio is None:
        return advice.model_copy(update={"worthwhile": False, "recommendation": _against(measured[0])})
    words = (
        f"worth it: without {best.ratio:.0%} of the channels the file is {best.size_ratio:.0%} of its size, and the "
        f"answers keep {units.format_decibels(best.evaluation.fidelity.value)} before any training"
    )
    return advice.model_copy(update={"recommendation": words})


def _against(first: ChannelImpact) -> str:
    if first.evaluation is None:
        return f"not worth it: {first.failed}; quantize instead"
    return (
        f"not worth it: without {first.ratio:.0%} of the channels the answers keep "
        f"{units.format_decibels(first.evaluation.fidelity.value)} after recovery; quantize instead"
    )
