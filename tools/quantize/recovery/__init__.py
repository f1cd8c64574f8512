"""Recovery without labels: what quantization lost is made good from unlabelled samples, one method per file."""

from .recover import SERVED, Built, Recovered, recover

__all__ = ["SERVED", "Built", "Recovered", "recover"]
