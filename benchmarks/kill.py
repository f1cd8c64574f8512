"""Kill a run in the middle of a node, resume it, and see that nothing finished is done again.

    python benchmarks/kill.py                      at quantize, measure and validate
    python benchmarks/kill.py --node runtime       at another node; may be repeated

Figures of the three go to benchmarks/results/kill.{json,md}. Exits with 1 when a resumed run does not end as an
undisturbed one does.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
from bars import Bar, equal, read_report
from fetch import CACHE
from machine import Machine, describe
from prepare import Case, prepare
from pydantic import BaseModel
from run import HERE, SHIPFIT, optimize
from watch import Watched, watch

from shipfit.interfaces.scenarios.case import Scenario
from shipfit.interfaces.scenarios.load import load_suite

SCENARIO = "digits-size-speed"
NODES = ("quantize", "measure", "validate")
_STARTED = re.compile(r"\] ([a-z]+)( \(attempt \d+\))?(?::|$)")
_DONE = re.compile(r"\] ([a-z]+) done in [^(]*( \(attempt \d+\))?(?::|$)")
_INTO_THE_NODE_S = 0.2
_CHILDREN_GONE_S = 5.0


class Ending(BaseModel):
    """How a run ended, as far as it must not depend on interruptions."""

    exit_status: int
    status: str
    first_met: int | None
    verdicts: list[str]
    recipe: Any
    product: str

    @classmethod
    def read(cls, watched: Watched, out: Path) -> Ending:
        """Read it from the product's folder.

        Raises:
            RuntimeError: there is no product.
        """
        report = read_report(out)
        if report is None:
            raise RuntimeError(f"no report (exit status {watched.status}): {watched.stderr.strip()[-500:]}")
        return cls(
            exit_status=watched.status,
            status=report["status"],
            first_met=report["first_met"],
            verdicts=[attempt["verdict"]["kind"] for attempt in report["attempts"]],
            recipe=report["recipe"],
            product=report["artifact"]["sha256"],
        )


class Drill(BaseModel):
    """One kill and what came after it. `kept`: finished executions at the kill; `jobs`: child processes of the run."""

    node: str
    killed_after_s: float
    kept: int
    wall_s: float
    note: str = ""
    bars: list[Bar]


class Killer:
    """Kills the process a moment after a node has begun, and notes its children."""

    def __init__(self, node: str) -> None:
        self._node = node
        self.children: list[psutil.Process] = []
        self._armed = True

    def __call__(self, line: str, pid: int) -> None:
        """Look at one line of progress."""
        match = _STARTED.search(line)
        if self._armed and match is not None and match[1] == self._node:
            self._armed = False
            threading.Timer(_INTO_THE_NODE_S, self._kill, [pid]).start()

    def _kill(self, pid: int) -> None:
        try:
            self.children = psutil.Process(pid).children(recursive=True)
            os.kill(pid, signal.SIGKILL)
        except (psutil.NoSuchProcess, ProcessLookupError):  # it had ended; the drill says so by its exit status
            return

    def survivors(self) -> list[int]:
        """Return the children that are still there after a short while."""
        return [process.pid for process in psutil.wait_procs(self.children, timeout=_CHILDREN_GONE_S)[1]]


def main() -> int:
    """Run the drills, write what was found, and say whether all went well."""
    parser = argparse.ArgumentParser(description="Kill runs and resume them.")
    parser.add_argument("--node", action="append", default=[], help="where to kill; may be repeated")
    nodes = parser.parse_args().node
    folder = CACHE if nodes else HERE / "results"
    scenario = next(each for each in load_suite("main_job") if each.name == SCENARIO)
    case, machine = prepare(scenario), describe()
    undisturbed = _undisturbed(scenario, case)
    print(f"undisturbed: {undisturbed.status}, first met {undisturbed.first_met}, verdicts {undisturbed.verdicts}")
    drills: list[Drill] = []
    for node in nodes or NODES:
        drills.append(drill(scenario, case, node, undisturbed))
        _tell(drills[-1])
    _write(machine, undisturbed, drills, folder)
    return 0 if all(bar.reached for each in drills for bar in each.bars) else 1


def _undisturbed(scenario: Scenario, case: Case) -> Ending:
    with tempfile.TemporaryDirectory(prefix="shipfit-kill-") as scratch:
        return Ending.read(optimize(scenario, case, Path(scratch), "out"), Path(scratch) / "out")


def drill(scenario: Scenario, case: Case, node: str, undisturbed: Ending) -> Drill:
    """Kill a fresh run at `node`, resume it, and compare it with the undisturbed one."""
    with tempfile.TemporaryDirectory(prefix="shipfit-kill-") as scratch:
        folder, killer = Path(scratch), Killer(node)
        killed = optimize(scenario, case, folder, "out", on_line=killer)
        survivors, nothing = killer.survivors(), not (folder / "out").exists()
        kept = _executions(folder / "home")
        resumed = watch([SHIPFIT, "resume"], folder, {"SHIPFIT_HOME": str(folder / "home")})
        log = CACHE / "logs" / f"kill-{node}.txt"
        log.write_text(f"{killed.stderr}\n--- killed; resumed:\n{resumed.stderr}{resumed.stdout}", encoding="utf-8")
        again = made_again(kept, _executions(folder / "home"))
        bars = [
            equal("killed", -signal.SIGKILL, killed.status),
            equal("children that outlived it", [], survivors),
            equal("nothing delivered by the killed run", True, nothing),
            equal("finished nodes begun again", [], begun_again(killed.stderr, resumed.stderr)),
            equal("finished executions made again", [], again),
            *_same_ending(resumed, folder / "out", undisturbed),
        ]
    return Drill(node=node, killed_after_s=killed.wall_s, kept=len(kept), wall_s=resumed.wall_s, bars=bars)


def _same_ending(resumed: Watched, out: Path, undisturbed: Ending) -> list[Bar]:
    try:
        ending = Ending.read(resumed, out)
    except RuntimeError as error:
        return [equal("resumed run delivered", "a report", str(error))]
    return [
        *(
            equal(f"same {name.replace('_', ' ')}", getattr(undisturbed, name), getattr(ending, name))
            for name in ("exit_status", "status", "first_met", "verdicts")
        ),
        equal("same recipe", True, undisturbed.recipe == ending.recipe),
        equal("same product", undisturbed.product, ending.product),
    ]


def _executions(home: Path) -> dict[str, tuple[str, float]]:
    """Return key → tool and time of what the ledger holds as finished."""
    with closing(sqlite3.connect(f"file:{home / 'ledger.sqlite'}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute("SELECT key, tool, created FROM executions").fetchall()
    return {key: (tool, created) for key, tool, created in rows}


def made_again(before: dict[str, tuple[str, float]], after: dict[str, tuple[str, float]]) -> list[str]:
    """Return the tools whose finished executions were lost or made once more."""
    return sorted(tool for key, (tool, created) in before.items() if after.get(key) != (tool, created))


def begun_again(killed: str, resumed: str) -> list[str]:
    """Return the nodes (with their attempt) that had ended before the kill and were begun after it."""
    done = {match.groups() for match in map(_DONE.search, killed.splitlines()) if match}
    begun = {match.groups() for match in map(_STARTED.search, resumed.splitlines()) if match}
    return sorted(f"{node}{attempt or ''}" for node, attempt in done & begun)


def _tell(each: Drill) -> None:
    print(f"{each.node}: killed after {each.killed_after_s:.1f} s, resumed in {each.wall_s:.1f} s")
    for bar in each.bars:
        print(f"  {'ok    ' if bar.reached else 'MISSED'} {bar.name}: {bar.found}", flush=True)


class _Page(BaseModel):
    machine: Machine
    undisturbed: Ending
    drills: list[Drill]


def _write(machine: Machine, undisturbed: Ending, drills: list[Drill], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    page = _Page(machine=machine, undisturbed=undisturbed, drills=drills)
    (folder / "kill.json").write_text(page.model_dump_json(indent=2) + "\n", encoding="utf-8")
    rows = [
        f"| {each.node} | {each.killed_after_s:.1f} s | {each.kept} | {each.wall_s:.1f} s "
        f"| {', '.join(bar.name for bar in each.bars if not bar.reached) or f'none of {len(each.bars)}'} |"
        for each in drills
    ]
    head = (
        f"# Killed and resumed\n\n{machine.date}, commit {machine.commit}, `{machine.command}`, {machine.cpu}, "
        f"{machine.cores} cores.\n\nScenario {SCENARIO}; undisturbed it ends as {undisturbed.status}, first met at "
        f"attempt {undisturbed.first_met}.\n\n| killed in | after | executions kept | resumed in | checks missed |\n"
        "|---|---|---|---|---|\n"
    )
    (folder / "kill.md").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    started = time.monotonic()
    status = main()
    print(f"{time.monotonic() - started:.0f} s")
    sys.exit(status)
