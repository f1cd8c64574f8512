"""Text that is safe to show. Names that come from a model are hostile, whatever shows them."""

from __future__ import annotations

import math
import unicodedata

from ..contracts import Quantity, units

# Control codes drive a terminal, format characters turn text around, surrogates cannot be written at all.
_HOSTILE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def clean(text: object, limit: int = 500) -> str:
    r"""Return `text` on one line, without anything that steers a terminal or reverses reading order.

    What is taken out stays visible as an escape such as `\x1b`; text beyond `limit` characters is cut.
    """
    raw = str(text)
    shown = "".join(_visible(character) for character in raw[:limit])
    return f"{shown}…" if len(raw) > limit else shown


def _visible(character: str) -> str:
    if character in "\t\n\r":
        return " "
    if unicodedata.category(character) not in _HOSTILE:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def show(quantity: Quantity | None, absent: str = "–") -> str:
    """Return a quantity's value the way people write it, or `absent`."""
    return absent if quantity is None else units.format_value(quantity.value, quantity.unit)


def show_interval(quantity: Quantity | None) -> str:
    """Return the 95 % interval of a quantity as `low … high`, or nothing where there is none."""
    if quantity is None or quantity.interval is None:
        return ""
    low, high = (units.format_value(end, quantity.unit) for end in (quantity.interval.low, quantity.interval.high))
    return f"{low} … {high}"


def show_increase(value: float) -> str:
    """Return a relative change of an error, such as `+2 % error`."""
    percent = value * 100
    return "no change" if math.isclose(percent, 0, abs_tol=1e-9) else f"{percent:+.3g} % error".replace("-", "−")


def show_change(value: float) -> str:
    """Return a signed fraction in points, such as `−0.5 points`."""
    points = value * 100
    if math.isclose(points, 0, abs_tol=1e-9):
        return "no change"
    return f"{'+' if points > 0 else '−'}{abs(points):.3g} points"
