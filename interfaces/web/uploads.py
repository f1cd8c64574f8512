"""Files that are sent to the server: bounded while they come in, and kept only where they are of use."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ...contracts import MachineError, RequestError, units
from ..batch.item import MODEL_SUFFIXES
from ..chat.naming import DATA_SUFFIXES
from ..text import clean
from ..workspace import Workspace

if TYPE_CHECKING:
    from ...contracts import Profile, Settings

# Weights that lie beside an .onnx file have any of these names.
BESIDE_SUFFIXES = (".data", ".bin", ".weights", ".onnx_data")
# Left free on the disk, whatever is sent: the ledger and running jobs need some.
RESERVE_BYTES = 500 * 10**6
MAX_FILES = 500
_BUFFER_BYTES = 2**20
_PART = ".part"
_BATCH = re.compile(r"[a-z0-9]{8,32}")


class TooLarge(RequestError):
    """A file or a message is larger than the server takes."""


class Uploads:
    """Where files that are sent end up.

    Args:
        workspace: they go below a folder of it.
        folder: name of that folder; each batch has one of its own in it.
        max_bytes: of one file.
        max_files: of all batches.
    """

    def __init__(self, workspace: Workspace, folder: str, max_bytes: int, max_files: int = MAX_FILES) -> None:
        self._root = workspace.root / folder
        self._max_bytes = max_bytes
        self._max_files = max_files

    async def take(self, batch: str, given: str, declared: int | None, chunks: AsyncIterable[bytes]) -> Path:
        """Write what is sent to a file, and return its path; it appears complete or not at all.

        Args:
            batch: files of one batch lie beside each other, and beside nothing else.
            given: name of the file, as its sender calls it.
            declared: bytes that were announced, if they were.
            chunks: the content.

        Raises:
            RequestError: nothing can be done with such a file, it is empty or too large, or there are too many.
            MachineError: the disk is full, or the folder cannot be written.
        """
        suffix = Path(given).suffix.lower()
        if suffix not in (*MODEL_SUFFIXES, *DATA_SUFFIXES, *BESIDE_SUFFIXES):
            kinds = ", ".join((*MODEL_SUFFIXES, *DATA_SUFFIXES))
            raise RequestError(f"{clean(given, 80)} is neither a model nor data; send one of {kinds}")
        if not _BATCH.fullmatch(batch):
            raise RequestError("that is no batch of files")
        self._check_size(given, declared or 0, 0)
        with _machine_faults(), self._arriving(batch, given) as (path, file):
            await self._write(given, file, chunks)
            file.close()
            return _put_in_place(path, given)

    async def _write(self, given: str, file: BinaryIO, chunks: AsyncIterable[bytes]) -> None:
        from anyio import to_thread

        size, buffer = 0, bytearray()
        async for chunk in chunks:
            size += len(chunk)
            buffer += chunk
            self._check_size(given, size, size - len(buffer))
            if len(buffer) >= _BUFFER_BYTES:
                await to_thread.run_sync(file.write, bytes(buffer))
                buffer.clear()
        await to_thread.run_sync(file.write, bytes(buffer))
        if not size:
            raise RequestError(f"{clean(given, 80)} is empty; send the file itself")

    def _check_size(self, given: str, size: int, written: int) -> None:
        if size > self._max_bytes:
            limit = units.format_bytes(self._max_bytes)
            raise TooLarge(f"{clean(given, 80)} is larger than {limit}, which is what is taken; see SHIPFIT_MAX_MODEL")
        nearest = self._root if self._root.exists() else self._root.parent
        if size - written > max(0, shutil.disk_usage(nearest).free - RESERVE_BYTES):
            raise MachineError(f"the disk of the workspace is too full for {clean(given, 80)}; free some space")

    @contextmanager
    def _arriving(self, batch: str, given: str) -> Generator[tuple[Path, BinaryIO]]:
        """Yield a file that is on its way; it is gone at the end, unless it was given its name."""
        if self._root.is_symlink():
            raise RequestError(f"{self._root.name!r} of the workspace is a link; make it a folder")
        if self._root.is_dir() and sum(1 for _ in self._root.glob("*/*")) >= self._max_files:
            raise RequestError(f"{self._max_files} files were sent already; remove some from {self._root.name!r}")
        file = Workspace(self._root / batch).create(f"{given}{_PART}")
        path = Path(file.name)
        try:
            with file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)


def look_at(settings: Settings, path: Path) -> Profile | None:
    """Admit a model that was sent, as every model is admitted, and return what is in it; None for other files.

    Raises:
        UserError: it is no model, or a hostile one.
    """
    if path.suffix.lower() not in MODEL_SUFFIXES:
        return None
    from ...agents.standalone import inspect_model

    return inspect_model(settings, str(path), timing=False)


def _put_in_place(path: Path, given: str) -> Path:
    """Give a file its name; nothing is ever replaced."""
    target = path.with_name(path.name.removesuffix(_PART))
    if target.suffix.lower() != Path(given).suffix.lower():
        raise RequestError(f"{clean(given, 80)!r} has no name before its suffix; give it one")
    try:
        os.link(path, target)
    except FileExistsError:
        raise RequestError(f"a file called {clean(given, 80)} was sent with these already; send it anew") from None
    return target


@contextmanager
def _machine_faults() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise MachineError(f"the file cannot be kept: {error.strerror or type(error).__name__}") from error
