"""Errors that nobody foresaw: the traceback goes to a file, one line to whoever asked."""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from pathlib import Path

from ..contracts import OptimizationError, load_settings


def fault_of(error: BaseException) -> OptimizationError:
    """Save the traceback of an error, and return one that says on a line where it is."""
    return OptimizationError(f"this is a fault of shipfit ({type(error).__name__}; traceback: {save_fault(error)})")


def save_fault(error: BaseException) -> Path | str:
    """Write the traceback of an error that nobody foresaw to a file, and return where."""
    text = "".join(traceback.format_exception(error))
    name = f"fault-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (load_settings().home / "logs", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        except OSError:
            continue
        return folder / name
    return "nowhere, no folder could be written to"
