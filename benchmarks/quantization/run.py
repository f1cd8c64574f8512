"""Hold shipfit's quantization against the table of what it must reach, each row as a user would ask for it.

    python benchmarks/quantization/run.py [NAME …] [--workers N] [--time-limit 120s] [--dry] [--pages]

Every run has its own process and a fresh SHIPFIT_HOME, seed 0. Its product is measured again on samples that it never
saw, one product at a time, after the runs. The figures go to `benchmarks/results/quantization.{json,md,svg}`; named
rows replace those of the last run and keep the commit that they were taken at. `--dry` writes to the cache instead;
`--pages` only draws the pages again. The exit status is 0 when no bar of the rows is missed.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "zoo")]

import yaml  # noqa: E402 - the path above comes first
from asked import Asked, load  # noqa: E402
from judged import Found, hold, take_report  # noqa: E402
from machine import Machine, describe  # noqa: E402
from make_models import CACHE, MODELS, make  # noqa: E402
from measured import Measured  # noqa: E402
from results import Table, read, write  # noqa: E402
from watch import watch  # noqa: E402

RESULTS = HERE.parent / "results"
PRODUCTS = CACHE / "products"
SHIPFIT = str(Path(sys.executable).with_name("shipfit"))
_KILL_AFTER_S = 600.0


def main() -> int:
    """Run what was asked for, write the figures, and say whether a bar was missed."""
    options, rows = _options(), load()
    if unknown := set(options.names) - set(rows):
        sys.exit(f"the table has no {', '.join(sorted(unknown))}; it has {', '.join(rows)}")
    folder = CACHE / "results" if options.dry else RESULTS
    if options.pages:
        write(read(folder), folder)
        return 0
    chosen = [rows[name] for name in options.names or rows]
    machine = describe()
    make(sorted({asked.model for asked in chosen}))
    _compile()
    with ThreadPoolExecutor(options.workers) as pool:
        found = list(pool.map(lambda asked: optimize(asked, machine, options.time_limit), chosen))
    for asked, row in zip(chosen, found, strict=True):
        judge(asked, row)
        _tell(row)
    before = {row.name: row for row in read(folder).rows if row.name in rows} if options.names else {}
    merged = {**before, **{row.name: row for row in found}}
    write(
        Table(machine=machine, workers=options.workers, rows=[merged[name] for name in rows if name in merged]), folder
    )
    print(f"figures: {os.path.relpath(folder / 'quantization.md')}")
    return int(any(row.state in ("missed", "not delivered") for row in found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--workers", type=int, default=2, help="runs side by side; each times alone")
    parser.add_argument("--time-limit", metavar="120s", help="of each run")
    parser.add_argument("--dry", action="store_true", help="write to the cache")
    parser.add_argument("--pages", action="store_true", help="draw the pages of the last run again")
    return parser.parse_args()


def _compile() -> None:
    """Leave shipfit's bytecode beside its files, as an installer does: compiled anew, it would cost every process."""
    for folder in sorted(path.parent for path in HERE.parent.parent.glob("*/__init__.py")):
        compileall.compile_dir(folder, quiet=2)


def optimize(asked: Asked, machine: Machine, limit: str | None) -> Found:
    """Run `shipfit optimize` for a row; the product stays in `cache/products/NAME`, its words beside it."""
    folder, out = PRODUCTS / f".{asked.name}", PRODUCTS / asked.name
    for each in (folder, out):
        shutil.rmtree(each, ignore_errors=True)
    folder.mkdir(parents=True)
    model = MODELS / asked.model
    config = folder / "request.yaml"
    config.write_text(yaml.safe_dump(asked.config), encoding="utf-8")
    given = [*asked.arguments(limit), *(["--config", str(config)] if asked.config else [])]
    command = [SHIPFIT, "optimize", str(model / "model.onnx"), "--data", str(model / "data.npz"), *given]
    environment = {"SHIPFIT_HOME": str(folder / "home"), "NO_COLOR": "1", "TERM": "dumb"}
    done = watch([*command, "--out", str(out)], folder, environment, _KILL_AFTER_S)
    (CACHE / "logs").mkdir(exist_ok=True)
    (CACHE / "logs" / f"{asked.name}.txt").write_text(done.stderr + done.stdout, encoding="utf-8")
    found = Found(
        name=asked.name,
        about=asked.about,
        stock=asked.stock,
        command=" ".join(Path(word).name if word.startswith("/") else word for word in command),
        commit=machine.commit,
        date=machine.date,
        load=machine.load,
    )
    found.effort.wall_s, found.effort.cpu_s = done.wall_s, done.own_cpu_s
    report = out / "report.json"
    if report.is_file():
        take_report(found, json.loads(report.read_text(encoding="utf-8")))
    else:
        found.status = "failed"
        found.reason = f"exit status {done.status}: {(done.stderr.strip().splitlines() or ['nothing was said'])[-1]}"
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{asked.name}: {found.status} after {done.wall_s:.0f} s", flush=True)
    return found


def judge(asked: Asked, found: Found) -> None:
    """Measure a delivered product in a process of its own, in which shipfit is never imported."""
    product, model = PRODUCTS / asked.name / "model.onnx", MODELS / asked.model
    if found.status not in ("met", "unverified") or not product.is_file():
        return
    states = [f"{name}={output}" for name, output in asked.state.items()]
    files = [str(model / "model.onnx"), str(product), str(model / "held_out.npz")]
    done = subprocess.run(
        [sys.executable, str(HERE / "measured.py"), *files, *states], capture_output=True, text=True, check=False
    )
    if done.returncode:
        found.status = "failed"
        found.reason = f"cannot be measured: {(done.stderr.strip().splitlines() or ['nothing was said'])[-1]}"
        return
    found.measured = Measured.model_validate_json(done.stdout)
    found.held = hold(asked, found.measured)


def _tell(row: Found) -> None:
    print(f"{row.name}: {row.state}{', the stretch too' if row.stretched else ''}", flush=True)
    for bar in row.held:
        print(f"  {bar.state:12} {bar.name} {bar.found.value:.4g} (bar {bar.bar:g})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
