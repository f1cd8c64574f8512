"""Read and print sizes, durations, shares, levels and rates the way people write them. MB is 10^6 bytes and MiB 2^20.

A table of words and factors is all that this needs. A library for units would be loaded in the middle of whatever is
told first, which people then wait for.
"""

from __future__ import annotations

import math
import re

from .errors import RequestError

_NUMBER = re.compile(r"^\s*([+-]?(?:\d[\d,_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s].*?)?\s*$")

_KB, _MB, _GB, _TB, _PB = (10**power for power in (3, 6, 9, 12, 15))
_US, _MS, _S, _MIN, _HOUR, _DAY = 10**3, 10**6, 10**9, 60 * 10**9, 3600 * 10**9, 86_400 * 10**9
# Written form (case folded) → bytes. Bits are not offered: "Mb" in a request for a size means bytes.
_BYTES = {
    "": 1, "b": 1, "byte": 1, "bytes": 1,
    "k": _KB, "kb": _KB, "m": _MB, "mb": _MB, "g": _GB, "gb": _GB, "tb": _TB, "pb": _PB,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
    "kilobytes": _KB, "megabytes": _MB, "gigabytes": _GB, "kilobyte": _KB, "megabyte": _MB, "gigabyte": _GB,
}  # fmt: skip
# Written form → nanoseconds: whole numbers, so that no factor is a rounded one.
_DURATIONS = {
    "ns": 1, "us": _US, "µs": _US, "μs": _US, "ms": _MS, "msec": _MS, "millisecond": _MS, "milliseconds": _MS,
    "s": _S, "sec": _S, "secs": _S, "second": _S, "seconds": _S,
    "m": _MIN, "min": _MIN, "mins": _MIN, "minute": _MIN, "minutes": _MIN,
    "h": _HOUR, "hr": _HOUR, "hour": _HOUR, "hours": _HOUR, "d": _DAY, "day": _DAY, "days": _DAY,
}  # fmt: skip
# Written form → hundredths.
_SHARES = {"": 100, "%": 1, "percent": 1, "pct": 1, "pt": 1, "point": 1, "points": 1, "pp": 1}
_PER = re.compile(r"^(?:/|per)\s*(\S+)$|^hz$|^(?:qps|rps|ips|fps)$")
# Prefixes that are printed, by their power of ten.
_PREFIXES = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}


def _split(text: str | float, what: str, example: str) -> tuple[float, str]:
    match = _NUMBER.match(str(text))
    if match is None:
        raise RequestError(f"{what} {str(text)[:80]!r} is not a number with a unit; write it like {example}")
    number = float(match[1].replace(",", "").replace("_", ""))
    if not math.isfinite(number):
        raise RequestError(f"{what} {str(text)[:80]!r} is not finite; write it like {example}")
    return number, (match[2] or "").strip().casefold()


def _convert(text: str | float, what: str, example: str, table: dict[str, int], unit: int) -> float:
    number, word = _split(text, what, example)
    if word not in table:
        raise RequestError(
            f"{what} {str(text)[:80]!r} has an unknown unit {word or '(none)'!r}; write it like {example}"
        )
    return number * table[word] / unit


def _positive(value: float, text: str | float, what: str) -> float:
    if value <= 0:
        raise RequestError(f"{what} {str(text)[:80]!r} must be greater than zero")
    return value


def parse_bytes(text: str | float, what: str = "size") -> int:
    """Return bytes from `10MB`, `10 MiB`, `512 kB` or a bare number of bytes.

    Raises:
        RequestError: no number, an unknown unit, or not greater than zero.
    """
    return max(1, round(_positive(_convert(text, what, "10MB or 10 MiB", _BYTES, 1), text, what)))


def parse_milliseconds(text: str | float, what: str = "duration") -> float:
    """Return milliseconds from `50ms`, `0.05 s`, `200 µs`; a bare number is milliseconds."""
    table = {"": _MS, **_DURATIONS}
    return _positive(_convert(text, what, "50ms or 0.05 s", table, _MS), text, what)


def parse_seconds(text: str | float, what: str = "time") -> float:
    """Return seconds from `10m`, `90 s`, `1h`; a bare number is seconds."""
    table = {"": _S, **_DURATIONS}
    return _positive(_convert(text, what, "10m or 90 s", table, _S), text, what)


def parse_share(text: str | float, what: str = "share") -> float:
    """Return a fraction from `99.5%`, `0.995` or `half a point` written as `0.5 pt`."""
    return _convert(text, what, "99.5% or 0.995", _SHARES, 100)


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
    return _positive(number * _S / _DURATIONS[unit], text, what)


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
    """Return `value` of `unit` with the prefix that leaves one to three digits before the point."""
    if value == 0 or not math.isfinite(value):
        return f"{abs(value) if value == 0 else value:.4g} {unit}"
    power = math.floor(math.log10(abs(value)) / 3) * 3
    power = min(max(power, min(_PREFIXES)), max(_PREFIXES))
    return f"{value / 10.0**power:.4g} {_PREFIXES[power]}{unit}"


def format_bytes(value: float) -> str:
    """Return bytes in decimal units, as `2.31 MB`."""
    return _compact(value, "B")


def format_milliseconds(value: float) -> str:
    """Return milliseconds as `250 µs`, `1.52 ms` or `2 s`."""
    if value >= 1e6:
        return f"{value / 1000:.6g} s"  # nobody writes kiloseconds
    return "0 ms" if value == 0 else _compact(value / 1000, "s")


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
