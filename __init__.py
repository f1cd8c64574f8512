"""shipfit makes a model fit to ship.

It is given a model, a target and constraints, and gives back a model that meets every constraint, measured in the
runtime it will ship on, with the recipe that made it; or the original, untouched, with the evidence.

Importing this package imports nothing heavy: each public name is fetched from its module when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .agents.agent import DeploymentOptimizationAgent
    from .agents.monitor import OptimizationMonitor
    from .contracts import (
        Constraints,
        DeploymentConfig,
        OptimizationError,
        OptimizationResponse,
        Request,
        Target,
    )
    from .interfaces.product import deliver
    from .tools import (
        BenchmarkTool,
        CompatibilityChecker,
        ONNXOptimizer,
        PruningAdvisor,
        QuantizationTool,
        RuntimeOptimizer,
        TorchOptimizer,
        load,
    )

__version__ = "0.1.0"

__all__ = [
    "BenchmarkTool",
    "CompatibilityChecker",
    "Constraints",
    "DeploymentConfig",
    "DeploymentOptimizationAgent",
    "ONNXOptimizer",
    "OptimizationError",
    "OptimizationMonitor",
    "OptimizationResponse",
    "PruningAdvisor",
    "QuantizationTool",
    "Request",
    "RuntimeOptimizer",
    "Target",
    "TorchOptimizer",
    "__version__",
    "deliver",
    "load",
]

# Where each public name lives; the block above tells the same to type checkers, and a test holds them together.
_HOMES = {
    "ONNXOptimizer": ".tools",
    "BenchmarkTool": ".tools",
    "CompatibilityChecker": ".tools",
    "Constraints": ".contracts",
    "DeploymentConfig": ".contracts",
    "DeploymentOptimizationAgent": ".agents.agent",
    "OptimizationError": ".contracts",
    "OptimizationMonitor": ".agents.monitor",
    "OptimizationResponse": ".contracts",
    "PruningAdvisor": ".tools",
    "QuantizationTool": ".tools",
    "Request": ".contracts",
    "RuntimeOptimizer": ".tools",
    "Target": ".contracts",
    "TorchOptimizer": ".tools",
    "deliver": ".interfaces.product",
    "load": ".tools",
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
