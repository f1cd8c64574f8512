"""Recovery without labels: what quantization lost is made good from unlabelled samples, one method per file."""

from .recover import SERVED, Recovered, recover

__all__ = ["SERVED", "Recovered", "recover"]
