"""Signals at a prompt: `input` over readline misses one that comes between its last look and its waiting."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

# Does nothing but end a system call that waits, after which Python looks at all signals that came.
_NUDGE = signal.SIGURG
_AFTER_S = (0.05, 0.2)


@contextmanager
def signals_noticed() -> Generator[None]:
    """Have the main thread, which calls this, notice every signal soon, also where it waits for a line."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    handler = signal.signal(_NUDGE, _nothing)
    wakes = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    thread = threading.Thread(target=_nudge, args=(heard, threading.get_ident()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakes)
        os.close(told)
        thread.join()
        os.close(heard)
        signal.signal(_NUDGE, handler or signal.SIG_DFL)


def _nothing(_signal: int, _frame: FrameType | None) -> None:
    """Return at once: the signal was all."""


def _nudge(heard: int, main: int) -> None:
    while came := os.read(heard, 64):
        if set(came) == {_NUDGE}:
            continue
        for wait in _AFTER_S:
            time.sleep(wait)
            signal.pthread_kill(main, _NUDGE)
