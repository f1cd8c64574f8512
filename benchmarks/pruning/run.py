"""Hold shipfit's pruning, from the file alone, against torch-pruning, which has the source.

    python benchmarks/pruning/run.py [MODEL …] [--seeds 3] [--budget 30] [--arms NAME …] [--fresh] [--dry] [--pages]

Models are made once with each seed. What a tool makes of one is kept in `benchmarks/pruning/cache/products`, and its
figures in `benchmarks/results/pruning.json`, until the model or the tool changes: a run that was interrupted goes on
where it was, `--fresh` makes all anew. `--dry` writes to the cache instead; `--pages` only draws the pages again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("peers", "quantization", ".", "zoo"))]

import make_models  # noqa: E402 - the path above comes first
import pruning_page  # noqa: E402
import shipfit_arm  # noqa: E402
from arms import SAME, Figures  # noqa: E402
from machine import ROOT, describe  # noqa: E402
from onnx_files import sha256  # noqa: E402
from pruned import ARMS, OURS_INT8, PEER, RATIOS, Product, Row, Table, load_rows, read  # noqa: E402
from shelf import fill  # noqa: E402
from subjects import PUBLISHED, makers, place  # noqa: E402

CACHE = HERE / "cache"
MODELS, PRODUCTS = CACHE / "models", CACHE / "products"
RESULTS = HERE.parent / "results"
_TIMING_S = 20.0


def main() -> int:
    """Make what is missing, measure it, and write the figures after each model and seed."""
    options, rows = _options(), load_rows()
    if unknown := set(options.names) - set(rows):
        sys.exit(f"the table has no {', '.join(sorted(unknown))}; it has {', '.join(rows)}")
    folder = CACHE / "results" if options.dry else RESULTS
    table = read(folder, options.budget)
    if not options.pages:
        table.machine = describe()
        for name in options.names or rows:
            for seed in range(options.seeds):
                fill(MODELS, makers([name], [seed]), [place(name, seed)], _sources())
                _fill_in(table, name, seed, rows[name], options)
                pruning_page.write(table, folder)
    pruning_page.write(table, folder)
    print(f"figures: {os.path.relpath(folder / 'pruning.md')}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="MODEL")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0")
    parser.add_argument("--budget", type=float, default=30.0, help="CPU seconds of recovery for each product")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="those to make")
    parser.add_argument("--fresh", action="store_true", help="make all products anew")
    parser.add_argument("--dry", action="store_true", help="write to the cache")
    parser.add_argument("--pages", action="store_true", help="draw the pages of the last run again")
    return parser.parse_args()


def _sources() -> dict[str, str]:
    return {**make_models.sources(), "subjects": sha256(HERE / "subjects.py")}


def _fill_in(table: Table, name: str, seed: int, row: Row, options: argparse.Namespace) -> None:
    """Make and measure what the table lacks of one model and seed."""
    folder = MODELS / place(name, seed)
    wanted = {(ratio, arm): _made_of(folder, ratio, arm, row, options) for ratio in RATIOS for arm in options.arms}
    known = {(each.ratio, each.arm): each for each in table.products if (each.model, each.seed) == (name, seed)}
    if not options.fresh and all(key in known and known[key].made_of == made for key, made in wanted.items()):
        return
    made = {key: _product(name, seed, *key, made_of, row, options) for key, made_of in wanted.items()}
    _measure(made, folder)
    commit = table.machine.commit
    merged = {**known, **{key: each.model_copy(update={"commit": commit}) for key, each in made.items()}}
    rest = [each for each in table.products if (each.model, each.seed) != (name, seed)]
    table.products = [*rest, *merged.values()]


def _made_of(folder: Path, ratio: float, arm: str, row: Row, options: argparse.Namespace) -> str:
    """Return a digest of the model, the tool and what it is asked for."""
    code = [HERE / "torch_pruning_arm.py"] if arm == PEER else [
        HERE / "shipfit_arm.py", *sorted((ROOT / "tools").rglob("*.py")), *sorted((ROOT / "contracts").glob("*.py"))
    ]  # fmt: skip
    asked = [arm, ratio, options.budget, row.int8 if arm == OURS_INT8 else None]
    parts = [json.dumps(asked), *map(sha256, [folder / "model.onnx", *code])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _path(name: str, seed: int, ratio: float, arm: str) -> Path:
    return PRODUCTS / place(name, seed) / f"{ratio:g}-{arm.replace(', ', '-')}.onnx"


def _product(
    name: str, seed: int, ratio: float, arm: str, made_of: str, row: Row, options: argparse.Namespace
) -> Product:
    """Return what is there already, or have the tool make it."""
    path = _path(name, seed, ratio, arm)
    noted = path.with_suffix(".json")
    if noted.is_file() and not options.fresh:
        before = Product.model_validate_json(noted.read_text(encoding="utf-8"))
        if before.made_of == made_of:
            return before
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    product = Product(
        model=name, seed=seed, ratio=ratio, arm=arm, made_of=made_of, load=round(os.getloadavg()[0], 2)
    )  # fmt: skip
    started = time.monotonic()
    if arm != PEER:
        _ours(product, path, row)
    elif name in PUBLISHED:
        product.error = "it needs the network's source, which was not published with the file"
    else:
        _theirs(product, path, options)
    product.wall_s = time.monotonic() - started
    noted.write_text(product.model_dump_json(), encoding="utf-8")
    print(f"{name} {seed}, {ratio:.0%}, {arm}: {product.error or 'made'} after {product.wall_s:.0f} s", flush=True)
    return product


def _ours(product: Product, path: Path, row: Row) -> None:
    folder = MODELS / place(product.model, product.seed)
    int8 = row.int8 if product.arm == OURS_INT8 else {}
    steps = shipfit_arm.recipe(folder / "model.onnx", product.ratio, product.seed, int8)
    done = shipfit_arm.apply(folder, steps, path)
    product.notes = done.stdout.strip().splitlines()
    if done.status:
        product.error = _last(done.stderr)


def _theirs(product: Product, path: Path, options: argparse.Namespace) -> None:
    folder = MODELS / place(product.model, product.seed)
    given = [product.model, str(folder), str(product.ratio), str(options.budget), str(product.seed), str(path)]
    command = [sys.executable, str(HERE / "torch_pruning_arm.py"), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        product.error = _last(done.stderr)
        return
    said = json.loads(done.stdout.strip().splitlines()[-1])
    product.cpu_s, product.notes = said["cpu_s"], said["notes"]


def _last(words: str) -> str:
    """Return the last line that a tool said; of a bare assertion, what it asserts."""
    lines = [line for line in words.strip().splitlines() if line.strip(" ^~")] or ["nothing was said"]
    said = f"{lines[-1]}: {lines[-2].strip()}" if lines[-1] == "AssertionError" and len(lines) > 1 else lines[-1]
    return said[:300]


def _measure(made: dict[tuple[float, str], Product], folder: Path) -> None:
    """Measure all products of one model and seed in one run."""
    files = {f"{ratio:g} {arm}": _path(each.model, each.seed, ratio, arm) for (ratio, arm), each in made.items()}
    there = [f"{name}={path}" for name, path in files.items() if path.is_file()]
    given = [str(folder / "model.onnx"), str(folder / "held_out.npz"), str(_TIMING_S), *there]
    command = [sys.executable, str(HERE.parent / "peers" / "arms.py"), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{folder.name} cannot be measured: {_last(done.stderr)}")
    found = {name: Figures.model_validate(each) for name, each in json.loads(done.stdout).items()}
    same = found[SAME].speed
    for (ratio, arm), product in made.items():
        if figures := found.get(f"{ratio:g} {arm}"):
            for field in Figures.model_fields:
                setattr(product, field, getattr(figures, field))
            product.same_arm = same.value if same else 1.0


if __name__ == "__main__":
    sys.exit(main())
