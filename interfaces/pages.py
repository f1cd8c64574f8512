"""Self-contained pages: one policy of what may apply, one way of escaping."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .text import clean

if TYPE_CHECKING:
    from jinja2 import Environment


def content_digest(text: str) -> str:
    """Return what a content security policy calls `text`, so that only this very style or script may apply."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def style_sheet(path: Path) -> str:
    """Return a style sheet with the colours that all pages share before it."""
    palette = Path(__file__).with_name("palette.css")
    return "".join(each.read_text(encoding="utf-8") for each in (palette, path))


@cache
def environment(folder: Path) -> Environment:
    """Return the environment of the templates in `folder`: everything that they show is escaped and cleaned."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.finalize = _finalize
    return made


def _finalize(value: object) -> object:
    """Clean every text: control codes and characters that turn text around survive HTML escaping."""
    return clean(value, limit=4000) if type(value) is str else value
