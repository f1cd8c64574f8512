"""`python -m shipfit.tools.worker --answers FD`: what an executor starts for each job."""

import gc
import sys

from .sandbox import confine

if __name__ == "__main__":
    confined = confine(sys.argv[1:])
    # Nothing that importing makes is garbage; `main` turns the collector on again.
    gc.disable()
    # Not before the split: the guard stays small, and forks while it has one thread.
    from .child import main

    main(confined)
