"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parent.parent
_LIBRARIES = ("onnxruntime", "onnx", "numpy", "torch", "langgraph", "chromadb")


class Machine(BaseModel):
    """Hardware, software, the commit, and how busy the machine was at the start."""

    cpu: str
    cores: int
    flags: list[str]
    memory_gb: float
    system: str
    python: str
    libraries: dict[str, str]
    commit: str
    command: str
    date: str
    load: float


def describe() -> Machine:
    """Return the facts of this machine and moment."""
    info = _cpu_info()
    return Machine(
        cpu=info.get("model name", platform.processor()),
        cores=len(os.sched_getaffinity(0)),
        flags=sorted({"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"} & cpu_flags()),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        libraries={name: version(name) for name in _LIBRARIES},
        commit=_commit(),
        command=" ".join(["python", os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]]),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        load=os.getloadavg()[0],
    )


def cpu_flags() -> set[str]:
    """Return the CPU's features as the kernel names them."""
    return set(_cpu_info().get("flags", "").split())


def _cpu_info() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    pairs = (line.partition(":") for line in reversed(lines) if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    head = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{head} with local changes" if git("status", "--porcelain", "--untracked-files=no") else head
