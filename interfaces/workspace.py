"""A folder that the paths of users may not leave: what chat, web and MCP are given as a path is looked up here."""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from ..contracts import MachineError, RequestError
from .text import clean

# What this program keeps in a workspace for itself; no path of a user's leads there.
OWN_FOLDER = ".shipfit"
Why = Literal["empty", "outside", "link", "special", "missing", "own", "unreadable"]
# Longer names than this are cut; file systems allow 255 bytes, and a number may have to be added.
_LONGEST_NAME = 120
_LONGEST_PATH = 1000
# A folder of images may be large; whoever needs more names a file in it.
_MOST_ENTRIES = 200_000
_UNSAFE = re.compile(r"[^\w.+=@,() -]")


def refuse(given: str, why: Why, told: str) -> RequestError:
    """Return the error of a path that may not be used; `details` say why in one word."""
    return RequestError(f"{clean(given, 100)!r} {told}", details={"why": why})


class Workspace:
    """A folder of the user's.

    Args:
        root: is made where it is not there; links on the way to it are followed, none within.

    Raises:
        MachineError: it cannot be made or read.
    """

    def __init__(self, root: Path) -> None:
        try:
            root.mkdir(parents=True, exist_ok=True)
            self.root = root.resolve(strict=True)
        except OSError as error:
            raise MachineError(
                f"{clean(root, 200)!r} cannot be a workspace: {error.strerror}; give another folder"
            ) from error

    @property
    def own(self) -> Path:
        """The folder that this program keeps for itself."""
        return self.root / OWN_FOLDER

    def find(self, given: str) -> Path:
        """Return the absolute path of a file or folder in the workspace.

        Args:
            given: relative to the workspace, or absolute and inside it.

        Raises:
            RequestError: it is not there, leads out, or holds links, devices, pipes or sockets.
        """
        parts = self._parts(given)
        place = self.root
        for number, part in enumerate(parts, start=1):
            place = place / part
            self._check(given, place, is_last=number == len(parts))
        if place.is_dir():
            self._check_within(given, place)
        return place

    def relative(self, path: Path) -> str:
        """Return how a path in the workspace is called there, `/` between folders."""
        return path.relative_to(self.root).as_posix()

    def open(self, given: str) -> BinaryIO:
        """Open a regular file of the workspace for reading, never following a link, whoever puts one there meanwhile.

        Raises:
            RequestError: as `find`, and for folders.
        """
        parts = self._parts(given)
        try:
            return self._opened(parts)
        except OSError as error:
            self.find(given)  # says what is wrong in the same words
            raise refuse(given, "unreadable", f"cannot be read: {error.strerror}; name a file") from error

    def create(self, name: str) -> BinaryIO:
        """Make a new file in the workspace for something that comes from outside, and open it for writing.

        Args:
            name: as somebody else calls it; only its last part is kept, without anything hostile.

        Returns:
            The file; `name` is its absolute path.

        Raises:
            MachineError: it cannot be written.
        """
        stem, dot, suffix = _safe_name(name).rpartition(".")
        for number in range(1, 10_000):
            numbered = f"{stem or suffix}{f'-{number}' if number > 1 else ''}{dot + suffix if stem else ''}"
            path = self.root / numbered
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            except OSError as error:
                raise MachineError(f"{clean(path, 200)!r} cannot be written: {error.strerror}") from error
            os.close(descriptor)
            return path.open("r+b")
        raise MachineError(f"there are too many files called {clean(name, 100)!r}; remove some")

    def _parts(self, given: str) -> tuple[str, ...]:
        """Return the folders and the name of a path below the root, as they are written."""
        if not given.strip() or "\0" in given or len(given) > _LONGEST_PATH:
            raise refuse(given, "empty", "is no path; name a file of the workspace")
        path = PurePosixPath(given)
        if ".." in path.parts:
            raise refuse(given, "outside", "leads out of the workspace by '..'; name a file in it")
        if path.is_absolute():
            if not path.is_relative_to(self.root.as_posix()):
                raise refuse(given, "outside", "lies outside the workspace; put it there, or name a file in it")
            path = path.relative_to(self.root.as_posix())
        if path.parts and path.parts[0] == OWN_FOLDER:
            raise refuse(given, "own", "is where shipfit keeps its own; name another file")
        return path.parts

    def _check(self, given: str, place: Path, *, is_last: bool) -> None:
        """Refuse a step of a path that is a link, no folder on the way, or nothing that can be read."""
        try:
            mode = place.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            raise refuse(given, "missing", "is not in the workspace; put it there, or name a file in it") from None
        except OSError as error:
            raise refuse(given, "unreadable", f"cannot be looked at: {error.strerror}") from error
        if stat.S_ISLNK(mode):
            raise refuse(given, "link", "is reached by a link; links of a workspace are not followed, name the file")
        if not (stat.S_ISDIR(mode) or (is_last and stat.S_ISREG(mode))):
            raise refuse(given, "special", "is neither a file nor a folder; name one of these")
        if not os.access(place, os.R_OK):
            raise refuse(given, "unreadable", "may not be read; change its permissions")

    def _check_within(self, given: str, folder: Path) -> None:
        """Refuse a folder with links or special files anywhere below: what reads it would follow them."""
        seen = 0
        for where, folders, files in os.walk(folder):
            if Path(where) == self.root and OWN_FOLDER in folders:
                folders.remove(OWN_FOLDER)
            for name in (*folders, *files):
                seen += 1
                mode = os.lstat(os.path.join(where, name)).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise refuse(given, "link", f"holds {clean(name, 60)!r}, which is a link or a special file")
            if seen > _MOST_ENTRIES:
                raise refuse(given, "special", f"holds more than {_MOST_ENTRIES:,} files; name one of them")

    def _opened(self, parts: tuple[str, ...]) -> BinaryIO:
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                os.close(folder)
                folder = below
            # A pipe would be waited for without O_NONBLOCK.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            opened = os.open(parts[-1] if parts else ".", flags, dir_fd=folder)
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise OSError(errno.EINVAL, "it is no regular file")
        return os.fdopen(opened, "rb")


def _safe_name(given: str) -> str:
    """Return the last part of a name from outside as a plain visible file name."""
    last = re.split(r"[/\\]", given)[-1]
    plain = _UNSAFE.sub("_", unicodedata.normalize("NFC", last)).strip(" .-")
    stem, dot, suffix = plain.rpartition(".")
    kept = f"{_cut(stem, _LONGEST_NAME)}.{_cut(suffix, 20)}" if dot else _cut(plain, _LONGEST_NAME)
    return kept or "upload"


def _cut(text: str, longest: int) -> str:
    """Return the beginning of a text that is at most `longest` bytes in UTF-8."""
    return text.encode()[:longest].decode(errors="ignore")
