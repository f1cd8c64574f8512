"""Give 8 bits to the smallest of the weights that are to be stored in 4: that costs next to no bytes.

First and last layers, position tables and the like are small and often the ones that 4 bits damage most. Measured:
of four models, the smallest weights that make up a hundredth of all bytes did two to five dB of the damage, and take
half a thousandth of the original's size more in 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...contracts import QuantizeStep
from .storage_units import StorageUnit

SHARE = 0.01


def sparing_step(step: QuantizeStep, units: Sequence[StorageUnit]) -> QuantizeStep:
    """Return the step with the smallest weights in blocks of int8, where all are to be stored in 4 bits.

    What the step names stays as it is named. The result leads to itself.

    Args:
        step: forms as they were asked for.
        units: all weights of the model that could be stored, of which integer operators may take some.
    """
    if step.storage != "int4":
        return step
    stored = [unit for unit in units if unit.op_type == "Gather" or unit.op_type not in step.compute]
    left, forms = SHARE * sum(unit.bytes for unit in units), dict(step.stored)
    for unit in sorted(stored, key=lambda each: (each.bytes, each.name)):
        left -= unit.bytes
        if left < 0:
            break
        forms.setdefault(unit.name, "int8_block")
    return step if forms == step.stored else step.model_copy(update={"stored": forms})
