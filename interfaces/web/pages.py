"""The files of the page, held in memory: nothing else can be asked for."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..pages import style_sheet

_STATIC = Path(__file__).with_name("static")

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Pages:
    """Everything in `static`, by name."""

    def __init__(self) -> None:
        self._files = {item.name: _content(item) for item in _STATIC.iterdir() if item.is_file()}

    async def front(self) -> Response:
        """Answer with the page."""
        return await self.file("index.html")

    async def file(self, name: str) -> Response:
        """Answer with a file of the page; at once, for nothing is waited for that would need a thread.

        Raises:
            HTTPException: 404, there is no such file.
        """
        kind = _TYPES.get(f".{name.rpartition('.')[2]}")
        if name not in self._files or kind is None:
            raise HTTPException(404, "there is no such page")
        return Response(self._files[name], media_type=kind)


def _content(path: Path) -> bytes:
    return style_sheet(path).encode() if path.suffix == ".css" else path.read_bytes()
