"""Grids: which real values the 256 codes of an 8-bit activation stand for.

Codes are counted as uint8 here; int8 holds the same values with codes moved by 128.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...contracts import IntegerType
from .clipping import Range

CODES = 255
SHIFT = 128  # between int8 and uint8
_TINY = float(np.finfo(np.float32).tiny)
_FEWEST = 4  # codes to a step: fewer would coarsen the grid by more than a quarter
_WHOLE = 1e-3  # of a code: less is rounding of float32 scales


@dataclass(frozen=True)
class CodeGrid:
    """A code stands for `scale · (code − zero)`."""

    scale: np.float32
    zero: int

    def parameters(self, kind: IntegerType) -> tuple[np.float32, np.uint8 | np.int8]:
        """Return scale and zero point as constants of an integer type."""
        return self.scale, code_of(self.zero, kind)

    def codes(self, distance: float) -> int | None:
        """Return how many codes `distance` is, None where that is not a whole number."""
        count = distance / float(self.scale)
        return round(count) if abs(count - round(count)) < _WHOLE * max(1.0, count / CODES) else None


UNIT = CodeGrid(np.float32(1 / CODES), 0)  # 0 to 1, both ends exact


def code_of(code: int, kind: IntegerType) -> np.uint8 | np.int8:
    """Return a code counted as uint8 in the integer type."""
    return np.uint8(code) if kind == "uint8" else np.int8(code - SHIFT)


def range_grid(span: Range, step: float | None = None) -> CodeGrid:
    """Return the finest grid over `span`, widened to hold zero exactly, and ±`step` too where that is given."""
    low, high = min(span.low, 0.0), max(span.high, 0.0)
    scale = max((high - low) / CODES, _TINY) if high > low else 1.0
    if step is not None and step >= _FEWEST * scale:
        scale = step / int(step / scale)
    scale = float(np.float32(scale))
    return CodeGrid(np.float32(scale), int(np.clip(np.rint(-low / scale), 0, CODES)))


def activation_scale(span: Range, kind: IntegerType = "uint8") -> tuple[np.float32, np.uint8 | np.int8]:
    """Return scale and zero point that map `span`, widened to hold zero exactly, to all values of the type."""
    return range_grid(span).parameters(kind)
