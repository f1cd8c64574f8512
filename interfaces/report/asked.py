"""The request in words, with the passages that were understood, for the report."""

from __future__ import annotations

from dataclasses import dataclass

from ...contracts import Request, Understood
from ..asked import field_text, value_text
from ..text import clean


@dataclass(frozen=True)
class AskedView:
    """What the report shows of a request in words.

    Attributes:
        pieces: the words cut into pieces, each with whether something was read from it.
        rows: passage, field and value of what was read and stands.
        not_understood: passages of which nothing was used.
    """

    pieces: list[tuple[str, bool]]
    rows: list[tuple[str, str, str]]
    not_understood: list[str]


def asked_view(request: Request) -> AskedView | None:
    """Return the words of a request with what was read from them, None where it was given in numbers alone."""
    if request.words is None:
        return None
    spans = [each.span for each in request.understood]
    return AskedView(
        pieces=[(clean(text, len(request.words)), marked) for text, marked in _pieces(request.words, spans)],
        rows=[(clean(each.span), _field(each), value_text(each)) for each in request.understood],
        not_understood=[clean(each) for each in request.not_understood],
    )


def _field(read: Understood) -> str:
    return f"{field_text(read.field)} (read by the language model)" if read.by else field_text(read.field)


def _pieces(words: str, spans: list[str]) -> list[tuple[str, bool]]:
    """Cut words where spans begin and end."""
    covered = [False] * len(words)
    for span in spans:
        start = words.find(span)
        covered[start : start + len(span)] = [True] * len(span) if start >= 0 else []
    pieces: list[tuple[str, bool]] = []
    for character, marked in zip(words, covered, strict=True):
        if pieces and pieces[-1][1] == marked:
            pieces[-1] = (pieces[-1][0] + character, marked)
        else:
            pieces.append((character, marked))
    return pieces
