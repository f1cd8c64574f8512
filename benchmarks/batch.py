"""Measure a batch of many tiny models, and kill one at random moments.

    python benchmarks/batch.py                      200 models, then 20 kills
    python benchmarks/batch.py --models 50 --kills 0
    python benchmarks/batch.py --distinct 20        only so many different models: much is answered from the store

Figures go to benchmarks/results/batch_{many,kills}.{json,md}, each where its part ran in full. Exits with 1 when a bar
is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
from bars import Bar, at_most, equal, read_report
from fetch import CACHE
from kill import made_again
from machine import Machine, describe
from onnx import TensorProto, helper, numpy_helper
from pydantic import BaseModel
from run import HERE, SHIPFIT
from watch import watch

MODELS, KILLS = 200, 20
PEAK_MB = 1000
CPU_PER_RUN_S, CPU_PER_ATTEMPT_S = 2.0, 0.1
# A killed coordinator needs about a second to be at work again; a moment may fall before that, too.
_MOMENTS_S = (0.5, 20.0)
_GONE_S = 5.0
_LIMIT_S = 7200.0

# One attempt each, which is measured in full and delivered.
_MANY = "defaults: {max_size: 60%, max_attempts: 1, time_limit: 2m}\nmodels:\n  - glob: '*.onnx'\n"
# Nothing depends on time, so that a batch which is killed must end as one that is not.
_KILLED = """
defaults: {max_attempts: 1, time_limit: 5m, memory: false, allow_regression: [latency, memory]}
models:
  - {path: net-000.onnx, max_size: 60%}
  - {path: net-001.onnx, min_fidelity: 190dB}
  - {path: net-002.onnx, max_size: 60%}
  - {path: broken.onnx}
  - {path: net-003.onnx, max_size: 60%}
  - {path: net-004.onnx, min_fidelity: 190dB}
