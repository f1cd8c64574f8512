"""Machines as the probe finds them, so that tests neither wait for a measurement nor depend on where they run."""

from __future__ import annotations

from shipfit.agents.search.reference import REFERENCE
from shipfit.contracts import FormTime, HostProbe, Interval


def make_host(fingerprint: str = "h", vnni: bool = True, slower: float = 1.0, **changes: object) -> HostProbe:
    """The reference machine, or one whose int8 takes `slower` times as long, but never longer than fp32 by much."""
    times = tuple(
        FormTime(operators=operators, form=form, ratio=ratio, interval=Interval(low=ratio * 0.98, high=ratio * 1.02))
        for (operators, form), known in REFERENCE.items()
        for ratio in [min(known * slower, max(known, 1.1))]
    )
    probe = HostProbe(
        fingerprint=fingerprint, runtime="onnxruntime 1.32.0", vnni=vnni, times=times, bandwidth_bytes_per_s=2.5e10,
        seconds=1.5, noise=0.02,
    )  # fmt: skip
    return probe.model_copy(update=changes)


WITH_VNNI = make_host()
# int8 gains nothing here, as on processors that multiply 8-bit numbers in three instructions.
WITHOUT_VNNI = make_host("older", vnni=False, slower=4.0)
