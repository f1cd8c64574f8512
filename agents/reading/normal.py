"""Tokens in the order that the grammar reads: units from headings, adverbs that say nothing, digits in groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from .lexicon import Lexicon
from .tokens import Token

_OPENING, _CLOSING = frozenset("[("), frozenset("])")
_LEADING = frozenset(":=<>≤≥~") | {"<=", ">=", "→"}
_REACH = 4  # how far behind a heading its number stands
_GROUP = re.compile(r"\d{3}")


def normal(tokens: Sequence[Token], lexicon: Lexicon) -> list[Token]:
    """Return tokens without what says nothing, with digits in groups joined and units beside their numbers."""
    return _with_units_of_headings(_grouped(_without_adverbs(tokens, lexicon)), lexicon)


def _without_adverbs(tokens: Sequence[Token], lexicon: Lexicon) -> list[Token]:
    """Drop `really` and its like, which stand in the middle of phrases: `I don't really care`."""
    kept: list[Token] = []
    for index, token in enumerate(tokens):
        word = token.text if token.kind == "word" else ""
        following = tokens[index + 1].text if index + 1 < len(tokens) else ""
        before = tokens[index - 1].text if index else ""
        if (
            word not in lexicon.adverbs
            and f"{word} {following}" not in lexicon.adverbs
            and (f"{before} {word}" not in lexicon.adverbs)
        ):
            kept.append(token)
    return kept


def _grouped(tokens: Sequence[Token]) -> list[Token]:
    """Join `1 000` where blanks, or apostrophes, part thousands."""
    out: list[Token] = []
    for token in tokens:
        before = out[-1] if out else None
        if before is not None and _goes_on(before, token):
            out[-1] = replace(
                before, end=token.end, value=before.value * 1000 + token.value, text=before.text + token.text
            )
        else:
            out.append(token)
    return out


def _goes_on(before: Token, token: Token) -> bool:
    numbers = before.kind == token.kind == "number" and token.start - before.end == 1
    return (
        numbers
        and before.text.isdigit()
        and bool(_GROUP.fullmatch(token.text))
        and 0 < before.value < 1e6
        and (len(before.text) <= 3 or (before.value >= 1000 and len(before.text) % 3 != 1))
    )


def _with_units_of_headings(tokens: Sequence[Token], lexicon: Lexicon) -> list[Token]:
    """Put the unit of `size [MB]: 9`, `latency in ms: 20` and `qps >= 250` behind the number."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        length, unit = _heading(tokens, at, lexicon)
        place = _number_behind(tokens, at + length, lexicon) if unit is not None else None
        if unit is None or place is None:
            out.append(tokens[at])
            at += 1
            continue
        number = tokens[place]
        out += [*tokens[at + length : place + 1], replace(unit, start=number.end, end=number.end)]
        at = place + 1
    return out


def _heading(tokens: Sequence[Token], at: int, lexicon: Lexicon) -> tuple[int, Token | None]:
    """Return how many tokens `[MB]`, `in ms` or `qps` takes, and the unit."""
    three = tokens[at : at + 3]
    if len(three) < 3:
        return 0, None
    counted = at and tokens[at - 1].kind == "number"  # `30 fps > 25` has its number
    if lexicon.units.get(three[0].text, ("",))[0] == "rate" and three[1].text in _LEADING and not counted:
        return 1, three[0]
    bracketed = three[0].text in _OPENING and three[2].text in _CLOSING
    if bracketed and three[1].text in lexicon.units and not {"upper", "lower"} & set(lexicon.single(three[1].text)):
        return 3, three[1]
    led = "inside" in lexicon.single(three[0].text) and three[1].text in lexicon.units and three[2].text in _LEADING
    return (2, three[1]) if led else (0, None)


def _number_behind(tokens: Sequence[Token], at: int, lexicon: Lexicon) -> int | None:
    """Return where the number stands that a colon or a comparison leads to, if it has no unit of its own."""
    for place in range(at, min(at + _REACH, len(tokens))):
        token = tokens[place]
        if token.kind == "number":
            following = tokens[place + 1].text if place + 1 < len(tokens) else ""
            return place if place > at and following not in lexicon.units else None
        if token.kind == "end" or (token.kind == "mark" and token.text not in _LEADING):
            return None
    return None