"""


class Size(BaseModel):
    """What a batch of many models cost its coordinator. `cpu_s`: without imports; of the process alone."""

    models: int
    distinct: int
    attempts: int
    wall_s: float
    cpu_s: float
    cpu_per_run_s: float
    peak_mb: float
    resumed_s: float
    bars: list[Bar]


class Kill(BaseModel):
    """One kill: seconds after the process began, what was killed, and how many executions were kept by then."""

    after_s: float
    victim: str
    kept: int


class Drill(BaseModel):
    """All kills of one batch, and whether it ended like an undisturbed one."""

    kills: list[Kill]
    bars: list[Bar]


def main() -> int:
    """Measure, drill, write what was found, and say whether all went well."""
    parser = argparse.ArgumentParser(description="Measure batches.")
    parser.add_argument("--models", type=int, default=MODELS, help="how many in the large batch; 0 leaves it out")
    parser.add_argument("--distinct", type=int, default=None, help="how many of them differ (default: all)")
    parser.add_argument("--kills", type=int, default=KILLS, help="how many in all; 0 leaves them out")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the victims")
    asked = parser.parse_args()
    machine = describe()
    size = measure(asked.models, asked.distinct or asked.models) if asked.models else None
    drills = list(drill(asked.kills, random.Random(asked.seed))) if asked.kills else []
    if size:
        _write(_Page(machine=machine, size=size), _place("batch_many", asked.models >= MODELS))
    if drills:
        _write(_Page(machine=machine, drills=drills), _place("batch_kills", asked.kills >= KILLS))
    bars = [*(size.bars if size else []), *(bar for each in drills for bar in each.bars)]
    return 0 if all(bar.reached for bar in bars) else 1


def tiny(seed: int) -> onnx.ModelProto:
    """Return a perceptron of 2,000 parameters."""
    rng = np.random.default_rng(seed)
    weights = {"w1": rng.standard_normal((16, 64)), "w2": rng.standard_normal((64, 16))}
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], "dense1"),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("MatMul", ["b", "w2"], ["y"], "dense2"),
    ]
    given, answer = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 16]) for name in "xy")
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", [given], [answer], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def make_zoo(folder: Path, models: int, distinct: int, manifest: str) -> Path:
    """Write so many tiny models and a manifest over them."""
    folder.mkdir(parents=True)
    for number in range(models):
        (folder / f"net-{number:03}.onnx").write_bytes(tiny(number % distinct).SerializeToString())
    if "broken" in manifest:
        (folder / "broken.onnx").write_bytes(b"\x08\x08\x12\x00broken")
    (folder / "zoo.yaml").write_text(manifest)
    return folder


def measure(models: int, distinct: int) -> Size:
    """Run a large batch, then once more with nothing left to do."""
    with tempfile.TemporaryDirectory(prefix="shipfit-batch-") as scratch:
        folder = Path(scratch)
        zoo = make_zoo(folder / "zoo", models, distinct, _MANY)
        command = [SHIPFIT, "batch", str(zoo), "--out", str(folder / "out")]
        environment = {"SHIPFIT_HOME": str(folder / "home")}
        done = watch(command, folder, environment, _LIMIT_S)
        again = watch([*command, "--resume"], folder, environment, _LIMIT_S)
        summary = _summary(folder / "out")
        reports = [read_report(folder / "out" / row["name"]) or {} for row in summary["models"]]
    imports = sum(report["timing"]["import_cpu_s"] for report in reports if report)
    attempts = sum(row["attempts"] for row in summary["models"])
    cpu = done.own_cpu_s - imports
    allowed = models * CPU_PER_RUN_S + attempts * CPU_PER_ATTEMPT_S
    found = Size(
        models=models, distinct=distinct, attempts=attempts, wall_s=done.wall_s, cpu_s=cpu, cpu_per_run_s=cpu / models,
        peak_mb=done.peak_bytes / 1e6, resumed_s=again.wall_s,
        bars=[
            equal("models brought to their end", models, sum(row["report"] is not None for row in summary["models"])),
            at_most("coordinator peak", PEAK_MB, done.peak_bytes / 1e6, " MB"),
            at_most("coordinator CPU beyond imports", allowed, cpu, " s"),
            equal("same exit status when resumed", done.status, again.status),
            at_most("resumed with nothing to do", 10.0, again.wall_s, " s"),
        ],
    )  # fmt: skip
    print(f"{models} models ({distinct} distinct) in {done.wall_s:.0f} s, {cpu / models:.2f} s CPU a run")
    _tell(found.bars)
    return found


def drill(kills: int, rng: random.Random) -> list[Drill]:
    """Kill batches until so many kills are done, and compare each with an undisturbed one."""
    undisturbed = _undisturbed()
    drills: list[Drill] = []
    while (left := kills - sum(len(each.kills) for each in drills)) > 0:
        drills.append(_drill(left, rng, undisturbed))
        _tell(drills[-1].bars)
    return drills


def _undisturbed() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="shipfit-batch-") as scratch:
        folder = Path(scratch)
        zoo = make_zoo(folder / "zoo", 5, 5, _KILLED)
        watch([SHIPFIT, "batch", str(zoo), "--out", str(folder / "out")], folder, _home(folder), _LIMIT_S)
        return endings(folder / "out")


def _drill(kills: int, rng: random.Random, undisturbed: list[dict[str, Any]]) -> Drill:
    with tempfile.TemporaryDirectory(prefix="shipfit-batch-") as scratch:
        folder = Path(scratch)
        zoo = make_zoo(folder / "zoo", 5, 5, _KILLED)
        command = [SHIPFIT, "batch", str(zoo), "--out", str(folder / "out"), "--resume"]
        done: list[Kill] = []
        again: list[str] = []
        survivors: list[int] = []
        while True:
            kept, known = _executions(folder / "home"), len(done)
            status = _run_and_kill(command, folder, rng, kills - len(done), done, survivors)
            again += made_again(kept, _executions(folder / "home"))
            if status != -signal.SIGKILL:
                break
            print(f"  coordinator killed after {len(done) - known} kills, {len(done)} in all", flush=True)
        bars = [
            equal("exit status", 3, status),
            equal("children that outlived it", [], survivors),
            equal("finished executions made again", [], again),
            equal("same rows, recipes and products", True, endings(folder / "out") == undisturbed),
        ]
        if not bars[-1].reached:
            print(json.dumps([undisturbed, endings(folder / "out")], indent=1))
        return Drill(kills=done, bars=bars)


def _run_and_kill(
    command: list[str], folder: Path, rng: random.Random, left: int, done: list[Kill], survivors: list[int]
) -> int:
    """Run a batch, kill it or its children at random moments, and return its exit status."""
    logs = CACHE / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (
        (logs / "batch-kill.txt").open("a") as log,
        subprocess.Popen(command, cwd=folder, env=os.environ | _home(folder), stdout=log, stderr=log) as process,
    ):
        started = time.monotonic()
        while left > 0:
            try:
                return process.wait(rng.uniform(*_MOMENTS_S))
            except subprocess.TimeoutExpired:
                pass
            children = psutil.Process(process.pid).children(recursive=True)
            victim = rng.choice(children) if children and rng.random() < 0.5 else None
            kept = len(_executions(folder / "home"))
            done.append(
                Kill(after_s=time.monotonic() - started, victim="a child" if victim else "coordinator", kept=kept)
            )
            left -= 1
            if victim is None:
                process.kill()
                survivors += [child.pid for child in psutil.wait_procs(children, timeout=_GONE_S)[1]]
                return process.wait()
            try:
                victim.kill()
            except psutil.NoSuchProcess:
                continue
        return process.wait()


def endings(out: Path) -> list[dict[str, Any]]:
    """Return what must not depend on interruptions: rows, recipes, products."""
    found: list[dict[str, Any]] = []
    for row in _summary(out)["models"]:
        report = read_report(out / row["name"]) or {}
        facts = {name: row[name] for name in ("name", "status", "attempts", "first_met", "product_bytes", "error")}
        found.append(facts | {"recipe": report.get("recipe"), "product": report.get("artifact", {}).get("sha256")})
    return found


def _summary(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return found


def _home(folder: Path) -> dict[str, str]:
    return {"SHIPFIT_HOME": str(folder / "home")}


def _executions(home: Path) -> dict[str, tuple[str, float]]:
    """Return key → tool and time of what the ledger holds as finished."""
    if not (home / "ledger.sqlite").exists():
        return {}
    with closing(sqlite3.connect(f"file:{home / 'ledger.sqlite'}?mode=ro", uri=True, timeout=30)) as ledger:
        try:
            rows = ledger.execute("SELECT key, tool, created FROM executions").fetchall()
        except sqlite3.OperationalError:  # killed before it had made its tables
            return {}
    return {key: (tool, created) for key, tool, created in rows}


def _tell(bars: list[Bar]) -> None:
    for bar in bars:
        print(f"  {'ok    ' if bar.reached else 'MISSED'} {bar.name}: {bar.found} ({bar.bound})", flush=True)


class _Page(BaseModel):
    machine: Machine
    size: Size | None = None
    drills: list[Drill] = []


def _place(name: str, whole: bool) -> Path:
    return (HERE / "results" if whole else CACHE) / name


def _write(page: _Page, place: Path) -> None:
    """Write a page as `place.json` and `place.md`."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.with_suffix(".json").write_text(page.model_dump_json(indent=2) + "\n", encoding="utf-8")
    machine = page.machine
    lines = [
        f"# Batches\n\n{machine.date}, commit {machine.commit}, `{machine.command}`, {machine.cpu}, "
        f"{machine.cores} cores.\n"
    ]
    if (size := page.size) is not None:
        lines.append(
            f"\n## {size.models} tiny models, {size.distinct} distinct\n\n{size.wall_s:.0f} s in all, "
            f"{size.attempts} attempts, {size.cpu_per_run_s:.2f} s CPU of the coordinator a run.\n\n{_table(size.bars)}"
        )
    if page.drills:
        count = sum(len(each.kills) for each in page.drills)
        hit = sum(kill.victim == "coordinator" for each in page.drills for kill in each.kills)
        lines.append(f"\n## {count} kills at random moments, {hit} of them of the coordinator\n")
        lines += [
            f"\nBatch {number}, {len(each.kills)} kills\n\n{_table(each.bars)}"
            for number, each in enumerate(page.drills, 1)
        ]
    place.with_suffix(".md").write_text("".join(lines), encoding="utf-8")


def _table(bars: list[Bar]) -> str:
    rows = "".join(f"| {bar.name} | {bar.bound} | {bar.found} | {'yes' if bar.reached else 'NO'} |\n" for bar in bars)
    return f"| what | bar | found | reached |\n|---|---|---|---|\n{rows}"


if __name__ == "__main__":
    sys.exit(main())
