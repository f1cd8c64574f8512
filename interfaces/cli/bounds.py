"""Bounds and other amounts as people write them, on the command line and in a configuration file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ...contracts import Constraints, RequestError, units

Parse = Callable[[str, str], float]
_SHAPE = re.compile(r"^\d+(?:[,x]\d+)*$")


def _fraction(text: str, what: str) -> float:
    value = units.parse_share(text, what)
    if value > 1:
        raise RequestError(f"{what} {text[:80]!r} is more than 100%; write it like 95% or 0.95")
    return value


# Short name, as in options → the field of `Constraints` and how its text is read.
_SHORT: dict[str, tuple[str, Parse]] = {
    "max_latency": ("max_latency_ms", units.parse_milliseconds),
    "min_speedup": ("min_speedup", units.parse_factor),
    "min_throughput": ("min_throughput_per_s", units.parse_rate),
    "min_accuracy": ("min_accuracy", _fraction),
    "max_drop": ("max_accuracy_drop", _fraction),
    "min_fidelity": ("min_fidelity_db", units.parse_decibels),
    "min_logits_fidelity": ("min_logits_fidelity_db", units.parse_decibels),
}
# Field of `Constraints` → how its text is read, for files that use the names of contracts.
_LONG: dict[str, Parse] = {
    **dict(_SHORT.values()),
    "max_size_bytes": units.parse_bytes,
    "max_size_ratio": units.parse_share,
    "max_memory_bytes": units.parse_bytes,
    "max_memory_ratio": units.parse_share,
}
# Given as an amount or as a share of the original.
_EITHER = {"max_size": ("max_size_bytes", "max_size_ratio"), "max_memory": ("max_memory_bytes", "max_memory_ratio")}

BOUND_NAMES = frozenset({*_SHORT, *_LONG, *_EITHER, "latency_statistic"})


def bound_fields(name: str) -> tuple[str, ...]:
    """Return the fields of `Constraints` that a short name may set."""
    return _EITHER[name] if name in _EITHER else (_SHORT[name][0] if name in _SHORT else name,)


def read_bound(name: str, value: object, what: str) -> tuple[str, float]:
    """Return the field of `Constraints` that `name` means, and its value in the field's unit.

    Args:
        name: a short name (`max_size`), or a field of `Constraints`.
        value: text with a unit, or a number in the field's unit.
        what: how to call it in an error, such as `--max-size`.

    Raises:
        RequestError: no number, an unknown unit, or nothing that this bound can be.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RequestError(f"{what} must be a number with a unit, not {str(value)[:80]!r}")
    text = str(value)
    if name in _EITHER:
        return _amount_or_share(name, text, what)
    field, parse = _SHORT[name] if name in _SHORT else (name, _LONG[name])
    return field, parse(text, what)


def _amount_or_share(name: str, text: str, what: str) -> tuple[str, float]:
    amount, share = _EITHER[name]
    if units.is_share(text, what):
        return share, units.parse_share(text, what)
    number = text.strip()
    # parse_bytes would round 0.3 up to one byte, which is not what anyone means.
    if re.fullmatch(r"0?\.\d+", number):
        raise RequestError(f"{what} {text[:80]!r} is less than a byte; write a share of the original like 30%")
    return amount, units.parse_bytes(text, what)


def read_bounds(given: Mapping[str, Any], call: Callable[[str], str]) -> dict[str, Any]:
    """Return `given` bounds under the names of `Constraints`; `call` names a bound in an error.

    Raises:
        RequestError: a bound that cannot be read, or the same one given under two names.
    """
    bounds: dict[str, Any] = {}
    for name, value in given.items():
        field, number = (name, value) if name == "latency_statistic" else read_bound(name, value, call(name))
        if field in bounds:
            raise RequestError(f"{call(name)} is given twice; give one of them")
        bounds[field] = number
    return bounds


def read_shape(text: str, what: str = "--shape") -> tuple[str, tuple[int, ...]]:
    """Return input name and dimensions from `name=1,3,224,224`.

    Raises:
        RequestError: another form.
    """
    name, equals, dimensions = text.rpartition("=")
    if not equals or not name:
        raise RequestError(f"{what} {text[:80]!r} names no input; write it like input=1,3,224,224")
    return name, read_dimensions(dimensions, what)


def read_dimensions(text: str, what: str) -> tuple[int, ...]:
    """Return the positive whole numbers of `1,3,224,224`.

    Raises:
        RequestError: another form, or a dimension of zero.
    """
    compact = text.replace(" ", "")
    if not _SHAPE.match(compact) or len(compact) > 200:
        raise RequestError(f"{what}: {text[:80]!r} are no dimensions; write them like 1,3,224,224")
    sizes = tuple(int(size) for size in re.split("[,x]", compact))
    if 0 in sizes:
        raise RequestError(f"{what}: a dimension of 0 holds nothing; write the sizes the model will see")
    return sizes


def read_shapes(texts: list[str]) -> dict[str, tuple[int, ...]]:
    """Return input name → dimensions from several `--shape` options."""
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, sizes = read_shape(text)
        if name in shapes:
            raise RequestError(f"--shape gives {name[:80]!r} twice; give it once")
        shapes[name] = sizes
    return shapes


def assert_complete() -> None:
    """Hold the tables above to the fields of `Constraints`; a test calls it."""
    missing = set(Constraints.model_fields) - set(_LONG) - {"latency_statistic"}
    if missing:
        raise AssertionError(f"bounds without a reader: {sorted(missing)}")
