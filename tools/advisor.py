"""`PruningAdvisor`: what magnitude pruning would save, and what it would cost, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ..contracts import Advice, AdviceReport, Contract, Evaluation, Limits, NoOpError, Profile, PruneStep
from .context import MODEL_FILE
from .inspect import inspect
from .measure.data import open_data
from .measure.data_tool import build_data
from .measure.evaluate import compare_models
from .prune import advise, prune
from .source import model_path

_LIMIT = 64


class PruningImpact(Contract):
    """What pruning at one threshold does to the answers; `evaluation` says on which data."""

    advice: Advice
    evaluation: Evaluation


class PruningAnalysis(Contract):
    """The phases of `PruningAdvisor.run`, each by itself.

    Attributes:
        analysis: the facts about the model.
        strategy: thresholds with what each would save, and a recommendation in words.
        impact: the measured damage at each threshold that zeroes anything.
    """

    analysis: Profile
    strategy: AdviceReport
    impact: tuple[PruningImpact, ...]


class PruningAdvisor:
    """Measures magnitude pruning at several thresholds; the model itself is not changed."""

    name = "pruning"
    description = "Measures what magnitude pruning would save in compressed size, and what it would cost in fidelity."
    category = "optimization"

    def run(
        self,
        model: str | Path,
        data: str | None = None,
        thresholds: Sequence[float] = (),
        seed: int = 0,
        limit: int = _LIMIT,
    ) -> PruningAnalysis:
        """Advise on `model`, an .onnx file or a folder with one.

        Args:
            model: the file is opened in this process: give models that you trust.
            data: an `.npz` file, a folder of them, or `module:callable`; absent, inputs are synthesised.
            thresholds: absolute magnitudes; none for a ladder taken from the weights.
            seed: of the split of the data and of synthesised inputs.
            limit: samples at most that the damage is measured on.

        Raises:
            OptimizationError: the model or the data cannot be used, or nothing can be pruned.
        """
        path = model_path(model)
        analysis, strategy = inspect(path), advise(path, thresholds)
        with TemporaryDirectory(prefix="shipfit-") as folder:
            work = Path(folder)
            ref = build_data(path, work, {"source": data}, seed).ref
            view = open_data(work / "data", ref)
            impact: list[PruningImpact] = []
            for advice in strategy.options:
                candidate = work / "pruned" / MODEL_FILE
                try:
                    prune(PruneStep(threshold=advice.threshold), path, candidate, view, Limits())
                except NoOpError:
                    continue
                evaluation = compare_models(path, candidate, view, "selection", limit)
                impact.append(PruningImpact(advice=advice, evaluation=evaluation))
        return PruningAnalysis(analysis=analysis, strategy=strategy, impact=tuple(impact))
