"""Whether the figures in a text stand in another: what a language model says may cite nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Names of forms, statistics and types, whose digits are no figures.
_NAME = re.compile(
    r"\b(?:u?int|bf|fp|float|top|conv|opset|avx)[-_]?\d+\w*|\bp(?:50|90|95|99)\b|\b(?:4|8|16|32)[-\s]?bits?\b",
    re.IGNORECASE,
)
_FIGURE = re.compile(
    r"(?P<sign>(?<![\d.])[-−+])?(?P<number>\d+(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+)(?:e(?P<power>[-+]?\d+))?"
    r"\s*(?P<unit>%|‰|×|µs|[^\W\d_]+|/s)?",
    re.IGNORECASE,
)
_UNITS = {
    "%": "%", "percent": "%", "pct": "%", "×": "×", "x": "×", "times": "×", "fold": "×", "ms": "ms",
    "millisecond": "ms", "milliseconds": "ms", "s": "s", "sec": "s", "second": "s", "seconds": "s",
    "µs": "µs", "us": "µs", "db": "dB",
    "decibel": "dB", "decibels": "dB", "b": "B", "byte": "B", "bytes": "B", "kb": "kB", "mb": "MB", "gb": "GB",
    "mib": "MiB", "kib": "KiB", "gib": "GiB", "/s": "/s", "point": "points", "points": "points",
}  # fmt: skip
# Words that are figures. "One" is left out: it is an article more often than not.
_WORDS = {
    "half": 0.5, "halve": 0.5, "halved": 0.5, "halves": 0.5, "quarter": 0.25, "third": 1 / 3, "twice": 2, "double": 2,
    "doubled": 2, "doubles": 2, "two": 2, "triple": 3, "tripled": 3, "triples": 3, "three": 3, "thrice": 3, "four": 4,
    "quadruple": 4, "quadrupled": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "hundred": 100, "thousand": 1000, "million": 1e6, "billion": 1e9, "dozen": 12,
}  # fmt: skip
# "Half precision" and the like name a form.
_WORD_NAMES = re.compile(r"\bhalf[-\s](?:precision|float)", re.IGNORECASE)


class Figure(NamedTuple):
    """A number as it is written: its value, how many decimals it has, and its unit, empty without a known one."""

    value: float
    decimals: int
    unit: str


def figures(text: str) -> Iterator[Figure]:
    """Yield the figures of a text, those that are written as words included."""
    text = _WORD_NAMES.sub(" ", _NAME.sub(" ", text))
    for found in _FIGURE.finditer(text):
        written = found["number"].replace(",", "")
        value = float(f"{written}e{found['power'] or 0}")
        decimals = len(written.partition(".")[2])
        yield Figure(value, decimals, _UNITS.get((found["unit"] or "").lower(), ""))
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in _WORDS:
            yield Figure(_WORDS[word], 2, "")


def stands_in(text: str, given: str) -> bool:
    """Tell whether every figure of `text` stands in `given`, rounded as it may be, in its unit.

    Signs are let go, because "lost 0.5 points" and "-0.5 points" say the same.
    """
    known = list(figures(given))
    return all(any(_is(cited, other) for other in known) for cited in figures(text))


def sentences(text: str) -> list[str]:
    """Return the sentences of a text."""
    return [part.strip() for part in re.split(r"(?<=[.!?;])\s+", text) if part.strip()]


def _is(cited: Figure, known: Figure) -> bool:
    if cited.unit and cited.unit != known.unit:
        return False
    # What is cited with fewer decimals is rounded: 3.1 stands for 3.12, 3.12 not for 3.1.
    least = 10.0**-cited.decimals / 2
    return (cited.decimals <= known.decimals and abs(cited.value - known.value) <= least * (1 + 1e-9)) or (
        abs(cited.value - known.value) < 1e-9 * max(abs(known.value), 1.0)
    )
