"""`python -m shipfit.interfaces.running --answers FD`: what `process` starts for each order."""

import signal
import sys

from ...tools.worker.sandbox import ANSWERS, forbid_core_dumps

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != ANSWERS or not sys.argv[2].isdecimal():
        sys.exit(f"this process is started by another one: expected {ANSWERS} FD and an order on standard input")
    # Whoever was started with SIGINT ignored, as in a shell's background, must still stop when told to.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    forbid_core_dumps()
    from .child import main

    main(int(sys.argv[2]))
