"""One measurement at a time on this host: a lock that all of a user's processes share."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ...contracts import MachineError, Progress, ProgressSink
from ..context import silent

_PATIENCE_S = 2.0


def lock_folder() -> Path:
    """Return the folder of the lock: the same for every process of this user, whatever its environment says.

    A job's `TMPDIR` and `XDG_RUNTIME_DIR` are its own, so neither is read where the system has a fixed place.
    """
    if os.name != "posix":
        return Path(tempfile.gettempdir()) / "shipfit"
    user = os.getuid()
    runtime = Path(f"/run/user/{user}")
    return runtime / "shipfit" if os.access(runtime, os.W_OK) else Path(f"/tmp/shipfit-{user}")


def _own_folder(folder: Path) -> Path:
    """Create the folder, or check that it is ours: `/tmp` is everybody's."""
    try:
        folder.mkdir(mode=0o700, parents=False, exist_ok=True)
        facts = folder.lstat()
    except OSError as error:
        raise MachineError(f"cannot make {folder} for the measuring lock: {error.strerror}") from error
    if os.name == "posix" and (not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid()):
        raise MachineError(f"{folder} belongs to somebody else, so the measuring lock cannot be there; remove it")
    return folder


@contextmanager
def measuring_lock(progress: ProgressSink = silent, folder: Path | None = None) -> Generator[float]:
    """Hold the host's measuring lock; yields the seconds that were spent waiting for it.

    Raises:
        MachineError: the lock file cannot be made.
    """
    lock = FileLock(_own_folder(folder or lock_folder()) / "measure.lock")
    started = time.monotonic()
    while True:
        try:
            lock.acquire(timeout=_PATIENCE_S)
            break
        except Timeout:
            waited = time.monotonic() - started
            progress(Progress(tool="benchmark", message=f"waiting for another measurement to end ({waited:.0f} s)"))
    try:
        yield time.monotonic() - started
    finally:
        lock.release()
