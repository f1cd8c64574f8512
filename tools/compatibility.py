"""`CompatibilityChecker`: whether a model loads and runs where it shall, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..contracts import CompatibilityReport, Contract, Profile
from .check import check
from .inspect import inspect
from .source import model_path


class CompatibilityResult(Contract):
    """The phases of `CompatibilityChecker.run`, each by itself.

    Attributes:
        analysis: the facts about the model.
        compatibility: whether it loads and runs, and what stands in the way.
    """

    analysis: Profile
    compatibility: CompatibilityReport


class CompatibilityChecker:
    """Loads and runs a model in a stock session, and names the operators, types and versions in the way."""

    name = "compatibility"
    description = "Tells whether a model loads and runs in a runtime, and what stands in the way."
    category = "validation"

    def run(
        self,
        model: str | Path,
        runtime: str = "onnx",
        feeds: Sequence[Mapping[str, Any]] | None = None,
        shape: Mapping[str, tuple[int, ...]] | None = None,
    ) -> CompatibilityResult:
        """Check `model`, an .onnx file or a folder with one.

        Args:
            model: the file is opened in this process: give models that you trust.
            runtime: `onnx` (onnxruntime on the CPU).
            feeds: inputs to run it on; absent, they are synthesised.
            shape: shapes of synthesised inputs with free dimensions.

        Raises:
            ModelFileError: there is no model, or it does not parse.
            RequestError: a runtime that is not served.
        """
        path = model_path(model)
        return CompatibilityResult(analysis=inspect(path), compatibility=check(path, runtime, feeds, shape))
