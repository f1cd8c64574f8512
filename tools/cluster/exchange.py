"""The store through which files travel between the coordinator and the nodes, addressed by content."""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...contracts import MachineError, RequestError
from ...contracts.sealed import known_digest, link, remember
from ..worker.messages import clean_line
from .messages import Blob

SCHEMES = ("file", "s3")
_CHUNK = 2**20
_READ_ONLY = 0o444


def check_store(url: str) -> str:
    """Return the address of a store without a slash at its end.

    Raises:
        RequestError: it is none that every node can be told: another scheme, no place, or a password in it.
    """
    parts = urlsplit(url)
    what = f"--store {clean_line(url, 80)!r}"
    if parts.scheme not in SCHEMES:
        raise RequestError(f"{what}: write it like s3://bucket/folder or file:///folder/that/all/nodes/see")
    if parts.query or parts.fragment or parts.username or parts.password or not url.isprintable():
        raise RequestError(f"{what}: only a place is taken; credentials come from each node's own environment")
    if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/") or ".." in parts.path.split("/")):
        raise RequestError(f"{what}: a folder is named from the root, like file:///srv/shipfit")
    if parts.scheme == "s3" and not parts.netloc:
        raise RequestError(f"{what} names no bucket")
    return url.rstrip("/")


class Exchange:
    """Puts files into a store and gets them out, by digest; several processes may share it.

    Args:
        url: checked by `check_store`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        with self._told("opened"):
            import fsspec

            self._system, self._root = fsspec.core.url_to_fs(url)
        self._is_folder = urlsplit(url).scheme == "file"

    def put(self, path: Path) -> Blob:
        """Store a file's content, unless it is there, and return what it is addressed by.

        A sealed file becomes the store's by a second name, where the store is a folder on its disk.

        Raises:
            MachineError: the store or the file cannot be used.
        """
        with self._told("written"):
            blob = blob_of(path)
            if not self.holds(blob):
                self._write(path, self._place(blob))
        return blob

    def holds(self, blob: Blob) -> bool:
        """Tell whether the store has content of this address and size."""
        with self._told("read"):
            try:
                return int(self._system.info(self._place(blob))["size"]) == blob.size_bytes
            except FileNotFoundError:
                return False

    def get(self, blob: Blob, target: Path) -> None:
        """Lay the content down as `target`, which appears at once, sealed, or not at all.

        Raises:
            MachineError: it is not there, is not what its address says, or cannot be written.
        """
        part = target.with_name(f".{uuid.uuid4().hex}")
        try:
            with self._told("read"):
                self._read(blob, part)
            os.replace(part, target)
        except OSError as error:
            raise MachineError(f"{target.parent} cannot be written: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)

    def remove(self, blob: Blob) -> None:
        """Take content out of the store."""
        with self._told("written"):
            self._system.rm_file(self._place(blob))

    def _place(self, blob: Blob) -> str:
        return f"{self._root}/{blob.sha256[:2]}/{blob.sha256}"

    def _write(self, path: Path, place: str) -> None:
        """Copy a file; an object store shows it once it is whole, a folder once it is renamed."""
        if not self._is_folder:
            self._copy(path, place)
            return
        self._system.makedirs(place.rpartition("/")[0], exist_ok=True)
        written = Path(f"{place}.{uuid.uuid4().hex}")
        try:
            if not link(path, written):
                self._copy(path, os.fspath(written))
                written.chmod(_READ_ONLY)
            os.replace(written, place)
        finally:
            written.unlink(missing_ok=True)  # it stays where it is another name of what is at `place`

    def _copy(self, path: Path, place: str) -> None:
        with path.open("rb") as reader, self._system.open(place, "wb") as writer:
            while chunk := reader.read(_CHUNK):
                writer.write(chunk)

    def _read(self, blob: Blob, part: Path) -> None:
        if not self.holds(blob):
            raise MachineError(f"the store {self.url} lacks {blob.sha256[:12]}, which was put there; run again")
        if self._is_folder and link(Path(self._place(blob)), part):
            sound = blob_of(part) == blob
        else:
            sound = self._read_bytes(blob, part)
        if not sound:
            raise MachineError(f"{blob.sha256[:12]} in the store {self.url} is damaged; remove it there and run again")

    def _read_bytes(self, blob: Blob, part: Path) -> bool:
        digest, left = hashlib.sha256(), blob.size_bytes
        with self._system.open(self._place(blob), "rb") as reader, part.open("xb") as writer:
            while left >= 0 and (chunk := reader.read(_CHUNK)):
                left -= len(chunk)
                digest.update(chunk)
                writer.write(chunk)
        part.chmod(_READ_ONLY)
        if left or digest.hexdigest() != blob.sha256:
            return False
        remember(part.stat(), blob.sha256)
        return True

    @contextmanager
    def _told(self, what: str) -> Generator[None]:
        """Turn what fsspec and its transports raise into one line."""
        try:
            yield
        except ImportError as error:
            raise RequestError(f'--store {self.url} needs s3fs: pip install "shipfit[s3]"') from error
        except _unreachable() as error:
            raise MachineError(f"the store {self.url} cannot be {what}: {_reason(error)}") from error


def blob_of(path: Path) -> Blob:
    """Return what a file's content is addressed by; a sealed one is read once in the life of a process."""
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if (digest := known_digest(found)) is None:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            remember(found, digest)
        return Blob(sha256=digest, size_bytes=os.fstat(file.fileno()).st_size)


def _reason(error: BaseException) -> str:
    return clean_line(str(getattr(error, "strerror", None) or error) or type(error).__name__, 200)


def _unreachable() -> tuple[type[Exception], ...]:
    """Return what fsspec raises, and the store's own library as far as it is loaded: no credentials, no connection."""
    found: Any = sys.modules.get("botocore.exceptions")
    return (OSError, found.BotoCoreError, found.ClientError) if found else (OSError,)
