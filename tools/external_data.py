"""Bring a model's external data in by copy, and nothing from outside the model's own folder."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

from ..contracts import MachineError, ModelFileError, units
from .context import MODEL_FILE
from .onnx_model import quoted
from .weight_files import may_have_names

# What a product's folder holds beside the model and its data.
PRODUCT_FILES = frozenset({"runtime.json", "recipe.json", "report.json", "report.html", "trail.jsonl"})
_CHUNK = 1 << 20
# Never wait for a pipe or a device, never follow a link that appeared after a look.
_OPEN_SAFELY = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def location_parts(location: str) -> tuple[str, ...]:
    """Return the path components of an external-data location.

    Raises:
        ModelFileError: it is empty, absolute, climbs out with `..`, or would collide with a file of the product.
    """
    parts = tuple(location.split("/"))
    outside = (
        not location
        or location.startswith("/")
        or "\\" in location
        or "\0" in location
        or PureWindowsPath(location).drive
        or any(part in {"", ".", ".."} for part in parts)
    )
    if outside:
        raise _refused(location, "is not a plain path inside the model's folder")
    if parts[0] == MODEL_FILE:
        raise _refused(location, "has the name of the model itself")
    if parts[0] in PRODUCT_FILES:
        raise _refused(location, "has the name of a file that is delivered beside the model")
    return parts


def _refused(location: str, why: str) -> ModelFileError:
    return ModelFileError(
        f"external data {quoted(location)} {why}; keep the data as ordinary files beside the model and export it again"
    )


@contextmanager
def open_inside(folder: Path, location: str, *, shared: bool = False) -> Generator[BinaryIO]:
    """Open an external-data file for reading, component by component, following no link.

    Args:
        folder: that of the model.
        location: as the model says it.
        shared: whether artifacts of the store and files of this process may have a second name.

    Raises:
        ModelFileError: it is missing, a link, not a regular file, or has a second name elsewhere.
    """
    *parents, name = location_parts(location)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parents:
            inner = _open_at(descriptor, part, location, os.O_DIRECTORY)
            os.close(descriptor)
            descriptor = inner
        file = _open_at(descriptor, name, location, 0)
    finally:
        os.close(descriptor)
    try:
        _check_ordinary(os.fstat(file), location, shared=shared)
    except ModelFileError:
        os.close(file)
        raise
    with os.fdopen(file, "rb") as stream:
        yield stream


def _open_at(folder: int, name: str, location: str, flags: int) -> int:
    try:
        return os.open(name, _OPEN_SAFELY | flags, dir_fd=folder)
    except FileNotFoundError as missing:
        raise _refused(location, "is missing") from missing
    except PermissionError as denied:
        raise _refused(location, "may not be read") from denied
    except OSError as error:
        # ELOOP for a link, ENOTDIR for a link in the place of a folder, ENXIO for a socket.
        raise _refused(location, "is a link or not a regular file") from error


def _check_ordinary(status: os.stat_result, location: str, *, shared: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused(location, "is not a regular file")
    if status.st_nlink > 1 and not (shared and may_have_names(status)):
        raise _refused(location, "is a hard link (it has a second name)")


def copy_bounded(source: BinaryIO, target: Path, allowance: int, max_bytes: int) -> tuple[str, int]:
    """Copy `source` to the new file `target` and return sha256 and bytes.

    Args:
        source: what to read.
        target: file that does not exist yet.
        allowance: bytes that may still be copied.
        max_bytes: the limit of the whole model, for the message.

    Raises:
        ModelFileError: more than `allowance` bytes.
        MachineError: the disk is full or the folder cannot be written.
    """
    digest, copied = hashlib.sha256(), 0
    try:
        with target.open("xb") as out:
            while block := source.read(_CHUNK):
                copied += len(block)
                if copied > allowance:
                    raise ModelFileError(
                        f"the model is larger than the limit of {units.format_bytes(max_bytes)}; "
                        "give a smaller model, or raise SHIPFIT_MAX_MODEL"
                    )
                digest.update(block)
                out.write(block)
    except OSError as error:
        raise MachineError(f"the model cannot be copied to {str(target.parent)!r}: {error.strerror}") from error
    return digest.hexdigest(), copied
