"""The machine that the priors were measured on, and how another one differs from it."""

from __future__ import annotations

from ...contracts import Compute, HostProbe, OperatorClass

Form = tuple[OperatorClass, Compute]

# int8 time / fp32 time of the `probe` tool on an AVX512-VNNI server (AMD EPYC, onnxruntime 1.32): medians of nine.
REFERENCE: dict[Form, float] = {
    ("conv_wide", "static"): 0.301,
    ("conv_narrow", "static"): 0.628,
    ("depthwise", "static"): 1.613,
    ("product_large", "static"): 0.319,
    ("product_large", "dynamic"): 0.335,
    ("product_small", "static"): 0.695,
    ("product_small", "dynamic"): 0.776,
    ("recurrent", "dynamic"): 0.417,
}
# What a processor without an int8 dot product makes of them, where it could not be measured.
WITHOUT_VNNI: dict[Form, float] = {
    ("conv_wide", "static"): 2.6,
    ("conv_narrow", "static"): 1.5,
    ("depthwise", "static"): 1.2,
    ("product_large", "static"): 1.4,
    ("product_large", "dynamic"): 1.4,
    ("product_small", "static"): 1.3,
    ("product_small", "dynamic"): 1.4,
    ("recurrent", "dynamic"): 1.6,
}
# Beyond their intervals, probes of one machine differ by so much: it must not change what is tried.
SAME = 1.15
LEAST, MOST = 0.5, 4.0


def scale(operators: OperatorClass, form: Compute, host: HostProbe) -> float:
    """Return int8 time / fp32 time of a form on `host`, as a multiple of the reference machine's."""
    measured, reference = host.time(operators, form), REFERENCE.get((operators, form))
    if reference is None:
        return 1.0
    if measured is None:
        return 1.0 if host.vnni else WITHOUT_VNNI[operators, form]
    if measured.interval.low / SAME <= reference <= measured.interval.high * SAME:
        return 1.0
    return min(max(measured.ratio / reference, LEAST), MOST)
