"""Deterministic work on models: admit, inspect, transform, run, measure, check.

The tools of this package are usable alone. Importing it imports nothing heavy: each public name is fetched from
its module when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .advisor import PruningAdvisor
    from .compatibility import CompatibilityChecker
    from .measure.product import load
    from .measure.tool import BenchmarkTool
    from .onnx_optimizer import ONNXOptimizer
    from .pytorch.optimizer import TorchOptimizer
    from .quantize.tool import QuantizationTool
    from .runtime_optimizer import RuntimeOptimizer

__all__ = [
    "BenchmarkTool",
    "CompatibilityChecker",
    "ONNXOptimizer",
    "PruningAdvisor",
    "QuantizationTool",
    "RuntimeOptimizer",
    "TorchOptimizer",
    "load",
]

_HOMES = {
    "ONNXOptimizer": ".onnx_optimizer",
    "BenchmarkTool": ".measure.tool",
    "CompatibilityChecker": ".compatibility",
    "PruningAdvisor": ".advisor",
    "QuantizationTool": ".quantize.tool",
    "RuntimeOptimizer": ".runtime_optimizer",
    "TorchOptimizer": ".pytorch.optimizer",
    "load": ".measure.product",
}


def __getattr__(name: str) -> object:
    """Fetch a public name from its module and keep it here."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
