"""Whether what a manifest names lies where a manifest may look."""

from __future__ import annotations

import os
from pathlib import Path

from ..text import clean


def outside(path: str, folder: Path) -> str:
    """Return why a path may not be used, or nothing: links are followed, and must lead into `folder` too."""
    if "\0" in path:
        return f"{clean(path)!r} holds a zero byte"
    real, root = os.path.realpath(path), os.path.realpath(folder)
    if real == root or real.startswith(root.rstrip(os.sep) + os.sep):
        return ""
    shown = os.path.relpath(path, folder) if not os.path.isabs(os.path.relpath(path, folder)) else path
    return f"{clean(shown)!r} leads out of the folder of the zoo; move it in, or name the model by itself"
