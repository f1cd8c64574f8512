"""What the workspace has to choose from, what it receives, and what it hands out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ...contracts import OptimizationError, ProductFile, units
from ..chat.naming import DATA_SUFFIXES, offered
from ..text import clean
from .downloads import download
from .uploads import Uploads, look_at

if TYPE_CHECKING:
    from ...contracts import Profile, Settings
    from ..workspace import Workspace
    from .view_run import View

UPLOADS = "uploads"
# Models that are looked at beside each other; each takes a process and the model's size in memory.
_AT_ONCE = 2


class Files:
    """The files of a workspace.

    Args:
        workspace: the only folder that is read or written.
        settings: say how large a model may be, and where it is admitted.
    """

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace = workspace
        self._settings = settings
        self._looking = asyncio.Semaphore(_AT_ONCE)
        self._uploads = Uploads(workspace, UPLOADS, settings.max_model_bytes)

    def choices(self) -> View:
        """Return models and data by path, as the conversation itself offers them."""
        found = offered(self._workspace)
        return {"models": [_choice(name) for name in found.models], "data": [_choice(name) for name in found.data]}

    def download(self, offered: tuple[ProductFile, ...], name: str) -> Response:
        """Answer with a file that a conversation offers.

        Raises:
            RequestError: it offers none of that name.
        """
        return download(self._workspace, offered, name)

    async def receive(self, batch: str, name: str, size: int | None, chunks: AsyncIterable[bytes]) -> View:
        """Take a file in, and say what it is.

        Args:
            batch: files of one batch lie in one folder, so that a model finds its weights beside it.
            name: as its sender calls it.
            size: bytes that were announced, if they were.
            chunks: the content.

        Raises:
            OptimizationError: it cannot be taken, or it is no model although it is called one; nothing is kept of it.
        """
        path = await self._uploads.take(batch, name, size, chunks)
        try:
            async with self._looking:
                profile = await run_in_threadpool(look_at, self._settings, path)
        except OptimizationError:
            with suppress(OSError):
                path.unlink()
            raise
        kind = "model" if profile else "data" if path.suffix.lower() in DATA_SUFFIXES else "beside"
        return {**_choice(self._workspace.relative(path)), "kind": kind, "about": _about(path, profile)}


def _about(path: Path, profile: Profile | None) -> str:
    size = units.format_bytes(path.stat().st_size)
    return f"{profile.parameters:,} parameters, {size}, opset {profile.opset}" if profile else size


def _choice(name: str) -> View:
    return {"path": name, "name": clean(name, 200)}
