"""What was measured of the machine itself, so that expectations fit it before a model was tried on it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Contract
from .metrics import Interval
from .recipe import Compute

OperatorClass = Literal["conv_wide", "conv_narrow", "depthwise", "product_large", "product_small", "recurrent"]


class Hardware(Contract):
    """A machine, as far as measurements depend on it.

    Attributes:
        fingerprint: measurements are comparable where it is equal.
        vnni: the processor multiplies int8 in one instruction.
        machine: the facts that the fingerprint is made of, for people.
    """

    fingerprint: str = Field(pattern=r"^[0-9a-f]{12}$")
    vnni: bool = False
    machine: dict[str, str] = {}


class FormTime(Contract):
    """int8 time / fp32 time of one class of operators in one form, one thread."""

    operators: OperatorClass
    form: Compute
    ratio: float
    interval: Interval


class HostProbe(Contract):
    """How this machine computes int8 against fp32, and how fast its memory is.

    Attributes:
        fingerprint: of the hardware; measurements are comparable where it is equal.
        runtime: name and version of the runtime that was timed.
        vnni: the processor multiplies int8 in one instruction.
        times: what was measured precisely enough; a class that is missing is judged by `vnni` alone.
        bandwidth_bytes_per_s: bytes read and written by a copy that no cache holds, one thread.
        seconds: spent on measuring.
        noise: half-width of the widest interval, as a share.
        source: `measured` here, `given` by the user, or `assumed` where measuring failed.
        note: why something is missing.
    """

    fingerprint: str
    runtime: str
    vnni: bool
    times: tuple[FormTime, ...] = ()
    bandwidth_bytes_per_s: float | None = None
    seconds: float = 0.0
    noise: float | None = None
    source: Literal["measured", "given", "assumed"] = "measured"
    note: str = ""

    def time(self, operators: OperatorClass, form: Compute) -> FormTime | None:
        """Return what was measured of a class in a form, or None where nothing precise enough was."""
        return next((item for item in self.times if (item.operators, item.form) == (operators, form)), None)
