"""Measure shipfit against its bars: every scenario, as a user would run it.

    python benchmarks/run.py            all of it; figures go to benchmarks/results/main_job.{json,md}
    python benchmarks/run.py --only silero-vad --only door
    python benchmarks/run.py --list

Each scenario has a fresh SHIPFIT_HOME. Exits with 1 when a bar is missed; the table is written all the same.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bars import Bar, at_most, equal, product_bars, read_report, run_bars
from door import DoorCase, load_door_cases
from fetch import CACHE
from machine import cpu_flags, describe
from prepare import Case, prepare
from table import Results, Row, write
from verify import Proof
from watch import Watched, watch

from shipfit.interfaces.scenarios.case import Scenario
from shipfit.interfaces.scenarios.load import load_suite

HERE = Path(__file__).resolve().parent
SHIPFIT = str(Path(sys.executable).with_name("shipfit"))
DOOR = "door"
_IMPORTS = "import langgraph.graph, langgraph.checkpoint.sqlite, chromadb, pydantic, rich.console, typer, yaml, pint"


def main() -> int:
    """Run what was asked for, write the figures, and say whether every bar was reached."""
    arguments = _arguments()
    scenarios = load_suite("main_job")
    names = [scenario.name for scenario in scenarios] + [DOOR]
    if arguments.list:
        print("\n".join(names))
        return 0
    if unknown := set(arguments.only) - set(names):
        sys.exit(f"no scenario is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wanted = arguments.only or names
    folder = CACHE if arguments.only else HERE / "results"
    results = Results(machine=describe(), import_cpu_s=_import_cpu())
    for scenario in scenarios:
        if scenario.name in wanted:
            print(f"{scenario.name}: {scenario.about}", flush=True)
            results.rows.append(run_scenario(scenario))
            _tell(results.rows[-1].bars, results.rows[-1].note)
            write(results, folder)
    if DOOR in wanted:
        results.door = [bar for case in load_door_cases() for bar in _door_bars(case)]
        _tell(results.door)
        write(results, folder)
    print(f"figures: {os.path.relpath(folder / 'main_job.md')}")
    return 0 if results.all_reached else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure shipfit against its bars.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="one scenario; may be repeated")
    parser.add_argument("--list", action="store_true", help="list the scenarios and stop")
    return parser.parse_args()


def run_scenario(scenario: Scenario) -> Row:
    """Run one scenario, its repetition and its offers, and measure what was delivered."""
    row = Row(name=scenario.name, about=scenario.about)
    if scenario.needs_cpu_flag and not set(scenario.needs_cpu_flag) & cpu_flags():
        row.note = f"skipped: this CPU has none of {', '.join(scenario.needs_cpu_flag)}"
        return row
    case = prepare(scenario)
    row.digests, row.samples = case.digests, case.samples
    with tempfile.TemporaryDirectory(prefix="shipfit-bench-") as scratch:
        folder = Path(scratch)
        watched = optimize(scenario, case, folder, "out")
        report = read_report(folder / "out")
        row.take_run(watched)
        if report is None:
            row.note = f"no report (exit status {watched.status}): {_last_line(watched.stderr)}"
            row.bars = [equal("exit status", scenario.expect.exit_status, watched.status)]
            return row
        row.take_report(report)
        row.proof = _verify(case, folder / "out" / report["artifact"]["path"]) if scenario.held_out else None
        row.bars = [
            *run_bars(scenario.expect, watched, report),
            *product_bars(scenario, case, folder / "out", report, row.proof),
            *_repeat_bars(scenario, case, folder),
            *_offer_bars(scenario, case, folder, report),
        ]
    return row


def optimize(
    scenario: Scenario, case: Case, folder: Path, out: str, instead: dict[str, str] | None = None, **how: Any
) -> Watched:
    """Run `shipfit optimize` for a scenario in `folder`, with its state in `folder/home`; its words go to a log."""
    command = [SHIPFIT, "optimize", str(case.model), "--data", str(case.data), *scenario.arguments(instead)]
    environment = {"SHIPFIT_HOME": str(folder / "home")}
    watched = watch([*command, "--out", str(folder / out)], folder, environment, **how)
    log = CACHE / "logs" / f"{scenario.name}-{out}.txt"
    log.parent.mkdir(exist_ok=True)
    log.write_text(watched.stderr + watched.stdout, encoding="utf-8")
    return watched


def _repeat_bars(scenario: Scenario, case: Case, folder: Path) -> list[Bar]:
    """Ask for the same again: memory must know the way."""
    most = scenario.expect.repeat_attempts
    if most is None:
        return []
    watched = optimize(scenario, case, folder, "again")
    report = read_report(folder / "again")
    attempts = len(report["attempts"]) if report else float("inf")
    return [
        equal("repeated: exit status", scenario.expect.exit_status, watched.status),
        at_most("repeated: attempts", most, attempts),
        *([at_most("repeated: wall", limit, watched.wall_s, " s")] if (limit := scenario.expect.wall_s) else []),
    ]


def _offer_bars(scenario: Scenario, case: Case, folder: Path, report: dict[str, Any]) -> list[Bar]:
    """Take up each offer: what is offered must be met."""
    bars: list[Bar] = []
    for number, offer in enumerate(report["offers"] if scenario.expect.offers else [], 1):
        instead = _options(offer["command"])
        watched = optimize(scenario, case, folder, f"offer-{number}", instead)
        words = " ".join(f"{name} {value}" for name, value in instead.items())
        bars.append(equal(f"offer {number} ({words}) taken up: exit status", 0, watched.status))
    return bars


def _options(command: str) -> dict[str, str]:
    """Return option → value of an offer's options."""
    words = shlex.split(command)
    return {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}


def _verify(case: Case, product: Path) -> Proof:
    """Measure the product in a fresh process."""
    command = [sys.executable, str(HERE / "verify.py"), str(case.model), str(product), str(case.held_out)]
    return Proof.model_validate_json(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def _door_bars(case: DoorCase) -> list[Bar]:
    with tempfile.TemporaryDirectory() as scratch:
        environment = {"SHIPFIT_HOME": f"{scratch}/home"}
        runs = [watch([SHIPFIT, *case.arguments], Path(scratch), environment) for _ in range(case.runs)]
    cpu = statistics.median(run.own_cpu_s + run.children_cpu_s for run in runs)
    name = f"shipfit {' '.join(case.arguments)}"
    status = equal(f"{name}: exit status", case.exit_status, runs[-1].status)
    return [status, at_most(f"{name}: CPU, median of {case.runs}", case.cpu_s, cpu, " s")]


def _import_cpu() -> float:
    """Return what importing the coordinator's third-party packages costs by itself, CPU seconds, median of 3."""
    runs = [watch([sys.executable, "-c", _IMPORTS], HERE, {}) for _ in range(3)]
    if any(run.status for run in runs):
        raise RuntimeError(_last_line(runs[0].stderr))
    return statistics.median(run.own_cpu_s for run in runs)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing was said"])[-1]


def _tell(bars: list[Bar], note: str = "") -> None:
    for bar in bars:
        print(f"  {'ok    ' if bar.reached else 'MISSED'} {bar.name}: {bar.found} ({bar.bound})", flush=True)
    if note:
        print(f"  {note}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
