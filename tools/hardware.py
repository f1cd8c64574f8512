"""What this machine is, as far as measurements depend on it. Light: the coordinator uses it too."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
from functools import cache
from pathlib import Path

from ..contracts import Hardware

_CPUINFO = Path("/proc/cpuinfo")

# Instruction sets that decide which kernels onnxruntime picks, by the kernel's names for them (x86, then Arm).
_RELEVANT = frozenset({
    "avx", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "amx_bf16", "avx512_bf16",
    "f16c", "fma",
    "asimd", "asimddp", "asimdhp", "fphp", "i8mm", "bf16", "sve", "sve2", "svei8mm",
})  # fmt: skip
_INT8_DOT = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})


@cache
def _cpuinfo() -> dict[str, str]:
    """Return the first processor's entries; empty where the kernel has no such file."""
    try:
        text = _CPUINFO.read_text()
    except OSError:
        return {}
    entries = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in entries}


@cache
def _flags() -> frozenset[str]:
    info = _cpuinfo()
    return _RELEVANT & set((info.get("flags") or info.get("Features") or "").split())


def _cores() -> int:
    """Cores that this process may use: a container's share, not the host's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, str]:
    """Return the facts that the fingerprint is made of, for people."""
    info = _cpuinfo()
    model = info.get("model name") or info.get("CPU part") or platform.processor() or "unknown"
    return {
        "cpu": model,
        "architecture": platform.machine(),
        "cores": str(_cores()),
        "instruction_sets": " ".join(sorted(_flags())),
        "system": platform.system(),
    }


@cache
def fingerprint() -> str:
    """Return 12 hexadecimal digits that are equal on machines whose measurements are comparable."""
    facts = "\n".join(f"{name}={value}" for name, value in sorted(describe().items()))
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


def this_machine() -> Hardware:
    """Return what this machine is."""
    return Hardware(fingerprint=fingerprint(), vnni=has_vnni(), machine=describe())


def has_vnni() -> bool:
    """Tell whether the CPU multiplies int8 in one instruction (VNNI, AMX, or Arm's dot product)."""
    return bool(_flags() & _INT8_DOT)


def peak_resident_bytes() -> int:
    """Return the peak resident size of this process, bytes.

    `ru_maxrss` would not do: across exec it keeps the peak of the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(peak.split()[1]) * 1024
