"""A weight of an LSTM as int8, in the layout of `DynamicQuantizeLSTM`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .rounding import FloatArray, Int8Array


@dataclass(frozen=True)
class RecurrentWeight:
    """What the operator reads.

    Attributes:
        integers: `(directions, inputs, gates × units)`.
        scales: `(directions, gates × units)`, or `(directions,)` where one serves all.
    """

    integers: Int8Array
    scales: FloatArray

    @classmethod
    def of(cls, rows: Int8Array, scales: FloatArray, directions: int) -> RecurrentWeight:
        """Return it from rows `(directions × gates × units, inputs)` and a scale each, which may be all the same."""
        integers = rows.reshape(directions, -1, rows.shape[1]).transpose(0, 2, 1)
        each = scales.reshape(directions, -1)
        one = bool(np.all(each == each[:, :1]))
        return cls(np.ascontiguousarray(integers), np.ascontiguousarray(each[:, 0] if one else each))

    @property
    def is_fine(self) -> bool:
        """Whether each gate and unit has a scale of its own."""
        return self.scales.ndim == 2
