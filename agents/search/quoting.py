"""Words from outside as they may stand beside ours: on one line, bounded, without control codes, quoted."""

from __future__ import annotations

import unicodedata

# Control codes drive a terminal, format characters turn text around, surrogates cannot be written at all.
_HOSTILE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def plain(text: object, limit: int) -> str:
    """Return `text` on one line of at most `limit` characters, without control and format characters."""
    kept = "".join(" " if unicodedata.category(each) in _HOSTILE else each for each in str(text)[: 4 * limit])
    words = " ".join(kept.split())
    return words if len(words) <= limit else f"{words[: limit - 1]}…"


def quoted(text: object, limit: int) -> str:
    """Return `text` in quotation marks that it cannot close itself."""
    return f"“{plain(text, limit).translate({ord('“'): chr(39), ord('”'): chr(39), ord(chr(34)): chr(39)})}”"
