"""What a machine is, in words that the terminal and the report share."""

from __future__ import annotations

from ..contracts import HostProbe, units

_CLASSES = {
    "conv_wide": "wide convolutions",
    "conv_narrow": "narrow convolutions",
    "depthwise": "depthwise convolutions",
    "product_large": "large products",
    "product_small": "small products",
    "recurrent": "LSTM",
}
_SOURCES = {"measured": "measured", "given": "given by hand", "assumed": "assumed"}


def int8_rows(host: HostProbe) -> list[tuple[str, str]]:
    """Return class of operators → how fast its int8 forms are against fp32."""
    found: dict[str, list[str]] = {}
    for item in host.times:
        found.setdefault(_CLASSES[item.operators], []).append(f"{item.form} {units.format_factor(1 / item.ratio)}")
    return [(name, ", ".join(forms)) for name, forms in found.items()]


def bandwidth_text(host: HostProbe) -> str:
    """Return the memory bandwidth of one thread."""
    rate = host.bandwidth_bytes_per_s
    return f"{units.format_bytes(rate)}/s copied by one thread" if rate else "not measured"


def host_text(host: HostProbe) -> str:
    """Return the probe in one line."""
    speeds = "; ".join(f"{name} {forms}" for name, forms in int8_rows(host))
    vnni = "an int8 dot product" if host.vnni else "no int8 dot product"
    words = f"{_SOURCES[host.source]}: {speeds}" if speeds else f"{_SOURCES[host.source]}: {vnni}"
    return f"{words} ({host.note})" if host.note else words
