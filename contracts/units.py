"""Read and print sizes, durations, shares, levels and rates the way people write them.

The words that people use are matched here, which also makes the error of an unknown unit cheap;
arithmetic between units is pint's. MB is 10^6 bytes and MiB 2^20.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

from .errors import RequestError

_NUMBER = re.compile(r"^\s*([+-]?(?:\d[\d,_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s].*?)?\s*$")

# Written form (case folded) → pint's unit. Bits are not offered: "Mb" in a request for a size means bytes.
_BYTES = {
    "": "byte", "b": "byte", "byte": "byte", "bytes": "byte",
    "k": "kilobyte", "kb": "kilobyte", "m": "megabyte", "mb": "megabyte", "g": "gigabyte", "gb": "gigabyte",
    "tb": "terabyte", "pb": "petabyte", "kib": "kibibyte", "mib": "mebibyte", "gib": "gibibyte", "tib": "tebibyte",
    "kilobytes": "kilobyte", "megabytes": "megabyte", "gigabytes": "gigabyte",
    "kilobyte": "kilobyte", "megabyte": "megabyte", "gigabyte": "gigabyte",
}  # fmt: skip
_DURATIONS = {
    "ns": "nanosecond", "us": "microsecond", "µs": "microsecond", "μs": "microsecond", "ms": "millisecond",
    "msec": "millisecond", "millisecond": "millisecond", "milliseconds": "millisecond",
    "s": "second", "sec": "second", "secs": "second", "second": "second", "seconds": "second",
    "m": "minute", "min": "minute", "mins": "minute", "minute": "minute", "minutes": "minute",
    "h": "hour", "hr": "hour", "hour": "hour", "hours": "hour",
    "d": "day", "day": "day", "days": "day",
}  # fmt: skip
_SHARES = {"": "dimensionless", "%": "percent", "percent": "percent", "pct": "percent", "pt": "percent",
           "point": "percent", "points": "percent", "pp": "percent"}  # fmt: skip
_PER = re.compile(r"^(?:/|per)\s*(\S+)$|^hz$|^(?:qps|rps|ips|fps)$")


# Defining only what the tables above use is twice as fast as pint's own list, which counts where an argument is wrong.
_DEFINITIONS = (
    "nano- = 1e-9 = n-", "micro- = 1e-6 = µ- = μ- = u-", "milli- = 1e-3 = m-",
    "kilo- = 1e3 = k-", "mega- = 1e6 = M-", "giga- = 1e9 = G-", "tera- = 1e12 = T-", "peta- = 1e15 = P-",
    "kibi- = 2**10 = Ki-", "mebi- = 2**20 = Mi-", "gibi- = 2**30 = Gi-", "tebi- = 2**40 = Ti-",
    "byte = [information] = B", "percent = 0.01 = %",
    "second = [time] = s", "minute = 60 * second = min", "hour = 60 * minute = h", "day = 24 * hour = d",
)  # fmt: skip


@cache
def _registry() -> Any:
    import pint

    make: Any = pint.UnitRegistry
    registry = make(None, cache_folder=None)
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry


def _split(text: str | float, what: str, example: str) -> tuple[float, str]:
    match = _NUMBER.match(str(text))
    if match is None:
        raise RequestError(f"{what} {str(text)[:80]!r} is not a number with a unit; write it like {example}")
    number = float(match[1].replace(",", "").replace("_", ""))
    if not math.isfinite(number):
        raise RequestError(f"{what} {str(text)[:80]!r} is not finite; write it like {example}")
    return number, (match[2] or "").strip().casefold()


def _convert(text: str | float, what: str, example: str, table: dict[str, str], unit: str) -> float:
    number, word = _split(text, what, example)
    if word not in table:
        raise RequestError(
            f"{what} {str(text)[:80]!r} has an unknown unit {word or '(none)'!r}; write it like {example}"
        )
    return float(_registry().Quantity(number, table[word]).to(unit).magnitude)


def _positive(value: float, text: str | float, what: str) -> float:
    if value <= 0:
        raise RequestError(f"{what} {str(text)[:80]!r} must be greater than zero")
    return value


def parse_bytes(text: str | float, what: str = "size") -> int:
    """Return bytes from `10MB`, `10 MiB`, `512 kB` or a bare number of bytes.

    Raises:
        RequestError: no number, an unknown unit, or not greater than zero.
    """
    return max(1, round(_positive(_convert(text, what, "10MB or 10 MiB", _BYTES, "byte"), text, what)))


def parse_milliseconds(text: str | float, what: str = "duration") -> float:
    """Return milliseconds from `50ms`, `0.05 s`, `200 µs`; a bare number is milliseconds."""
    table = {"": "millisecond", **_DURATIONS}
    return _positive(_convert(text, what, "50ms or 0.05 s", table, "millisecond"), text, what)


def parse_seconds(text: str | float, what: str = "time") -> float:
    """Return seconds from `10m`, `90 s`, `1h`; a bare number is seconds."""
    table = {"": "second", **_DURATIONS}
    return _positive(_convert(text, what, "10m or 90 s", table, "second"), text, what)


def parse_share(text: str | float, what: str = "share") -> float:
    """Return a fraction from `99.5%`, `0.995` or `half a point` written as `0.5 pt`."""
    return _convert(text, what, "99.5% or 0.995", _SHARES, "dimensionless")


def parse_decibels(text: str | float, what: str = "fidelity") -> float:
    """Return decibels from `30 dB` or a bare number. A level, so no linear conversion applies."""
    number, word = _split(text, what, "30dB")
    if word not in {"", "db", "decibel", "decibels"}:
        raise RequestError(f"{what} {str(text)[:80]!r} has an unknown unit {word!r}; write it like 30dB")
    return number


def parse_rate(text: str | float, what: str = "throughput") -> float:
    """Return events per second from `100/s`, `6000 per minute`, `100 qps` or a bare number."""
    number, word = _split(text, what, "100/s")
    match = _PER.match(word)
    if word and match is None:
        raise RequestError(f"{what} {str(text)[:80]!r} has an unknown unit {word!r}; write it like 100/s")
    unit = match[1] if match and match[1] else "s"
    if unit not in _DURATIONS:
        raise RequestError(f"{what} {str(text)[:80]!r} has an unknown unit {word!r}; write it like 100/s")
    value = float(_registry().Quantity(number, f"1/{_DURATIONS[unit]}").to("1/second").magnitude)
    return _positive(value, text, what)


def parse_factor(text: str | float, what: str = "speedup") -> float:
    """Return a factor from `2`, `2x`, `2×` or `150%`."""
    number, word = _split(text, what, "2 or 2x")
    if word not in {"", "x", "×", "times", "%"}:
        raise RequestError(f"{what} {str(text)[:80]!r} has an unknown unit {word!r}; write it like 2 or 2x")
    return _positive(number / 100 if word == "%" else number, text, what)


def is_share(text: str | float, what: str = "bound") -> bool:
    """Tell whether `text` is written as a share (`30%`) rather than as an amount."""
    return isinstance(text, str) and _split(text, what, "10MB or 30%")[1] in {"%", "percent", "pct"}


def _compact(value: float, unit: str) -> str:
    quantity = _registry().Quantity(value, unit)
    if 1e-24 <= abs(value) < math.inf:  # pint knows no prefix for what lies beyond, and none for infinity
        quantity = quantity.to_compact()
    return f"{quantity.magnitude:.4g} {quantity.units:~P}"


def format_bytes(value: float) -> str:
    """Return bytes in decimal units, as `2.31 MB`."""
    return "0 B" if value == 0 else _compact(value, "byte")


def format_milliseconds(value: float) -> str:
    """Return milliseconds as `250 µs`, `1.52 ms` or `2 s`."""
    if value >= 1e6:
        return f"{value / 1000:.6g} s"  # nobody writes kiloseconds
    return "0 ms" if value == 0 else _compact(value, "millisecond")


def format_seconds(value: float) -> str:
    """Return seconds as `12.3 s`, as `7.8 ms` below a tenth, or `2 min 5 s` from two minutes on."""
    if value < 0.1:
        return format_milliseconds(value * 1000)
    if value < 120 or not math.isfinite(value):
        return f"{value:.3g} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"


def format_share(value: float) -> str:
    """Return a fraction as `99.5 %`."""
    return f"{value * 100:.4g} %"


def format_decibels(value: float) -> str:
    """Return a level as `30 dB`; bit-equal outputs print as `exact`."""
    return "exact" if math.isinf(value) and value > 0 else f"{value:.3g} dB"


def format_rate(value: float) -> str:
    """Return a rate as `100 /s` or `14,240 /s`."""
    return f"{value:,.0f} /s" if value >= 1000 else f"{value:.4g} /s"


def format_factor(value: float) -> str:
    """Return a factor as `2.5×`."""
    return f"{value:.3g}×"


def format_number(value: float) -> str:
    """Return a number in a unit that only its owner knows."""
    return f"{value:.4g}"


_FORMATS = {
    "bytes": format_bytes,
    "ms": format_milliseconds,
    "s": format_seconds,
    "fraction": format_share,
    "dB": format_decibels,
    "1/s": format_rate,
    "ratio": format_factor,
    "value": format_number,
}


def format_value(value: float, unit: str) -> str:
    """Print `value` of one of the contract units (`bytes`, `ms`, `s`, `fraction`, `dB`, `1/s`, `ratio`, `value`)."""
    return _FORMATS[unit](value) if unit in _FORMATS else f"{value:.4g} {unit}".strip()
