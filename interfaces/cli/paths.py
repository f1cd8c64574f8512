"""Paths that a command is given: whether they are there, and whether the product can be written."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from ...contracts import HOME_VARIABLE, DataError, ModelFileError, RequestError, load_settings, names_code
from ..text import clean

_CALLABLE = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")


def model_path(given: str) -> Path:
    """Return the absolute path of a model that is there.

    Raises:
        ModelFileError: nothing is there, it is empty, or it may not be read.
    """
    path = absolute(given, "MODEL")
    if not path.exists():
        raise ModelFileError(
            f"there is no model at {clean(given)!r}; give the path of an .onnx or .pt2 file, or module:factory"
        )
    if not os.access(path, os.R_OK):
        raise ModelFileError(f"{clean(given)!r} may not be read; change its permissions")
    if not path.is_dir() and not path.is_file():
        raise ModelFileError(f"{clean(given)!r} is not a file; give the path of an .onnx file")
    if path.is_file() and path.stat().st_size == 0:
        raise ModelFileError(f"{clean(given)!r} is empty; give the path of an .onnx file")
    return path


def model_source(given: str) -> str:
    """Return the absolute path of a model that is there, or `module:factory` as it is.

    Raises:
        ModelFileError: nothing is there, it is empty, or it may not be read.
    """
    if names_code(given) and not os.path.exists(given):
        return given
    return str(model_path(given))


def data_source(given: str, what: str = "--data") -> str:
    """Return the absolute path of data that are there, or `module:callable` as it is.

    Raises:
        DataError: nothing is there, or it may not be read.
    """
    path = absolute(given, what)
    if path.exists():
        if not os.access(path, os.R_OK):
            raise DataError(f"{what} {clean(given)!r} may not be read; change its permissions")
        return str(path)
    if _CALLABLE.match(given):
        return given
    raise DataError(
        f"{what} {clean(given)!r} is not there; give an .npz, a table, texts, a folder of arrays or images, or "
        "module:callable"
    )


def text_file(given: str, what: str, limit: int) -> str:
    """Return the text of a small file.

    Raises:
        RequestError: it is not there, larger than `limit` bytes, or no UTF-8 text.
    """
    path = absolute(given, what)
    try:
        if not path.is_file():
            raise RequestError(f"there is no {what} at {clean(given)!r}")
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise RequestError(f"{what} {clean(given)!r} cannot be read: {error.strerror}") from error
    if len(raw) > limit:
        raise RequestError(f"{what} {clean(given)!r} is larger than {limit // 2**20} MiB; this is no {what}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"{what} {clean(given)!r} is not UTF-8 text") from error


def output_folder(given: str, what: str = "--out") -> Path:
    """Return the absolute path of a folder that can receive a product: absent or empty, in a place that is writable.

    A link is followed here, because the product is put in place under the folder's own name.

    Raises:
        RequestError: it is a file, is not empty, holds the state of shipfit, or cannot be written.
    """
    path = Path(os.path.realpath(absolute(given, what)))
    if load_settings().home.is_relative_to(path):
        raise RequestError(f"{what} {clean(given)!r} would hold {HOME_VARIABLE}; give a folder of its own")
    try:
        if path.exists() and not path.is_dir():
            raise RequestError(f"{what} {clean(given)!r} is a file; give a folder that is new or empty")
        if path.is_dir() and any(path.iterdir()):
            raise RequestError(f"{what} {clean(given)!r} is not empty; give a folder that is new or empty")
    except OSError as error:
        raise RequestError(f"{what} {clean(given)!r} cannot be used: {error.strerror}") from error
    check_writable(path.parent, what)
    return path


def check_writable(folder: Path, what: str = "--out") -> None:
    """Refuse a place where no folder can be made.

    A folder is really made, and removed at once: permission bits say little to root and on special file systems.

    Raises:
        RequestError: no folder can be made in `folder`, or in the nearest of its parents that exists.
    """
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".shipfit-", dir=nearest):
            pass
    except OSError as error:
        raise RequestError(
            f"{what}: nothing can be written in {clean(nearest)!r} ({error.strerror}); give another --out"
        ) from error


def absolute(given: str, what: str) -> Path:
    """Return a path that a command is given, absolute.

    Raises:
        RequestError: it is empty, or no file system could have it.
    """
    if not given or "\0" in given:
        raise RequestError(f"{what} is empty or holds a zero byte; give a path")
    try:
        path = Path(os.path.expanduser(given)).absolute()
        path.exists()  # the file system alone knows its limits on names
    except OSError as error:
        raise RequestError(f"{what} {clean(given, 100)!r} cannot be a path: {error.strerror}; give another") from error
    return path
