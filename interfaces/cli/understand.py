"""`shipfit understand`: what words mean as a request; runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as opt

if TYPE_CHECKING:
    from ...contracts import Understanding


def understand(
    words: Annotated[str, typer.Argument(metavar="WORDS", help="A request, such as 'under 10 MB and twice as fast'.")],
    llm: opt.Llm = None,
    json: opt.Json = False,
) -> int:
    """Show what WORDS ask for, from which passage each field came, and what was not understood."""
    from .console import print_json

    understanding = _read(words, {} if llm is None else {"name": llm})
    if json:
        print_json(understanding)
    else:
        print_understanding(understanding)
    return 0


def _read(words: str, llm: dict[str, Any]) -> Understanding:
    """Return what the words mean; too many of them are told as one passage that was not understood."""
    from ...contracts import MAX_WORDS, RequestError, Understanding
    from .console import say
    from .seam import open_reader

    try:
        reader = open_reader()
        understanding = reader.read(words, llm)
    except RequestError as error:
        say(error.message)
        return Understanding(not_understood=(words[:MAX_WORDS],))
    if reader.note:
        say(f"language model: {reader.note}")
    reader.advised.close()
    return understanding


def print_understanding(understanding: Understanding) -> None:
    """Print span → field → value, and what is left, on stdout."""
    from rich.table import Table

    from ..text import clean
    from .console import results
    from .words import SHOWN, understanding_rows

    console = results()
    rows = understanding_rows(understanding.understood)
    if rows:
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
        for heading in ("words", "field", "value", "read by"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for passage in understanding.not_understood:
        console.print(f"not understood: “{clean(passage, SHOWN)}”", style="yellow")
    for told in understanding.differences:
        console.print(f"read in two ways: {clean(told, 2 * SHOWN)}", style="yellow")
    for sentence in understanding.contradictions:
        console.print(f"contradiction: {clean(sentence)}", style="red")
    if missing := _missing(understanding):
        console.print(f"missing: {missing}", style="yellow")


def _missing(understanding: Understanding) -> str:
    if understanding.asks:
        return ""
    return "a constraint or an objective, such as 'under 10 MB', 'twice as fast' or 'as small as possible'"
