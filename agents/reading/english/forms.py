"""Forms of regular English verbs, so that a list of verbs need not name each."""

from __future__ import annotations

_VOWELS = "aeiou"


def verbs(bases: str) -> str:
    """Return the forms of verbs separated by `|`: `lower` → `lower|lowers|lowered|lowering`."""
    return "|".join(form for base in bases.split("|") for form in _forms(base))


def _forms(base: str) -> tuple[str, str, str, str]:
    if base.endswith("e"):
        return base, base + "s", base + "d", base[:-1] + "ing"
    if base.endswith("y") and base[-2] not in _VOWELS:
        return base, base[:-1] + "ies", base[:-1] + "ied", base + "ing"
    if base.endswith(("ss", "sh", "ch", "x", "z")):
        return base, base + "es", base + "ed", base + "ing"
    stem = base + base[-1] if _doubles(base) else base
    return base, base + "s", stem + "ed", stem + "ing"


def _doubles(base: str) -> bool:
    """Tell whether the last letter is doubled, as in `trim`: one short syllable that ends on one consonant."""
    ends = len(base) > 2 and base[-1] not in _VOWELS + "wxy" and base[-2] in _VOWELS and base[-3] not in _VOWELS
    return ends and sum(letter in _VOWELS for letter in base) == 1


def pairs(firsts: str, seconds: str) -> str:
    """Return each of some words before each of others: `lowest`, `latency|delay` → `lowest latency|lowest delay`."""
    return "|".join(f"{one} {two}" for one in firsts.split("|") for two in seconds.split("|"))
