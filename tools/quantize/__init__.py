"""Quantize: int8 compute (static, dynamic) and small storage of weights, with the damage that each unit does."""

from .compose import quantize

__all__ = ["quantize"]
