"""A signal is noticed by whoever waits in a call that looks at none before it returns."""

from __future__ import annotations

import signal
import subprocess
import sys

# The main thread's Python handler runs when the call that waits is interrupted, and not before: the signal goes to the
# other thread, as one does that comes just before the waiting.
WAITS = """
import ctypes, os, signal, threading, time
from shipfit.interfaces.cli.noticed import signals_noticed
with signals_noticed():
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    def send():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        time.sleep(0.5)  # by then the other thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGALRM)
    thread = threading.Thread(target=send)
    began = time.monotonic()
    try:
        thread.start()
        ctypes.CDLL(None).poll(None, 0, 60_000)
        time.sleep(0)
    except KeyboardInterrupt:
        print("noticed" if time.monotonic() - began < 50 else "late")
    thread.join()
"""


def test_a_signal_that_ends_no_waiting_itself_is_noticed_all_the_same() -> None:
    told = subprocess.run([sys.executable, "-c", WAITS], capture_output=True, text=True, check=True, timeout=100)
    assert told.stdout.strip() == "noticed"
    assert signal.getsignal(signal.SIGURG) in (signal.SIG_DFL, None)
