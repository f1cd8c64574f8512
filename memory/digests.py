"""Content digests of artifacts, as docs/architecture.md defines them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..contracts import MachineError

CHUNK_BYTES = 2**20


def plain_files(folder: Path) -> Iterator[str]:
    """Yield the relative names (with `/`) of the files below `folder`; empty folders do not count.

    Raises:
        MachineError: something is a link or a device, which an artifact cannot hold.
    """
    for place, folders, files in os.walk(folder, onerror=_raise):
        for name in (*folders, *files):
            path = Path(place, name)
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise MachineError(f"{path} is a link or no plain file; an artifact holds plain files only")
        yield from (Path(place, name).relative_to(folder).as_posix() for name in files)


def _raise(error: OSError) -> None:
    raise error


def open_plain(path: Path) -> int:
    """Open a plain file for reading without following a link, and return its descriptor.

    Raises:
        MachineError: it is not a plain file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise MachineError(f"{path} is a link; an artifact holds plain files only") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MachineError(f"{path} is no plain file; an artifact holds plain files only")
    return descriptor


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with os.fdopen(open_plain(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """Return name → sha256 of the files in `folder`."""
    return {name: file_digest(folder / name) for name in plain_files(folder)}


def combined_digest(files: Mapping[str, str]) -> str:
    """Return an artifact's digest from those of its files: the only one's, or that of `sha256sum`'s sorted lines."""
    if len(files) == 1:
        return next(iter(files.values()))
    lines = sorted(_line(name, digest) for name, digest in files.items())
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _line(name: str, digest: str) -> bytes:
    """Escape a name as sha256sum does, so that no file name can imitate two lines."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    return f"{mark}{digest}  ".encode() + os.fsencode(escaped) + b"\n"
