"""Whether the files of an item are what they were when the work on it began."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .item import MODEL_SUFFIXES

# External data lie beside a model under any name; these do not hold any.
_NO_WEIGHTS = frozenset(
    {*MODEL_SUFFIXES, ".npz", ".npy", ".csv", ".txt", ".yaml", ".yml", ".json", ".md", ".png", ".jpg"}
)


def stamp(sources: Iterable[Path]) -> str:
    """Return a digest of names, sizes and times: equal as long as nobody has touched a file."""
    digest = hashlib.sha256()
    for path in _files(sources):
        try:
            found = path.stat()
            digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        except OSError:
            digest.update(f"{path}\0absent\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def content(sources: Iterable[Path]) -> str:
    """Return a digest of names and content; a file that cannot be read counts as absent."""
    digest = hashlib.sha256()
    for path in _files(sources):
        try:
            with path.open("rb") as file:
                inner = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            inner = "absent"
        digest.update(f"{path}\0{inner}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _files(sources: Iterable[Path]) -> Iterator[Path]:
    for source in sources:
        if source.is_dir():
            for place, folders, files in os.walk(source):
                folders.sort()
                yield from (Path(place, name) for name in sorted(files))
            continue
        yield source
        if source.suffix.lower() in MODEL_SUFFIXES:
            yield from _beside(source)


def _beside(model: Path) -> Iterator[Path]:
    """Yield what may be the external data of a model: a change of it is a change of the model."""
    try:
        entries = sorted(model.parent.iterdir())
    except OSError:
        return
    yield from (path for path in entries if path.is_file() and path.suffix.lower() not in _NO_WEIGHTS)
