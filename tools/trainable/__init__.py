"""The ONNX graph executed in torch, its initializers as parameters: what is trained is written back by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .graph import TrainableGraph
    from .plan import unsupported

__all__ = ["TrainableGraph", "unsupported"]


def __getattr__(name: str) -> Any:
    """Import torch at first use: the launcher, which forks, imports this package without."""
    from importlib import import_module

    homes = {"TrainableGraph": ".graph", "unsupported": ".plan"}
    if name not in homes:
        raise AttributeError(name)
    return getattr(import_module(homes[name], __name__), name)
