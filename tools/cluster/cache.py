"""A node's copies of what came from the store, so that a model travels to it once."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from pathlib import Path

from ...contracts.sealed import link
from .exchange import Exchange, blob_of
from .messages import Blob, Files

MAX_BYTES = 20 * 10**9
_READ_ONLY = 0o444


class Cache:
    """Files by digest in a folder that all jobs of a node share.

    Args:
        max_bytes: beyond it, what was used longest ago is removed; jobs keep what they have under a name of their own.
    """

    def __init__(self, root: Path, exchange: Exchange, max_bytes: int = MAX_BYTES) -> None:
        self._root = root
        self._exchange = exchange
        self._max_bytes = max_bytes

    def mount(self, files: Files, folder: Path) -> None:
        """Lay files into a folder, fetching what is not here.

        Raises:
            MachineError: the store cannot give one.
        """
        for name, blob in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(self._fetched(blob), target)

    def keep(self, blob: Blob, path: Path) -> None:
        """Take in a sealed file that was made here and put into the store."""
        place = self._place(blob)
        if self._is_sound(place):
            return
        self._make_room(blob.size_bytes)
        part = place.with_name(f".{uuid.uuid4().hex}")
        _link(path, part)
        os.replace(part, place)

    def _fetched(self, blob: Blob) -> Path:
        place = self._place(blob)
        if self._is_sound(place):
            os.utime(place, ns=(time.time_ns(), place.stat().st_mtime_ns))
            return place
        self._make_room(blob.size_bytes)
        self._exchange.get(blob, place)
        return place

    def _place(self, blob: Blob) -> Path:
        folder = self._root / blob.sha256[:2]
        folder.mkdir(parents=True, exist_ok=True)
        return folder / blob.sha256

    def _is_sound(self, place: Path) -> bool:
        """Tell whether a file is what its name says; it is read again where it may have been written to."""
        try:
            return blob_of(place).sha256 == place.name
        except FileNotFoundError:
            return False

    def _make_room(self, needed: int) -> None:
        found = [(path.stat(), path) for path in self._root.glob("[0-9a-f][0-9a-f]/[0-9a-f]*")]
        total = needed + sum(status.st_size for status, _ in found)
        for status, path in sorted(found, key=lambda item: item[0].st_atime_ns):
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= status.st_size


def _link(source: Path, target: Path) -> None:
    if not link(source, target):
        shutil.copyfile(source, target)
        target.chmod(_READ_ONLY)
