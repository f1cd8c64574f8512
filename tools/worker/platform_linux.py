"""What the sandbox needs from Linux; elsewhere each function says that it is not available.

A port to another system replaces this module and nothing else. It is imported before anything heavy, in every child,
so it knows the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PROC = Path("/proc")


def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _prctl(option: int, value: int) -> bool:
    libc = _libc()
    return libc is not None and libc.prctl(option, value, 0, 0, 0) == 0


def die_with_parent(parent: int) -> bool:
    """Have the kernel kill this process when `parent`, which started it, ends (`PR_SET_PDEATHSIG`)."""
    active = _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if active and os.getppid() != parent:  # it ended before the kernel was told
        os.kill(os.getpid(), signal.SIGKILL)
    return active


def adopt_orphans() -> bool:
    """Become the parent of descendants whose own parent ended, so that none slips away (`PR_SET_CHILD_SUBREAPER`)."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def gain_no_privileges() -> bool:
    """Let no program that is started from here gain privileges by a set-uid bit (`PR_SET_NO_NEW_PRIVS`)."""
    return _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def deny_network() -> bool:
    """Move this process into a network namespace of its own, which has no way out (`unshare`).

    A user without the privilege may do so inside a user namespace of its own, where the kernel allows those.
    The process must have one thread.
    """
    libc = _libc()
    if libc is None:
        return False
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWNET) == 0:
        return True
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    _keep_identity(uid, gid)
    return True


def _keep_identity(uid: int, gid: int) -> None:
    """Map this user to itself in a new user namespace; files stay readable either way, only the names change."""
    own = _PROC / "self"
    try:
        (own / "setgroups").write_text("deny")
        (own / "uid_map").write_text(f"{uid} {uid} 1")
        (own / "gid_map").write_text(f"{gid} {gid} 1")
    except OSError:
        return  # the kernel's overflow user it is


def children(pid: int) -> list[int]:
    """Return the direct children of `pid`, without a look at every process of the machine.

    Raises:
        NotImplementedError: this kernel does not list children; ask psutil.
    """
    try:
        tasks = os.listdir(f"{_PROC}/{pid}/task")
    except FileNotFoundError:
        if not _PROC.joinpath("self", "task").exists():
            raise NotImplementedError from None
        return []
    found: list[int] = []
    for task in tasks:
        try:
            with open(f"{_PROC}/{pid}/task/{task}/children", "rb") as listed:  # looked at ten times a second
                found += map(int, listed.read().split())
        except ProcessLookupError:
            continue
        except FileNotFoundError:
            if not _PROC.joinpath("thread-self", "children").exists():
                raise NotImplementedError from None
    return found


def resident_bytes(pid: int) -> int:
    """Return the resident size of `pid` in bytes; 0 when it is gone."""
    try:
        with open(f"{_PROC}/{pid}/statm", "rb") as sizes:
            pages = int(sizes.read().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
