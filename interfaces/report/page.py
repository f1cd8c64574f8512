"""Pages in the dress of the report: one style sheet, no script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..pages import content_digest, environment, style_sheet

_FOLDER = Path(__file__).parent


def render_page(template: str, variables: Mapping[str, object]) -> str:
    """Return `template` of this folder as one HTML document: no script, no network, everything from outside escaped."""
    css = style_sheet(_FOLDER / "report.css")
    return environment(_FOLDER).get_template(template).render(css=css, css_digest=content_digest(css), **variables)
