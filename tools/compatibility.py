"""`CompatibilityChecker`: whether a model loads and runs where it shall, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..contracts import CompatibilityReport, Contract, Profile
from .check import check
from .context import TORCH_SUFFIX
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
        runtime: str | None = None,
        feeds: Sequence[Mapping[str, Any]] | None = None,
        shape: Mapping[str, tuple[int, ...]] | None = None,
    ) -> CompatibilityResult:
        """Check `model`, an .onnx or .pt2 file, or a folder with one.

        Args:
            model: the file is opened in this process: give models that you trust.
            runtime: `onnx` (onnxruntime on the CPU) or `torch`; absent, the one that the file is for.
            feeds: inputs to run it on; absent, they are synthesised.
            shape: shapes of synthesised inputs with free dimensions.

        Raises:
            ModelFileError: there is no model, or it does not parse.
            RequestError: a runtime that is not served.
        """
        path = model_path(model)
        named = runtime or ("torch" if path.suffix == TORCH_SUFFIX else "onnx")
        return CompatibilityResult(analysis=inspect(path), compatibility=check(path, named, feeds, shape))
