"""Hold shipfit against its peers: the same models, requests, samples, thread and harness, in one run.

    python benchmarks/peers/run.py [MODEL …] [--limit 100] [--seconds 10] [--fresh] [--make-only] [--dry]

Each peer has an environment of its own, and a process with the limit of seconds for each model. What it made is kept
in `benchmarks/peers/cache/products` until the model, the request or the peer's code changes (`--fresh` makes all
anew; `--make-only` stops there). Then all products of a model, with shipfit's of the last
`benchmarks/quantization/run.py`, are measured together. The figures go to `benchmarks/results/peers.{json,md,svg}`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "quantization"), str(HERE.parent), str(HERE.parent / "zoo")]

import peers_page  # noqa: E402 - the path above comes first
import results  # noqa: E402
from arms import SAME, Figures  # noqa: E402
from asked import Asked, load  # noqa: E402
from environments import REQUIREMENTS, python_of  # noqa: E402
from machine import describe  # noqa: E402
from make_models import (  # noqa: E402
    CACHE as OURS_CACHE,
    MODELS,
    make,
)
from onnx_files import sha256  # noqa: E402
from side_by_side import OURS, Arm, Compared, Peers, task_bounds  # noqa: E402
from watch import watch  # noqa: E402

CACHE = HERE / "cache"
PRODUCTS = CACHE / "products"
RESULTS = HERE.parent / "results"
# Model → the row of the table whose request all tools are given.
ROWS = {
    "resnet": "resnet_speed",
    "lstm": "lstm_speed",
    "speaker_lstm": "speaker_lstm",
    "silero_sequence": "silero_sequence_speed",
    "silero_recordings": "silero_recordings",
    "mini_lm": "mini_lm",
    "transformer": "transformer_speed",
    "pp_ocr_direction": "pp_ocr_direction",
    "pp_ocr_detection": "pp_ocr_detection",
    "pp_ocr_recognition": "pp_ocr_recognition",
    "magika": "magika_speed",
}
# Name → environment, script, further arguments.
PEERS: dict[str, tuple[str, str, list[str]]] = {
    "onnxruntime quantizer": ("onnxruntime", "onnxruntime_arm.py", []),
    "NNCF quantize": ("nncf", "nncf_arm.py", []),
    "NNCF accuracy control": ("nncf", "nncf_arm.py", ["accuracy_control"]),
    "Olive search": ("olive", "olive_arm.py", []),
}
# Model → times the limit, where samples are so long that a peer would be stopped before it has found anything.
_LONGER = {"silero_recordings": 6.0}
_SEARCHING = 0.8  # share of the limit after which a search of ours within a peer is to begin nothing new


def main() -> int:
    """Have every peer make its products, measure them beside ours, and write the figures."""
    options, table = _options(), load()
    if unknown := set(options.models) - set(ROWS):
        sys.exit(f"no model is called {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    chosen = options.models or list(ROWS)
    machine = describe()
    make(chosen)
    for environment in sorted({environment for environment, _, _ in PEERS.values()}):
        python_of(environment)
    wanted = [(name, table[ROWS[name]], peer) for name in chosen for peer in PEERS]
    _make_all(wanted, options.limit, options.fresh)
    if options.make_only:
        return 0
    folder = CACHE / "results" if options.dry else RESULTS
    path = folder / "peers.json"
    before = Peers.model_validate_json(path.read_text(encoding="utf-8")).rows if path.is_file() else []
    rows = {row.model: row for row in before} if options.models else {}
    rows |= {name: compare(table[ROWS[name]], options.seconds) for name in chosen}
    peers_page.write(Peers(machine=machine, limit_s=options.limit, rows=[rows[n] for n in ROWS if n in rows]), folder)
    results.write(results.read(folder), folder)  # it quotes NNCF's effort
    print(f"figures: {os.path.relpath(folder / 'peers.md')}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--limit", type=float, default=100.0, help="seconds for each tool and model")
    parser.add_argument("--seconds", type=float, default=10.0, help="of timing for each model")
    parser.add_argument("--fresh", action="store_true", help="make all products anew")
    parser.add_argument("--make-only", action="store_true", help="make products, measure nothing")
    parser.add_argument("--dry", action="store_true", help="write to the cache")
    return parser.parse_args()


def _make_all(wanted: list[tuple[str, Asked, str]], limit: float, fresh: bool) -> None:
    """Make what is missing, one process for each processor that this one may use, each pinned to its own."""
    free: SimpleQueue[int] = SimpleQueue()
    processors = sorted(os.sched_getaffinity(0))
    for processor in processors:
        free.put(processor)

    def one(item: tuple[str, Asked, str]) -> None:
        processor = free.get()
        try:
            make_product(*item, limit * _LONGER.get(item[0], 1.0), fresh, processor)
        finally:
            free.put(processor)

    with ThreadPoolExecutor(len(processors)) as pool:
        list(pool.map(one, wanted))


def make_product(model: str, asked: Asked, peer: str, limit: float, fresh: bool, processor: int) -> None:
    """Have one peer make its product of one model, unless the same was made before."""
    environment, script, arguments = PEERS[peer]
    out = _folder(model, peer)
    stamp = _stamp(model, asked, environment, script, limit)
    done = out / "made.json"
    if not fresh and done.is_file() and json.loads(done.read_text(encoding="utf-8"))["stamp"] == stamp:
        return
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    files = {"model": str(MODELS / model / "model.onnx"), "data": str(MODELS / model / "data.npz"), "out": str(out)}
    given = {**files, "bounds": task_bounds(asked), "seconds": _SEARCHING * limit, "cpu": processor}
    (out / "task.json").write_text(json.dumps(given), encoding="utf-8")
    command = [str(python_of(environment)), str(HERE / script), str(out / "task.json"), *arguments]
    watched = watch(command, out, {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""}, limit)
    (out / "log.txt").write_text(watched.stdout + watched.stderr, encoding="utf-8")
    cost = {"cpu_s": watched.own_cpu_s + watched.children_cpu_s, "wall_s": watched.wall_s}
    done.write_text(json.dumps({"stamp": stamp, "status": watched.status, **cost}, indent=2), encoding="utf-8")
    print(f"{model}, {peer}: {watched.wall_s:.0f} s, {'ended' if not watched.status else 'was stopped'}", flush=True)


def _folder(model: str, peer: str) -> Path:
    return PRODUCTS / model / peer.replace(" ", "_")


def _stamp(model: str, asked: Asked, environment: str, script: str, limit: float) -> dict[str, Any]:
    """Return what a product depends on."""
    ours = [
        HERE / name for name in (script, "task.py", "prepared.py", *(["olive_script.py"] * (environment == "olive")))
    ]
    files = [MODELS / model / "model.onnx", MODELS / model / "data.npz", REQUIREMENTS / f"{environment}.txt", *ours]
    return {"bounds": task_bounds(asked), "limit": limit, **{path.name: sha256(path) for path in files}}


def compare(asked: Asked, seconds: float) -> Compared:
    """Measure every product of one model, ours among them, in one interleaved run of its own process."""
    arms = {peer: _made(asked.model, peer) for peer in PEERS} | {OURS: _ours(asked)}
    products = {peer: path for peer, (path, _) in arms.items() if path is not None}
    model = MODELS / asked.model
    given = [f"{name}={path}" for name, path in products.items()]
    files = [str(model / "model.onnx"), str(model / "held_out.npz")]
    command = [sys.executable, str(HERE / "arms.py"), *files, str(seconds), *given]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = {name: Figures.model_validate(figures) for name, figures in json.loads(done.stdout).items()}
    same = found.pop(SAME).speed
    row = Compared(model=asked.model, row=asked.name, about=asked.about, bounds=asked.bars.given())
    row.same_arm = same.value if same else 1.0
    for peer, (_, arm) in arms.items():
        figures = found.get(peer, Figures())
        error = figures.error or arm.error
        row.arms.append(arm.model_copy(update={**dict(figures), "error": error}))
        print(f"{asked.model}, {peer}: {_told(row.arms[-1])}", flush=True)
    return row


def _made(model: str, peer: str) -> tuple[Path | None, Arm]:
    """Return a peer's product, where there is one, and what making it took."""
    out = _folder(model, peer)
    made = json.loads((out / "made.json").read_text(encoding="utf-8"))
    arm = Arm(peer=peer, cpu_s=made["cpu_s"], wall_s=made["wall_s"])
    result = out / "result.json"
    if result.is_file():
        said = json.loads(result.read_text(encoding="utf-8"))
        arm = arm.model_copy(
            update={"error": said["error"], "sample_runs": said["sample_runs"], "notes": said["notes"]}
        )
    elif made["status"] < 0:
        arm.error = f"not done after {made['wall_s']:.0f} s"
    else:
        arm.error = _last_line(out / "log.txt")
    product = out / "model.onnx"
    return (product if product.is_file() else None), arm


