"""Turn what the operating system or SQLite says into one line that tells how to mend it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ..contracts import HOME_VARIABLE, MachineError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_DAMAGED = ("not a database", "malformed", "no such", "decode", "disk I/O error", "has no column")
_NO_FOLDER = (errno.EEXIST, errno.ENOTDIR)
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
    except UnicodeDecodeError as error:  # SQLite quotes what it finds in a damaged file, and Python cannot read it
        raise MachineError(f"{place} is damaged; move it away and start anew") from error


def _system(error: OSError, place: Path) -> str:
    if error.errno in _FULL:
        return f"disk is full: free some space for {place} (`shipfit runs prune` removes finished runs), then run again"
    if error.errno in _FORBIDDEN:
        return f"{place} cannot be written ({error.strerror}); set {HOME_VARIABLE} to a folder that you may write to"
    if error.errno in _NO_FOLDER:
        return f"{place} cannot be made ({error.strerror}); set {HOME_VARIABLE} to a folder"
    return f"{place} failed: {error.strerror or error}; set {HOME_VARIABLE} to a folder on a sound disk"


def _database(error: sqlite3.Error, place: Path) -> str:
    text = " ".join(str(error).split())[:200]  # of a damaged schema SQLite quotes whole statements
    if any(sign in text for sign in _DAMAGED):
        return f"{place} is damaged ({text}); move it away and start anew"
    if "full" in text:
        return f"disk is full: free some space for {place}, then run again"
    if "readonly" in text or "unable to open" in text:
        return f"{place} cannot be written; set {HOME_VARIABLE} to a folder that you may write to"
    if "locked" in text:
        return f"{place} is held by another process; wait for it, then run again"
    return f"{place} failed: {text}"
