"""The files of the page, held in memory: nothing else can be asked for."""

from __future__ import annotations

from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.responses import Response

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Pages:
    """Everything in `static`, by name."""

    def __init__(self) -> None:
        found = [item for item in files("shipfit.interfaces.web").joinpath("static").iterdir() if item.is_file()]
        self._files = {item.name: item.read_bytes() for item in found}

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
