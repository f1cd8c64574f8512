"""The process that `footprint` starts: load a model, run it, say what that took. JSON in, JSON out.

It imports numpy and onnxruntime and nothing of shipfit, because everything here counts as memory.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

_RUNS = 10
_RUN_SECONDS = 0.25
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


def _open(model: str, settings: dict[str, Any]) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = settings["intra_op_num_threads"]
    options.inter_op_num_threads = settings["inter_op_num_threads"]
    options.enable_mem_pattern = settings["enable_mem_pattern"]
    for name, value in settings["config_entries"].items():
        options.add_session_config_entry(name, value)
    return onnxruntime.InferenceSession(model, options, providers=settings["providers"])


def _average_while_running(session: Any, feeds: list[dict[str, Any]]) -> float:
    sizes: list[int] = []
    end = time.perf_counter() + _RUN_SECONDS
    while len(sizes) < _RUNS or time.perf_counter() < end:
        session.run(None, feeds[len(sizes) % len(feeds)])
        sizes.append(_resident("VmRSS"))
    return sum(sizes) / len(sizes)


def main() -> None:
    """Measure one model, or, without one, what the runtime alone takes."""
    task = json.load(sys.stdin)
    feeds = _read_feeds(Path(task["folder"]), task["feeds"])
    if task["model"] is None:
        answer = {"average": float(_resident("VmRSS")), "load_s": 0.0}
    else:
        start = time.perf_counter()
        session = _open(task["model"], task["settings"])
        load_s = time.perf_counter() - start
        answer = {"average": _average_while_running(session, feeds), "load_s": load_s}
    json.dump(answer | {"peak": _resident("VmHWM")}, sys.stdout)


if __name__ == "__main__":
    main()
