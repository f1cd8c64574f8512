"""What a recalled outcome taught beyond what was to be expected."""

from __future__ import annotations

from .base import Contract


class Lesson(Contract):
    """By how much one past measurement differed from what priors had predicted for it.

    Attributes:
        forms: what the plan did to which kind of operator, such as `convolutions static` or `stored int8`.
        weight: 0 to 1, how much it tells of the present model.
        log_size: log of measured size / predicted size.
        log_speed: the same of the speedup, where it was measured on this hardware.
        fidelity_db: measured minus predicted fidelity.
    """

    forms: tuple[str, ...]
    weight: float
    log_size: float | None = None
    log_speed: float | None = None
    fidelity_db: float | None = None
