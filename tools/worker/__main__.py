"""`python -m shipfit.tools.worker --launcher FD`: what an executor starts once, to have children forked."""

import gc
import sys
from importlib import import_module

from .launcher import serve
from .sandbox import confine

# What nearly every tool imports and what takes longest. None of it may start a thread, which would not live on in a
# child: onnxruntime does.
_SHARED = (".child", "numpy", "onnx", "onnx.reference")

if __name__ == "__main__":
    # Nothing that importing makes is garbage; `main` turns the collector on again in the worker.
    gc.disable()
    for name in _SHARED:
        import_module(name, __package__)
    gc.freeze()
    answers = serve(sys.argv[1:])
    confined = confine(answers)
    from .child import main

    main(confined)
