"""One measurement at a time on this host.

Two locks, taken in this order. A user's own processes exclude each other in a folder of the user's, without limit:
they can be trusted to end. Between users stands a file in a folder that is everybody's; somebody who holds it for
long, by mistake or by malice, may make a measurement wait, but not for ever, and never make it touch another file.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

if os.name == "posix":
    import fcntl

from ...contracts import MachineError, Progress, ProgressSink
from ..context import silent

# How often it is told how long one has waited: the coordinator extends the job's time by it.
_PATIENCE_S = 0.5
_POLL_S = 0.05
# Any user may write here, and none can remove what is another's.
_SHARED_FOLDERS = (Path("/run/lock"), Path("/tmp"))
_SHARED_NAME = "shipfit-measure.lock"
# Longer than any honest measurement; after it, one that another user disturbs is better than none.
OTHERS_S = 90.0
_LISTENER: ContextVar[ProgressSink] = ContextVar("listener", default=silent)
# Seconds that this process has waited in all, each wait added as it ends.
_WAITED = [0.0]


@contextmanager
def waiting_told(progress: ProgressSink) -> Generator[None]:
    """Have `progress` told of every wait for the measuring lock inside the block, whoever waits."""
    token = _LISTENER.set(progress)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def _tell(progress: ProgressSink, message: str, waited: float) -> None:
    progress(Progress(tool="benchmark", message=message, waited_s=_WAITED[0] + waited))


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
def measuring_lock(progress: ProgressSink | None = None, folder: Path | None = None) -> Generator[float]:
    """Hold the host's measuring lock; yields the seconds that were spent waiting for it.

    Args:
        progress: told of the wait; by default whoever is set by `waiting_told`.
        folder: of the lock; with it, other users are not considered.

    Raises:
        MachineError: the lock file cannot be made.
    """
    tell = progress or _LISTENER.get()
    lock = FileLock(_own_folder(folder or lock_folder()) / "measure.lock")
    started = time.monotonic()
    while True:
        try:
            lock.acquire(timeout=_PATIENCE_S)
            break
        except Timeout:
            waited = time.monotonic() - started
            _tell(tell, f"waiting for another measurement to end ({waited:.0f} s)", waited)
    _end_wait(tell, started)
    try:
        with nullcontext() if folder else among_users(tell):
            yield time.monotonic() - started
    finally:
        lock.release()


def _end_wait(progress: ProgressSink, started: float) -> None:
    """Add a wait to those of this process; one that was long enough to be told of is told to its end."""
    waited = time.monotonic() - started
    _WAITED[0] += waited
    if waited >= _PATIENCE_S:
        _tell(progress, f"measuring after a wait of {waited:.0f} s", 0.0)


@contextmanager
def among_users(
    progress: ProgressSink = silent, path: Path | None = None, limit_s: float = OTHERS_S
) -> Generator[bool]:
    """Hold the lock that all users share, waiting for at most `limit_s`; yields whether it is held.

    Where the system has no place for it, or somebody made the file unfit, there is nothing to hold.
    """
    descriptor = _open_shared(path or shared_path())
    if descriptor is None:
        yield False
        return
    try:
        yield _wait_for(descriptor, progress, limit_s)
    finally:
        os.close(descriptor)  # which releases it


def shared_path() -> Path | None:
    """Return the file that all users lock: in the first folder that everybody may write to and that is sticky."""
    return next((folder / _SHARED_NAME for folder in _SHARED_FOLDERS if _is_shared(folder)), None)


def _is_shared(folder: Path) -> bool:
    try:
        facts = folder.lstat()
    except OSError:
        return False
    wanted = stat.S_ISVTX | stat.S_IWOTH
    return os.name == "posix" and stat.S_ISDIR(facts.st_mode) and facts.st_mode & wanted == wanted and not facts.st_uid


def _open_shared(path: Path | None) -> int | None:
    """Open the file for locking alone, making it where it is missing; None where it is no plain file.

    It is opened to read, follows no link, and is made only where nothing is: nobody can have us write anywhere.
    """
    if path is None:
        return None
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    for extra in (0, os.O_CREAT | os.O_EXCL, 0):  # another process may make it between the first two
        try:
            descriptor = os.open(path, flags | extra, 0o444)
        except (FileNotFoundError, FileExistsError):
            continue
        except OSError:
            return None
        if extra:
            os.fchmod(descriptor, 0o444)  # whatever the umask: others lock it too
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        return None
    return None


def _wait_for(descriptor: int, progress: ProgressSink, limit_s: float) -> bool:
    started, told = time.monotonic(), 0.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _end_wait(progress, started)
            return True
        except BlockingIOError:
            waited = time.monotonic() - started
        except OSError:  # a file system without locks
            return False
        if waited >= limit_s:
            _tell(progress, "another user keeps measuring; measuring at the same time", waited)
            _WAITED[0] += waited
            return False
        if waited - told >= _PATIENCE_S:
            told = waited
            _tell(progress, f"waiting for another user's measurement ({waited:.0f} s)", waited)
        time.sleep(_POLL_S)
