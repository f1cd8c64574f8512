"""Files of outcomes: written whole or not at all, read only where they are plain files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...contracts import MachineError, RequestError
from ..text import clean
from .paths import absolute

_MOST_OF_A_NAME = 100


def write_lines(given: str, lines: Iterable[str]) -> tuple[Path, int]:
    """Write a new file of lines, and return its path and how many they are.

    Raises:
        RequestError: something is there already, or there is no such folder.
        MachineError: it cannot be written.
    """
    path = absolute(given, "FILE")
    if path.exists() or path.is_symlink():
        raise RequestError(f"{clean(given)!r} is there already; give the name of a new file")
    if not path.parent.is_dir():
        raise RequestError(f"there is no folder for {clean(given)!r}; make it first")
    count = 0
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as draft:
            try:
                for line in lines:
                    draft.write(f"{line}\n")
                    count += 1
                draft.flush()
                os.fsync(draft.fileno())
                os.link(draft.name, path)
            finally:
                os.unlink(draft.name)
    except FileExistsError as error:
        raise RequestError(f"{clean(given)!r} is there already; give the name of a new file") from error
    except OSError as error:
        raise MachineError(f"{clean(given)!r} cannot be written: {error.strerror}") from error
    return path, count


@contextmanager
def open_lines(given: str) -> Generator[tuple[BinaryIO, str]]:
    """Yield an opened plain file, and its name as the mark of what comes from it.

    Raises:
        RequestError: there is none, or it may not be read.
    """
    path = absolute(given, "FILE")
    if not path.is_file():
        raise RequestError(f"there is no file {clean(given)!r}; give one that `shipfit memory export` wrote")
    try:
        with path.open("rb") as file:
            yield file, clean(path.name, _MOST_OF_A_NAME)
    except OSError as error:
        raise RequestError(f"{clean(given)!r} cannot be read: {error.strerror}") from error
