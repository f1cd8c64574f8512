"""Files of ours that nobody may write to: their digests, once a process has read them, and second names for copies.

Artifacts and what travels between machines are addressed by digest. One file may be met in several folders of ours, by
several names; it is read as a whole once.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# Disk, number, size and time of the last change: what tells whether a file was written to since it was read.
_Identity = tuple[int, int, int, int]

_digests: dict[_Identity, str] = {}
_NO_LINK = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


def is_sealed(status: os.stat_result) -> bool:
    """Tell whether nobody may write to a file."""
    return not status.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


def remember(status: os.stat_result, digest: str) -> None:
    """Keep the sha256 of a file of ours that was read as a whole; one that may be written to may change in a tick."""
    if is_sealed(status):
        _digests[_identity(status)] = digest


def known_digest(status: os.stat_result) -> str | None:
    """Return the sha256 of a sealed file that this process has read, whatever its name."""
    return _digests.get(_identity(status)) if is_sealed(status) else None


def link(source: Path, target: Path) -> bool:
    """Give a file of ours a second name, where it is sealed and nobody else could open it again, and tell whether.

    The system may not allow it either: another disk, too many names, a file system without.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    found = target.lstat()  # looked at by its new name, which nobody else can exchange
    if stat.S_ISREG(found.st_mode) and is_sealed(found) and found.st_uid == os.geteuid():
        return True
    target.unlink()
    return False


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
