"""What a run's language model was used for, in words that the terminal and the report share."""

from __future__ import annotations

from ..contracts import LanguageUse, units
from .text import clean

# More reasons than this are counted, not told.
MOST_REASONS = 3


def language_line(use: LanguageUse) -> str:
    """Return everything in one line."""
    rest = [f"{name} {value}" for name, value in language_rows(use)[1:]]
    return f"language model {clean(use.model)}: {', '.join(rest)}"


def language_rows(use: LanguageUse) -> list[tuple[str, str]]:
    """Return (what, how much), the model first."""
    if not use.calls:
        return [("model", clean(use.model)), ("not used:", clean(use.note or "nothing was asked", 400))]
    cost = "no known price" if use.cost_usd is None else f"{use.cost_usd:.4f} US dollars"
    rows = [
        ("model", clean(use.model)),
        ("requests", f"{use.calls}, {use.constrained} of them held to a schema"),
        ("tokens in and out", f"{use.input_tokens:,} and {use.output_tokens:,}"),
        ("cost", cost),
        ("time", units.format_seconds(use.seconds)),
        ("answers repaired", str(use.repaired)),
        ("questions without an answer", str(use.failed)),
    ]
    told = [clean(reason, 400) for reason in use.took_over[:MOST_REASONS]]
    more = len(use.took_over) - len(told)
    if told:
        rows.append(("the built-in policy took over for", "; ".join(told) + (f"; and {more} more" if more else "")))
    return rows
