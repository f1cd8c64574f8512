"""Files that a conversation hands out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from ...contracts import ProductFile, RequestError
from ..text import clean

if TYPE_CHECKING:
    from ..workspace import Workspace

_CHUNK_BYTES = 2**18


def download(workspace: Workspace, offered: tuple[ProductFile, ...], name: str) -> Response:
    """Answer with one of the files that are offered, to be saved: whatever is in it, the browser does not show it here.

    Raises:
        RequestError: it is not one of them, or is no longer there.
    """
    if name not in {file.name for file in offered}:
        raise RequestError(f"{clean(name, 100)!r} is none of this conversation's files")
    file = workspace.open(name)
    size = file.seek(0, 2)
    file.seek(0)
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name.rpartition('/')[2], safe='')}",
    }
    return StreamingResponse(_chunks(file, size), media_type="application/octet-stream", headers=headers)


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield exactly `size` bytes, which were announced, also of a file that grows meanwhile."""
    with file:
        while size > 0 and (chunk := file.read(min(_CHUNK_BYTES, size))):
            size -= len(chunk)
            yield chunk
