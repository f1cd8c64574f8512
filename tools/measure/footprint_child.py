"""The process that `footprint` starts: load a model, run it, say what that took. JSON in, JSON out.

It imports numpy and the runtime (onnxruntime, or torch with what opens programs) and nothing of shipfit, because
everything here counts as memory.
"""

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

_RUN_SECONDS = 0.1
# The runtime allocates by the pattern of the first call from the second on, which may take more.
_LEAST_CALLS = 2
_STATUS = Path("/proc/self/status")


def _resident(field: str) -> int:
    """Return `VmRSS` or `VmHWM` in bytes. The latter is this process's own peak; a child inherits `ru_maxrss`."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    import psutil

    facts = psutil.Process().memory_info()
    return int(getattr(facts, "peak_wset", facts.rss) if field == "VmHWM" else facts.rss)


def _read_feeds(folder: Path, count: int) -> list[dict[str, Any]]:
    feeds: list[dict[str, Any]] = []
    for number in range(count):
        names = json.loads((folder / f"feed-{number}.json").read_text())
        with np.load(folder / f"feed-{number}.npz", allow_pickle=False) as arrays:
            feeds.append({name: arrays[f"i{position}"] for position, name in enumerate(names)})
    return feeds


Run = Callable[[dict[str, Any]], object]


def _open_onnx(model: str, settings: dict[str, Any]) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = settings["intra_op_num_threads"]
    options.inter_op_num_threads = settings["inter_op_num_threads"]
    options.enable_mem_pattern = settings["enable_mem_pattern"]
    for name, value in settings["config_entries"].items():
        options.add_session_config_entry(name, value)
    session = onnxruntime.InferenceSession(model, options, providers=settings["providers"])
    return lambda feed: session.run(None, feed)


def _open_torch(model: str, settings: dict[str, Any]) -> Run:
    import torch
    from torch.utils import _pytree as pytree

    torch.set_num_threads(max(1, settings["intra_op_num_threads"]))
    program = torch.export.load(model)
    module = program.module()
    inputs: list[Any] = [spec.arg for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    spec: Any = program.call_spec.in_spec

    def run(feed: dict[str, Any]) -> object:
        leaves = [torch.from_numpy(feed[each.name]) if each.name in feed else each.value for each in inputs]
        args, kwargs = pytree.tree_unflatten(leaves, spec)
        with torch.inference_mode():
            return module(*args, **kwargs)

    return run


def _import_runtime(name: str) -> None:
    """Import all that loading a model imports, so that it counts as the runtime's."""
    modules = ("torch.export.pt2_archive._package", "torch._export.serde.serialize", "torch._dynamo", "torch._inductor")
    for module in modules if name == "torch" else ("onnxruntime",):
        import_module(module)


def _average_while_running(run: Run, feeds: list[dict[str, Any]]) -> float:
    sizes: list[int] = []
    end = time.perf_counter() + _RUN_SECONDS
    while len(sizes) < max(len(feeds), _LEAST_CALLS) or time.perf_counter() < end:
        run(feeds[len(sizes) % len(feeds)])
        sizes.append(_resident("VmRSS"))
    return sum(sizes) / len(sizes)


def main() -> None:
    """Measure one model, or, without one, what the runtime alone takes."""
    task = json.load(sys.stdin)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    _import_runtime(task["runtime"])
    feeds = _read_feeds(Path(task["folder"]), task["feeds"])
    if task["model"] is None:
        answer = {"average": float(_resident("VmRSS")), "load_s": 0.0}
    else:
        opener = _open_torch if task["runtime"] == "torch" else _open_onnx
        start = time.perf_counter()
        run = opener(task["model"], task["settings"])
        load_s = time.perf_counter() - start
        answer = {"average": _average_while_running(run, feeds), "load_s": load_s}
    json.dump(answer | {"peak": _resident("VmHWM")}, sys.stdout)


if __name__ == "__main__":
    main()
