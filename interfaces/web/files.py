"""What the workspace has to choose from, what it receives, and what it hands out."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ...contracts import OptimizationError, ProductFile, units
from ..text import clean
from ..workspace import OWN_FOLDER
from .downloads import download
from .uploads import DATA_SUFFIXES, MODEL_SUFFIXES, Uploads, look_at

if TYPE_CHECKING:
    from ...contracts import Profile, Settings
    from ..workspace import Workspace
    from .view_run import View

UPLOADS = "uploads"
# A folder with more is a data set, not a list to choose from.
_MOST_CHOICES = 500
_MOST_SEEN = 20_000


class Files:
    """The files of a workspace.

    Args:
        workspace: the only folder that is read or written.
        settings: say how large a model may be, and where it is admitted.
    """

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace = workspace
        self._settings = settings
        self._uploads = Uploads(workspace, UPLOADS, settings.max_model_bytes)

    def choices(self) -> View:
        """Return models and data by path, the latest first."""
        found = sorted(_seen(self._workspace.root), key=lambda item: -item[1])
        names = [self._workspace.relative(path) for path, _ in found]
        return {
            "models": [_choice(name) for name in names if Path(name).suffix.lower() in MODEL_SUFFIXES][:_MOST_CHOICES],
            "data": [_choice(name) for name in names if Path(name).suffix.lower() in DATA_SUFFIXES][:_MOST_CHOICES],
            "max_bytes": self._settings.max_model_bytes,
        }

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


def _seen(root: Path) -> Iterator[tuple[Path, float]]:
    """Yield regular files below `root` with the time of their last change; links and hidden folders are passed by."""
    count = 0
    for where, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != OWN_FOLDER)
        for name in names:
            count += 1
            path = Path(where, name)
            if not name.startswith(".") and not path.is_symlink() and path.is_file():
                yield path, path.stat().st_mtime
        if count > _MOST_SEEN:
            return