def _ours(asked: Asked) -> tuple[Path | None, Arm]:
    """Return shipfit's product of the table's last run, on the same request."""
    report = OURS_CACHE / "products" / asked.name / "report.json"
    if not report.is_file():
        return None, Arm(peer=OURS, error=f"not run: benchmarks/quantization/run.py {asked.name}")
    said = json.loads(report.read_text(encoding="utf-8"))
    effort = said["effort"]
    cpu = effort["cpu_s"] + said["timing"]["coordinator_cpu_s"] + said["timing"]["import_cpu_s"]
    arm = Arm(peer=OURS, sample_runs=effort["sample_runs"], cpu_s=cpu, wall_s=said["timing"]["wall_s"])
    if said["status"] != "met":
        arm.error = f"{said['status'].replace('_', ' ')}: {said['reason']}"
        return None, arm
    return report.parent / "model.onnx", arm


def _last_line(path: Path) -> str:
    return (path.read_text(encoding="utf-8").strip().splitlines() or ["nothing was said"])[-1][:300]


def _told(arm: Arm) -> str:
    if arm.size is None or arm.speed is None:
        return arm.error
    return (
        f"size {arm.size:.3f}, {arm.speed.value:.2f}×, {arm.output_db:.1f} dB{f' ({arm.error})' if arm.error else ''}"
    )


if __name__ == "__main__":
    sys.exit(main())
