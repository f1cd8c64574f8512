"""Folders in which something is put together before it appears at once, and which no crash leaves for long."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_LOCK = ".lock"


@contextmanager
def stage(folder: Path) -> Generator[Path]:
    """Yield a new folder below `folder`, and remove whatever is left of it afterwards.

    It is locked while it is used; the kernel drops the lock of a process that dies, and the next to stage anything
    clears up behind it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    own = folder / uuid.uuid4().hex
    with FileLock(_lock_of(own)):
        try:
            own.mkdir()
            yield own
        finally:
            _remove(own)


def sweep(folder: Path) -> None:
    """Remove the stages whose process died."""
    for lock in folder.glob(f"*{_LOCK}"):
        try:
            with FileLock(lock, blocking=False):
                _remove(lock.with_suffix(""))
        except Timeout:
            continue


def _remove(own: Path) -> None:
    shutil.rmtree(own, ignore_errors=True)
    _lock_of(own).unlink(missing_ok=True)


def _lock_of(own: Path) -> Path:
    return own.with_name(own.name + _LOCK)
