"""Recovery without labels: what quantization lost is made good from unlabelled samples, one method per file."""

from .recover import PREPARATIONS, Recovered, recover

__all__ = ["PREPARATIONS", "Recovered", "recover"]
