"""Recovery without labels: what quantization lost is made good from unlabelled samples, one method per file."""

from .recover import Built, Recovered, recover

__all__ = ["Built", "Recovered", "recover"]
