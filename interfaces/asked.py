"""What was asked for in words, field by field, the way people read it."""

from __future__ import annotations

from ..contracts import Constraints, Understood, label, units


def field_text(field: str) -> str:
    """Return the name of a field in words, such as `size`, `platform` or `do without`."""
    names = {"forbid": "do without", "allow_regression": "may get worse", "latency_statistic": "latency measured at"}
    return names.get(field) or label(field.removeprefix("target."))


def value_text(read: Understood) -> str:
    """Return a value with its unit and the side on which it bounds, as `≤ 10 MB`."""
    if isinstance(read.value, str):
        return read.value
    bound = next(iter(Constraints.model_validate({read.field: read.value}).bounds()))
    return f"{'≤' if bound.upper else '≥'} {units.format_value(bound.bound, bound.unit)}"
