"""Tables and forms: columns that tell what is, and boxes that nobody ticked, are dropped.

`| | current | required |` above `| size | 51 MB | 14 MB |` leaves 14 MB; `[x] browser [ ] server` leaves the browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .items import Item

_BAR = "|"


def plain(sentences: Iterable[list[Item]]) -> Iterator[list[Item]]:
    """Yield sentences without what tables and forms only tell."""
    told: set[int] = set()
    for sentence in sentences:
        cells = _cells(sentence)
        if len(cells) > 2 and not any(item.measure for item in sentence):
            told = _told_columns(cells)
        elif len(cells) < 3:
            told = set()
        if sum(item.measure is not None for item in sentence) == 1 and not told:
            sentence = [item for item in sentence if item.text != _BAR]  # a name and its value
        left = [item for column, cell in enumerate(cells) if column not in told for item in cell if item.text != _BAR]
        yield _ticked(left if told else sentence)


def _cells(sentence: Sequence[Item]) -> list[list[Item]]:
    """Return the items between bars, each cell with the bar behind it."""
    cells: list[list[Item]] = [[]]
    for item in sentence:
        cells[-1].append(item)
        if item.kind == "mark" and item.text == _BAR:
            cells.append([])
    return cells


def _told_columns(cells: Sequence[Sequence[Item]]) -> set[int]:
    """Return the columns whose heading speaks of what is, where another speaks of what is wanted."""
    told = {at for at, cell in enumerate(cells) if any(item.has("present", "past", "reference") for item in cell)}
    wanted = any(item.has("goal", "upper", "lower", "targeting") for cell in cells for item in cell)
    return told if wanted else set()


def _ticked(sentence: list[Item]) -> list[Item]:
    """Drop what stands behind empty boxes, where another box is ticked."""
    places = [at for at, item in enumerate(sentence) if item.kind == "mark" and item.text == "["]
    empty = [at for at in places if at + 1 < len(sentence) and sentence[at + 1].text == "]"]
    if not empty or len(empty) == len(places):
        return sentence
    kept: list[Item] = []
    dropping = False
    for index, item in enumerate(sentence):
        opens = item.kind == "mark" and item.text == "["
        if opens:
            dropping = index + 1 < len(sentence) and sentence[index + 1].text == "]"
        if not dropping:
            kept.append(item)
    return kept
