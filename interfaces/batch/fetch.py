"""Fetch a model by URL into a cache, within bounds of bytes, time and place."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...contracts import MachineError, MissingExtraError, ModelFileError, units
from ..text import clean
from .addresses import is_public
from .item import MODEL_SUFFIXES

if TYPE_CHECKING:
    from aiohttp import ClientSession

WEB = ("http", "https")
# Stores that fsspec reaches through a package of their own, with the credentials of whoever runs the batch.
STORES = ("s3", "gs", "gcs", "az", "abfs", "hf")
TIME_S = 900.0
_SILENCE_S = 60.0
_CHUNK = 2**20

AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]


class RefusedAddress(OSError):
    """A name or a redirect leads to an address that no manifest may reach."""


class Fetcher:
    """Fetches models into a cache.

    Args:
        cache: folder of the cache, made at the first use.
        max_bytes: more is refused.
        time_s: seconds for one model.
        allowed: tells whether an address may be connected to; asked at every connection, so that neither a name nor
            a redirect gets around it.
    """

    def __init__(
        self, cache: Path, max_bytes: int, time_s: float = TIME_S, allowed: Callable[[str], bool] = is_public
    ) -> None:
        self._cache = cache
        self._max_bytes = max_bytes
        self._time_s = time_s
        self._allowed = allowed

    def fetch(self, url: str, sha256: str | None = None) -> Path:
        """Return the path of a model in the cache, fetched if it is not there yet.

        Raises:
            ModelFileError: the address may not be reached, there is nothing, it is too large, takes too long, or has
                another digest.
            MissingExtraError: fsspec needs another package for this kind of URL.
            MachineError: the cache cannot be written.
        """
        _check(url)
        digest = _digest(sha256)
        target = self._cache / hashlib.sha256(url.encode()).hexdigest()[:32] / _file_name(url)
        try:
            if target.is_file() and (digest is None or _sha256(target) == digest):
                return target
            return self._into(target, url, digest)
        except RefusedAddress as error:
            raise ModelFileError(f"{clean(url)!r}: {error}") from error

    def _into(self, target: Path, url: str, digest: str | None) -> Path:
        part = target.with_name(f".{uuid.uuid4().hex}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            found = self._copy(url, part)
            if digest is not None and found != digest:
                raise ModelFileError(f"{clean(url)!r} has sha256 {found}, not {digest}; it is not what was meant")
            os.replace(part, target)
        except PermissionError as error:
            raise MachineError(f"{target.parent} cannot be written: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)
        return target

    def _copy(self, url: str, part: Path) -> str:
        """Copy what a URL holds into a file, and return its sha256."""
        deadline = time.monotonic() + self._time_s
        digest, count = hashlib.sha256(), 0
        with part.open("xb") as writer, self._open(url) as reader:
            while chunk := _read(reader, url):
                count += len(chunk)
                if count > self._max_bytes:
                    raise ModelFileError(f"{clean(url)!r} holds more than {units.format_bytes(self._max_bytes)}")
                if time.monotonic() > deadline:
                    raise ModelFileError(f"{clean(url)!r} took longer than {units.format_seconds(self._time_s)}")
                digest.update(chunk)
                writer.write(chunk)
        return digest.hexdigest()

    @contextmanager
    def _open(self, url: str) -> Generator[Any]:
        import fsspec

        scheme = urlsplit(url).scheme.lower()
        with _told(url):
            options = self._web_options() if scheme in WEB else {}
            system: Any = fsspec.filesystem(scheme, skip_instance_cache=True, **options)  # pyright: ignore[reportUnknownMemberType]
            # A stream: told any size, fsspec does not first ask for it, in a way that hides what is wrong.
            stream = {"block_size": 0, "size": 1} if scheme in WEB else {}
            opened = system.open(url, "rb", **stream)
        try:
            yield opened
        finally:
            opened.close()

    def _web_options(self) -> dict[str, Any]:
        import aiohttp

        def connect(info: AddressInfo) -> socket.socket:
            family, kind, protocol, _, address = info
            if not self._allowed(str(address[0])):
                raise RefusedAddress(f"it leads to {address[0]}, which is not on the public internet")
            return socket.socket(family, kind, protocol)

        async def client(**options: Any) -> ClientSession:
            return aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=connect), **options)

        timeout = aiohttp.ClientTimeout(total=self._time_s, sock_connect=_SILENCE_S, sock_read=_SILENCE_S)
        return {"get_client": client, "client_kwargs": {"timeout": timeout}}


@contextmanager
def _told(url: str) -> Generator[None]:
    """Turn what fsspec and its transports raise into one line."""
    import aiohttp

    try:
        yield
    except FileNotFoundError as error:
        if refused := _refusal(error):
            raise refused from error
        raise ModelFileError(f"there is nothing at {clean(url)!r}") from error
    except ImportError as error:
        raise MissingExtraError(f"{clean(url)!r}: {clean(error)}") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        if refused := _refusal(error):
            raise refused from error
        raise ModelFileError(f"{clean(url)!r} cannot be fetched: {clean(error) or type(error).__name__}") from error


def _read(reader: Any, url: str) -> bytes:
    with _told(url):
        return bytes(reader.read(_CHUNK))


def _refusal(error: BaseException | None) -> RefusedAddress | None:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        if isinstance(error, RefusedAddress):
            return error
        inner = getattr(error, "os_error", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return None


def _check(url: str) -> None:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in (*WEB, *STORES):
        raise ModelFileError(f"url {clean(url)!r}: only {', '.join((*WEB, *STORES))} are fetched from")
    if not parts.hostname:
        raise ModelFileError(f"url {clean(url)!r} names no host")


def _digest(sha256: str | None) -> str | None:
    if sha256 is None or re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        return sha256 and sha256.lower()
    raise ModelFileError(f"sha256 {clean(sha256, 80)!r} is no digest of 64 hexadecimal digits")


def _file_name(url: str) -> str:
    """Return a plain name with the suffix that says what the file should be."""
    name = re.sub(r"[^\w.-]+", "_", urlsplit(url).path.rpartition("/")[2]).lstrip(".")[-100:]
    return name if name.lower().endswith(MODEL_SUFFIXES) else f"{name or 'model'}.onnx"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
