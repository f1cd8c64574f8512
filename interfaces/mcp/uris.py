"""How the things of a run are called as resources."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

SCHEME = "shipfit"
RUNS = f"{SCHEME}://runs"
REPORT, PAGE, TRAIL = "report.json", "report.html", "trail.jsonl"
_OF_RUN = re.compile(rf"{RUNS}/([^/]+)/(.+)")
PRODUCT = "product"
_MOST_FILES = 100


def uri_of(run: str, name: str) -> str:
    """Return the address of one thing of a run."""
    return f"{RUNS}/{quote(run)}/{quote(name)}"


def read_uri(uri: str) -> tuple[str, str] | None:
    """Return run and name of what an address means; None where it means nothing of a run."""
    found = _OF_RUN.fullmatch(uri)
    return (unquote(found[1]), unquote(found[2])) if found else None


def product_files(folder: Path) -> list[str]:
    """Return the files of a product's folder, relative to it, `/` between folders; links are passed over."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return [path.relative_to(folder).as_posix() for path, _ in zip(paths, range(_MOST_FILES), strict=False)]


def uris_of(run: str, folder: Path | None) -> tuple[str, ...]:
    """Return the addresses of all there is of a run; what its product's folder holds needs that folder."""
    if folder is None:
        return (uri_of(run, TRAIL),)
    files = [name for name in product_files(folder) if name not in (REPORT, PAGE, TRAIL)]
    return tuple(uri_of(run, name) for name in (REPORT, PAGE, TRAIL, *(f"{PRODUCT}/{name}" for name in files)))
