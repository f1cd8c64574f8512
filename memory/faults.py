"""Turn what the operating system or SQLite says into one line that tells how to mend it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ..contracts import HOME_VARIABLE, MachineError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def named(place: Path) -> Generator[None]:
    """Raise `MachineError` for an operating system or database error inside the block that concerns `place`."""
    try:
        yield
    except OSError as error:
        raise MachineError(_system(error, place), details={"errno": error.errno}) from error
    except sqlite3.Error as error:
        raise MachineError(_database(error, place)) from error


def _system(error: OSError, place: Path) -> str:
    if error.errno in _FULL:
        return f"disk is full: free some space for {place} (`shipfit runs prune` removes finished runs), then run again"
    if error.errno in _FORBIDDEN:
        return f"{place} cannot be written ({error.strerror}); set {HOME_VARIABLE} to a folder that you may write to"
    return f"{place} failed: {error.strerror or error}; set {HOME_VARIABLE} to a folder on a sound disk"


def _database(error: sqlite3.Error, place: Path) -> str:
    text = str(error)
    if "full" in text:
        return f"disk is full: free some space for {place}, then run again"
    if "readonly" in text or "unable to open" in text:
        return f"{place} cannot be written; set {HOME_VARIABLE} to a folder that you may write to"
    if "locked" in text:
        return f"{place} is held by another process; wait for it, then run again"
    if "not a database" in text or "malformed" in text:
        return f"{place} is damaged ({text}); move it away and start anew"
    return f"{place} failed: {text}"
