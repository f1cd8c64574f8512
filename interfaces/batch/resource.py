"""Files of installed packages, found without running a line of the packages' code."""

from __future__ import annotations

import importlib
import os
from importlib.machinery import PathFinder
from pathlib import Path

from ...contracts import ModelFileError
from ..text import clean


def resource_path(text: str) -> Path:
    """Return the path of `package.name:path/inside`.

    Raises:
        ModelFileError: another form, no such package, or no such file inside it.
    """
    package, colon, inner = text.partition(":")
    parts = inner.split("/")
    if not colon or not all(part.isidentifier() for part in package.split(".")) or not inner or ".." in parts:
        raise ModelFileError(f"resource {clean(text)!r} is not of the form package.name:path/inside/model.onnx")
    for folder in _folders(package):
        found = Path(os.path.realpath(Path(folder, *parts)))
        if found.is_file() and found.is_relative_to(os.path.realpath(folder)):
            return found
    raise ModelFileError(f"resource {clean(text)!r}: package {package} is not installed, or holds no such file")


def _folders(package: str) -> list[str]:
    """Return the folders of a package. `importlib.resources` would import it, and with it whatever it does."""
    importlib.invalidate_caches()
    places: list[str] | None = None
    for index in range(len(parts := package.split("."))):
        found = PathFinder.find_spec(".".join(parts[: index + 1]), places)
        if found is None or found.submodule_search_locations is None:
            return []
        places = list(found.submodule_search_locations)
    return places or []
