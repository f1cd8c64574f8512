"""What a message wants, by rule: an answer, an order, a question, or else a wish that the readers of words read.

The rules speak of forms of sentences, never of models, files or figures. A wish that begins with an answer ("no, make
it 8 MB") is a wish.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .phrases import (
    AFTERTHOUGHTS,
    ANSWERED,
    FOUND,
    FRAME_LEFT,
    INTERROGATIVE,
    LIFTED,
    MANNERS,
    POLITE,
    SUPPOSED,
    WHOLE,
    WHY,
    Kind,
)


@dataclass(frozen=True)
class Intent:
    """What a message wants.

    Attributes:
        kind: `why` is any question about what happened; `wish` is everything that is no other kind.
        text: as said; of a `wish`, without manners and without an answer before it.
        supposed: of a `what_if`, what is supposed, as a wish.
    """

    kind: Kind
    text: str
    supposed: str = ""


def _rule(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE | re.DOTALL)


def _any(patterns: Iterable[str]) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


_Rules = tuple[tuple[Kind, re.Pattern[str]], ...]
_LEADING = _rule(rf"^(?:(?:{MANNERS})(?:[,.!:;-]+\s*|\s+))+(?=\S)")
_TRAILING = _rule(rf"[\s,]+(?:{AFTERTHOUGHTS})(?=[\s.!?]*$)")
_POLITE = _rule(rf"^(?:{_any(POLITE)})\s+")
_ANSWERED = _rule(rf"^(?:{ANSWERED})(?:\s*[,.;:!–—]\s*|\s+-\s+)(?:(?:but|and|instead|rather)\s+)?(?P<rest>\S.*)$")
_WHOLE: _Rules = tuple((kind, _rule(rf"^(?:{_any(words)})$")) for kind, words in WHOLE.items())
_FOUND: _Rules = tuple((kind, _rule(_any(words))) for kind, words in FOUND.items())
_SUPPOSED = tuple(_rule(rf"^{words}$") for words in SUPPOSED)
_WHY = _rule(rf"^(?:{WHY})\b")
_ASKS = _rule(rf"^(?:{INTERROGATIVE})\b")
_FRAME_LEFT = _rule(rf"^{FRAME_LEFT}\s+")
_LIFTED = _rule(rf"^{LIFTED}$")
_PARTS = re.compile(r"\s*[,;]\s*(?:and\s+|but\s+)?|\s*\.\s+|\s+(?:and|but)\s+", re.IGNORECASE)
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")
_MOST_SENTENCES = 6
# Longer messages are stories: they are read as wishes at once, whatever they hold.
_LONGEST_ORDER = 300


def classify(text: str) -> Intent:
    """Return what a message wants; any text has a kind."""
    said = " ".join(text.replace("’", "'").split())
    if len(said) > _LONGEST_ORDER:
        return Intent("wish", said)
    plain = _LEADING.sub("", said)
    bare = _TRAILING.sub("", plain).strip(" .!,?")
    order = _POLITE.sub("", bare)
    forms = tuple(dict.fromkeys(form for form in (said.strip(" .!,"), bare, order) if form))
    if (kind := _first(_WHOLE, forms, whole=True) or _first(_FOUND, forms[1:] or forms)) is not None:
        return Intent(kind, said)
    if _WHY.match(bare):
        return Intent("why", said)
    if (supposed := _supposed(bare)) is not None:
        return Intent("what_if", said, supposed)
    is_request = _POLITE.match(plain) is not None
    if (said.endswith("?") and not is_request) or _ASKS.match(bare):
        return Intent("why", said)
    return Intent("wish", _after_answer(plain))


def in_sequence(text: str) -> list[str]:
    """Return a message as what is to be done one after the other: sentences that are orders or questions by themselves.

    A yes or a no before a wish is not an answer by itself, and manners beside anything else are nothing.
    """
    sentences = [sentence for sentence in _SENTENCES.split(text) if sentence.strip()]
    if not 2 <= len(sentences) <= _MOST_SENTENCES:
        return [text]
    parts: list[tuple[Kind, str]] = []
    for sentence in sentences:
        kind = classify(sentence).kind
        kind = "wish" if kind in ("ask_first", "ask_never") else kind
        if parts and kind == parts[-1][0] == "wish":
            parts[-1] = (kind, f"{parts[-1][1]} {sentence}")
        else:
            parts.append((kind, sentence))
    kinds = {kind for kind, _ in parts}
    idle = {"greeting", "thanks"} if kinds - {"greeting", "thanks"} else set[Kind]()
    idle |= {"yes", "no"} if "wish" in kinds else set[Kind]()
    return [part for kind, part in parts if kind not in idle]


def lifted_in(text: str) -> tuple[tuple[str, ...], str]:
    """Return the quantities whose bounds a message takes back ("drop the size limit"), and the rest of its words."""
    parts = [part for part in _PARTS.split(text) if part]
    found = [(part, _LIFTED.match(_LEADING.sub("", part).strip(" .!"))) for part in parts]
    lifted = tuple(match["quantity"].lower() for _, match in found if match)
    return lifted, ", ".join(part for part, match in found if not match) if lifted else text


def asks_in(text: str) -> tuple[bool | None, str]:
    """Return whether a part of a message wants to be asked before anything is changed, and the rest of its words."""
    parts = [part for part in _PARTS.split(text) if part]
    kinds = [classify(part).kind for part in parts]
    asks = next((kind == "ask_first" for kind in kinds if kind in ("ask_first", "ask_never")), None)
    if asks is None:
        return None, text
    return asks, ", ".join(part for part, kind in zip(parts, kinds, strict=True) if kind[:4] != "ask_")


def without_frame(supposed: str) -> str:
    """Return what is supposed without what may be left before it: of "it had to be 5 MB", the amount."""
    return _FRAME_LEFT.sub("", supposed)


def _first(rules: _Rules, forms: tuple[str, ...], whole: bool = False) -> Kind | None:
    return next((kind for kind, rule in rules for form in forms if (rule.match if whole else rule.search)(form)), None)


def _supposed(bare: str) -> str | None:
    """Return what a message only supposes, as a wish; None where it supposes nothing."""
    found = next((match for rule in _SUPPOSED if (match := rule.match(bare)) is not None), None)
    return found["what"].strip() if found else None


def _after_answer(plain: str) -> str:
    found = _ANSWERED.match(plain)
    return found["rest"] if found else plain
