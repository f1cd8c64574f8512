"""Pages in the dress of the report: one style sheet, one policy of what may apply, one way of escaping."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..text import clean

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent


def render_page(template: str, variables: Mapping[str, object]) -> str:
    """Return `template` of this folder as one HTML document: no script, no network, everything from outside escaped."""
    css = (_FOLDER / "report.css").read_text(encoding="utf-8")
    # Only this very stylesheet may apply: what slipped through escaping could not even bring its own style.
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return _environment().get_template(template).render(css=css, css_digest=digest, **variables)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.finalize = _finalize
    return environment


def _finalize(value: object) -> object:
    """Clean every text: control codes and characters that turn text around survive HTML escaping."""
    return clean(value, limit=4000) if type(value) is str else value
