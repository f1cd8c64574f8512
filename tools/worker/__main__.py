"""`python -m shipfit.tools.worker --launcher FD`: what an executor starts once, to have children forked."""

import gc
import sys

from .launcher import serve
from .sandbox import confine

if __name__ == "__main__":
    # Nothing that importing makes is garbage; `main` turns the collector on again in the worker.
    gc.disable()
    from ..registry import import_homes
    from .child import main

    import_homes()
    gc.freeze()
    main(confine(serve(sys.argv[1:])))
