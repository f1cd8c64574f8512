"""Reports that are compared come from folders that anyone may have filled; pages go where nothing else is."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from pydantic import ValidationError

from ..contracts import MachineError, OptimizationResponse, RequestError
from .comparison import compare
from .delivery import write_folder

# A report of the longest run with the longest table of layers stays far below.
MOST_BYTES = 64 * 10**6
PAGE, DOCUMENT = "compare.html", "compare.json"


def read_report(path: Path) -> OptimizationResponse:
    """Return the response in `path`, a `report.json` or a folder with one.

    Raises:
        RequestError: there is none, it is too large, or it is no report of this version.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        with open(file, "rb", opener=_open_regular) as source:
            body = source.read(MOST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RequestError(
            f"{str(file)!r} cannot be read ({reason}); give a run's id, or a folder that shipfit delivered"
        ) from error
    if len(body) > MOST_BYTES:
        raise RequestError(f"{str(file)!r} is larger than {MOST_BYTES // 10**6} MB, so it is no report")
    try:
        return OptimizationResponse.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise RequestError(
            f"{str(file)!r} is no report of this version of shipfit ({where[:80]}: {first['msg'][:120]})"
        ) from error


def _open_regular(path: str, flags: int) -> int:
    """Open without waiting: a pipe in the place of a report would block for ever."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


def check_page(path: Path) -> None:
    """Refuse a place where something else than such a page is.

    Raises:
        RequestError: it is taken, or its folder does not exist.
    """
    from .report.compare import MARK

    if not path.parent.is_dir():
        raise RequestError(f"--html: the folder {str(path.parent)!r} does not exist; make it, or give another file")
    if not os.path.lexists(path):
        return
    try:
        with open(path, "rb", opener=_open_regular) as file:
            known = file.read(len(MARK.encode())) == MARK.encode()
    except OSError:
        known = False
    if not known:
        raise RequestError(f"--html: {str(path)!r} is there and is no such page; give another file")


def check_folder(path: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        RequestError: it does, or it is no folder.
    """
    if os.path.lexists(path) and (not path.is_dir() or any(path.iterdir())):
        raise RequestError(f"--out: {str(path)!r} is not an empty folder; give another one")


def write_page(path: Path, first: OptimizationResponse, second: OptimizationResponse) -> None:
    """Write the page of two runs to `path`: all of it or nothing.

    Raises:
        MachineError: no space, or no permission.
    """
    from .report.compare import render_comparison

    page = render_comparison(first, second)
    try:
        _replace(path, page)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MachineError(
            f"the page cannot be written to {str(path)!r} ({reason}); mend that or give another --html"
        ) from error


def _replace(path: Path, text: str) -> None:
    descriptor, staged = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(staged, 0o666 & ~umask)  # what mkstemp makes is for its owner alone
        os.replace(staged, path)
    except BaseException:
        os.unlink(staged)
        raise


def write_comparison(folder: Path, first: OptimizationResponse, second: OptimizationResponse) -> None:
    """Write page and document of two runs to `folder`: both or nothing.

    Raises:
        MachineError: no space, or no permission.
    """
    from dataclasses import asdict

    from pydantic_core import to_json

    from .report.compare import render_comparison

    def fill(staging: Path) -> None:
        (staging / PAGE).write_text(render_comparison(first, second), encoding="utf-8")
        document = to_json(asdict(compare(first, second)), indent=2, inf_nan_mode="strings")
        (staging / DOCUMENT).write_bytes(document + b"\n")

    write_folder(folder, fill)
