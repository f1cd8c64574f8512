"""The files of the page, held in memory: nothing else can be asked for."""

from __future__ import annotations

from pathlib import Path, PurePath

from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..pages import style_sheet
from .script import bundled

_STATIC = Path(__file__).with_name("static")
_STYLE = '<link rel="stylesheet" href="page.css">'
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Pages:
    """The page with its style in it, its script, and its icon, by name: a first paint takes one answer."""

    def __init__(self) -> None:
        page = (_STATIC / "index.html").read_text(encoding="utf-8")
        self._files = {
            "index.html": page.replace(_STYLE, f"<style>{page_style()}</style>").encode(),
            "main.js": bundled(_STATIC / "main.js").encode(),
            "icon.svg": (_STATIC / "icon.svg").read_bytes(),
        }

    async def front(self) -> Response:
        """Answer with the page."""
        return await self.file("index.html")

    async def file(self, name: str) -> Response:
        """Answer with a file of the page; at once, for nothing is waited for that would need a thread.

        Raises:
            HTTPException: 404, there is no such file.
        """
        if name not in self._files:
            raise HTTPException(404, "there is no such page")
        return Response(self._files[name], media_type=_TYPES[PurePath(name).suffix])


def page_style() -> str:
    """Return the style of the page, the only one that its policy lets apply."""
    return style_sheet(_STATIC / "page.css")
