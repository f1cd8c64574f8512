"""Files of artifacts that the products of a job may share with its inputs, by a second name instead of a copy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..contracts.sealed import is_sealed

_shared: set[Path] = set()


def share(folders: Iterable[Path]) -> None:
    """Let the products of this process share files with these folders, which are artifacts of the store."""
    _shared.update(folder.absolute() for folder in folders)


def may_share(path: Path) -> bool:
    """Tell whether a file may get a second name in a product: it is an artifact's, to which nobody may write."""
    return is_sealed(path.stat()) and not _shared.isdisjoint(path.absolute().parents)
