"""Run the zoo: make the models, fit all of them in one batch, measure every product again, and draw what came out.

    python benchmarks/zoo/run.py [--workers N] [--only NAME …] [--resume] [--ten-times]

The figures go to `benchmarks/results/zoo.{json,md,svg}`. With `--resume` an earlier run that was killed goes on. With
`--ten-times` every model that is not met is asked for again at ten times the budget, which tells whether its request
is feasible (`zoo_ten_times.json`, read by later runs). With `--only` the figures are printed and nothing is written.
The exit status is 0 when every bar is reached.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import hostile  # noqa: E402 - the path above comes first
import judge  # noqa: E402
import yaml  # noqa: E402
from build import build  # noqa: E402
from expected import CACHE, MANIFEST, ask, load_entries, load_expected  # noqa: E402
from judge import Row  # noqa: E402
from machine import ROOT, describe  # noqa: E402
from page import Zoo, write  # noqa: E402
from watch import Watched, watch  # noqa: E402

RESULTS = HERE.parent / "results"
TEN_TIMES = RESULTS / "zoo_ten_times.json"
SHIPFIT = Path(sys.executable).with_name("shipfit")
FOLDER_ZOO = CACHE / "folder"
HOME, OUT, OUT_OF_FOLDER = CACHE / "home", CACHE / "out", CACHE / "out-of-folder"
_FOLDER_OPTIONS = ("--max-size", "50%", "--time-limit", "30s", "--max-attempts", "2")
_LIMIT_S = 3600.0


def main() -> int:
    """Run the zoo and return the exit status."""
    options = _options()
    machine, started = describe(), time.monotonic()
    build_s = build()
    if not options.resume:
        for folder in (HOME, OUT, OUT_OF_FOLDER):
            shutil.rmtree(folder, ignore_errors=True)
        hostile.build(CACHE / "hostile", FOLDER_ZOO)
    if options.ten_times:
        return _ten_times(options.workers)
    manifest = _some(options.only) if options.only else MANIFEST
    batches = [_batch(manifest, options.workers, options.resume), _folder_batch(options.workers, options.resume)]
    batch_s, began = sum(batch.wall_s for batch in batches), time.monotonic()
    rows = _rows(options.only)
    verify_s, wall_s = time.monotonic() - began, time.monotonic() - started
    before = _summaries()
    again = [_batch(manifest, options.workers, True), _folder_batch(options.workers, True)]
    resume_s = sum(batch.wall_s for batch in again)
    zoo = Zoo(
        machine=machine,
        workers=options.workers,
        build_s=build_s,
        batch_s=batch_s,
        verify_s=verify_s,
        resume_s=resume_s,
        coordinator_peak_bytes=max(batch.peak_bytes for batch in batches),
        rows=rows,
        bars=[*judge.bars(rows, wall_s, resume_s), judge.equal("rows after --resume", True, before == _summaries())],
    )
    _tell(zoo)
    if not options.only:
        write(zoo, RESULTS)
    return 0 if zoo.all_reached else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--ten-times", action="store_true")
    return parser.parse_args()


def _batch(manifest: Path, workers: int, resume: bool, out: Path = OUT) -> Watched:
    return _shipfit(["batch", str(manifest), "--trust-code", "--workers", str(workers), "--out", str(out)], resume)


def _folder_batch(workers: int, resume: bool) -> Watched:
    """Run the folder of hostile models, whose code is not trusted."""
    options = ["--workers", str(workers), "--out", str(OUT_OF_FOLDER), *_FOLDER_OPTIONS]
    return _shipfit(["batch", str(FOLDER_ZOO), *options], resume)


def _shipfit(arguments: list[str], resume: bool) -> Watched:
    """Run a batch; that some rows are not met is no fault, anything else is.

    Raises:
        RuntimeError: the batch itself failed; what it said last.
    """
    arguments = [*arguments, *(["--resume"] if resume else [])]
    environment = {"SHIPFIT_HOME": str(HOME), "NO_COLOR": "1", "TERM": "dumb"}
    done = watch([str(SHIPFIT), *arguments], ROOT, environment, _LIMIT_S, lambda line, _: print(line, flush=True))
    if done.status not in (0, 3):
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise RuntimeError(f"shipfit {' '.join(arguments)} ended with {done.status}: {last}")
    return done


def _summaries() -> list[Any]:
    """Return the rows of both summaries."""
    paths = [out / "summary.json" for out in (OUT, OUT_OF_FOLDER)]
    return [row for path in paths for row in json.loads(path.read_text(encoding="utf-8"))["models"]]


def _rows(only: list[str]) -> list[Row]:
    """Return the judged rows, in the order of `expected.yaml`."""
    found = {row["name"]: row for row in _summaries()}
    entries, ten_times = load_entries(), _known_at_ten_times()
    rows: list[Row] = []
    for name, expected in load_expected().items():
        entry = entries.get(name)
        if only and name not in only and entry is not None:
            continue
        asked = ask(entry, expected) if entry is not None and expected.status != "failed" else None
        out = OUT if entry is not None else OUT_OF_FOLDER
        judged = judge.row(expected, found.get(name), asked, out)
        rows.append(judged.model_copy(update={"name": name, "at_ten_times": ten_times.get(name, "")}))
    return rows


def _known_at_ten_times() -> dict[str, str]:
    return json.loads(TEN_TIMES.read_text(encoding="utf-8")) if TEN_TIMES.is_file() else {}


def _some(names: list[str], budget: int = 1) -> Path:
    """Write a manifest of some entries into the cache, their budgets multiplied, and return its path."""
    entries = load_entries()
    if unknown := set(names) - set(entries):
        sys.exit(f"the manifest has no {', '.join(sorted(unknown))}")
    chosen = [{**entries[name], **_budget(entries[name], budget)} for name in names if "glob" not in entries[name]]
    path = CACHE / "some.yaml"
    # The manifest lies one folder lower, where every path that it holds begins.
    text = yaml.safe_dump({"models": chosen}, sort_keys=False).replace(f"{CACHE.name}/", "")
    path.write_text(text, encoding="utf-8")
    return path


def _budget(entry: dict[str, Any], times: int) -> dict[str, Any]:
    seconds = int(entry["time_limit"].removesuffix("s"))
    return {"max_attempts": times * entry["max_attempts"], "time_limit": f"{times * seconds}s"}


def _ten_times(workers: int) -> int:
    """Ask again for what the last run did not meet, at ten times the budget, and keep what came of it."""
    last = Zoo.model_validate_json((RESULTS / "zoo.json").read_text(encoding="utf-8"))
    names = [row.name for row in last.rows if not row.hostile and row.status == "rolled_back"]
    if not names:
        print("every request was met")
        return 0
    out = CACHE / "out-ten-times"
    shutil.rmtree(out, ignore_errors=True)
    _batch(_some(names, 10), workers, False, out)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    known = {**_known_at_ten_times(), **{row["name"]: row["status"] for row in summary["models"]}}
    TEN_TIMES.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print("\n".join(f"{name}: {status}" for name, status in known.items()))
    return 0


def _tell(zoo: Zoo) -> None:
    for row in zoo.rows:
        missed = "; ".join(f"{bar.name} {bar.found} ({bar.bound})" for bar in row.bars if not bar.reached)
        shown = row.name.encode("ascii", "backslashreplace").decode()
        print(f"  {shown!r}: {row.status}{f' MISSED {missed}' if missed else ''}", flush=True)
    for bar in zoo.bars:
        print(f"{'ok    ' if bar.reached else 'MISSED'} {bar.name}: {bar.found} ({bar.bound})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
