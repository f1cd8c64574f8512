"""Run scenarios as a user would: the command line, in a fresh home, its product measured again afterwards."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...contracts import HOME_VARIABLE, OptimizationError, OptimizationResponse, Settings
from ...contracts.settings import PROBE_VARIABLE
from .bars import Bar, at_most, equal, held_out_bars, run_bars, says
from .case import Scenario
from .files import CaseFiles, find_files
from .outcome import CaseResult, ScenarioReport, Trial

# A command that has not ended by then is killed, and the case goes down as broken.
LIMIT_S = 1800.0
REMEASURE_S = 4.0
Listener = Callable[[str], None]


@dataclass(frozen=True)
class _Ended:
    """A command that has ended; `response` where it delivered a report."""

    status: int
    wall_s: float
    words: str
    response: OptimizationResponse | None


def run_scenarios(
    scenarios: Sequence[Scenario], folder: Path, settings: Settings, repeats: int = 1, tell: Listener = lambda _: None
) -> ScenarioReport:
    """Run each scenario `repeats` times below `folder`, with another seed each time.

    The machine is measured once for all of them, so that no run pays for it.
    """
    from ...agents.standalone import find_host
    from ...tools.hardware import fingerprint

    started = time.monotonic()
    probe = folder / "host.json"
    probe.write_text(find_host(settings).model_dump_json(), encoding="utf-8")
    runner = Runner(folder, probe, repeats, tell)
    cases = tuple(runner.case(scenario) for scenario in scenarios)
    return ScenarioReport(hardware=fingerprint(), repeats=repeats, cases=cases, wall_s=time.monotonic() - started)


@dataclass(frozen=True)
class Runner:
    """Runs scenarios below one folder, which keeps what each delivered and said."""

    folder: Path
    probe: Path
    repeats: int
    tell: Listener

    def case(self, scenario: Scenario) -> CaseResult:
        """Run one scenario; what goes wrong in it is its result."""
        plain = CaseResult(name=scenario.name, about=scenario.about, expected=scenario.expect.status)
        if lacking := _lacking(scenario):
            self.tell(f"{scenario.name}: skipped, {lacking}")
            return plain.model_copy(update={"skipped": lacking})
        trials: list[Trial] = []
        for number in range(self.repeats):
            trial = self._trial(scenario, scenario.seed + number)
            missed = ", ".join(bar.name for bar in trial.bars if not bar.reached)
            words = f"missed {missed}" if missed else "as expected"
            self.tell(f"{scenario.name} {number + 1}/{self.repeats}: {trial.ended} in {trial.wall_s:.1f} s, {words}")
            trials.append(trial)
        return plain.model_copy(update={"trials": tuple(trials)})

    def _trial(self, scenario: Scenario, seed: int) -> Trial:
        folder = self.folder / scenario.name / str(seed)
        folder.mkdir(parents=True, exist_ok=True)
        settings = Settings(home=folder / "home", host_probe=self.probe)
        try:
            files = find_files(scenario, folder / "files", settings)
        except OptimizationError as error:
            bar = equal("made", "model and data", error.message)
            return Trial(seed=seed, ended="broken", exit_status=error.exit_status, bars=(bar,), note=error.message)
        ended = self._command(scenario, files, folder, "out", seed)
        bars = [equal("exit status", scenario.expect.exit_status, ended.status)]
        if ended.response is None:
            return _without_report(scenario, seed, ended, bars, folder / "out")
        bars += run_bars(scenario.expect, ended.wall_s, ended.response)
        bars += _product_bars(scenario, files, folder / "out", ended.response, settings)
        bars += self._repeat_bars(scenario, files, folder, seed)
        return Trial(
            seed=seed,
            ended=ended.response.status,
            exit_status=ended.status,
            bars=tuple(bars),
            attempts=len(ended.response.attempts),
            first_met=ended.response.first_met,
            effort=ended.response.effort,
            wall_s=ended.wall_s,
            note=ended.response.reason,
        )

    def _repeat_bars(self, scenario: Scenario, files: CaseFiles, folder: Path, seed: int) -> list[Bar]:
        """Ask for the same again: memory must know the way."""
        most = scenario.expect.repeat_attempts
        if most is None:
            return []
        again = self._command(scenario, files, folder, "again", seed)
        attempts = len(again.response.attempts) if again.response else float("inf")
        return [
            equal("repeated: exit status", scenario.expect.exit_status, again.status),
            at_most("repeated: attempts", most, attempts),
        ]

    def _command(self, scenario: Scenario, files: CaseFiles, folder: Path, out: str, seed: int) -> _Ended:
        command = [sys.executable, "-m", "shipfit", "optimize", str(files.model), "--data", str(files.data)]
        command += [*scenario.arguments(seed=seed), "--out", str(folder / out)]
        own = {HOME_VARIABLE: str(folder / "home"), PROBE_VARIABLE: str(self.probe)}
        started = time.monotonic()
        status, words = _run(command, folder, {**os.environ, **own})
        wall = time.monotonic() - started
        (folder / f"{out}.txt").write_text(words, encoding="utf-8")
        return _Ended(status, wall, words, _report(folder / out))


def _lacking(scenario: Scenario) -> str:
    """Return which feature of the processor the scenario needs and this one has not, or nothing."""
    from ...tools.hardware import describe

    here = set(describe()["instruction_sets"].split())
    wanted = scenario.needs_cpu_flag
    return f"this processor has none of {', '.join(wanted)}" if wanted and not here & set(wanted) else ""


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command to its end, and return its exit status and what it said on stderr."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return -9, f"killed: it had not ended after {LIMIT_S:.0f} s"
    return done.returncode, done.stderr.decode(errors="replace")


def _report(out: Path) -> OptimizationResponse | None:
    try:
        return OptimizationResponse.model_validate_json((out / "report.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def _without_report(scenario: Scenario, seed: int, ended: _Ended, bars: list[Bar], out: Path) -> Trial:
    """Return what a command that delivered nothing came to."""
    note = (ended.words.strip().splitlines() or ["nothing was said"])[-1]
    refused = ended.status == 2
    bars.append(equal("status", scenario.expect.status, "refused" if refused else "broken"))
    if refused:
        bars.append(equal("written", False, out.exists()))
        bars.append(equal("lines of error", 1, len(ended.words.strip().splitlines())))
    if scenario.expect.says is not None:
        bars.append(says(scenario.expect.says, note))
    return Trial(
        seed=seed, ended="refused" if refused else "broken", exit_status=ended.status, bars=tuple(bars),
        wall_s=ended.wall_s, note=note,
    )  # fmt: skip


def _product_bars(
    scenario: Scenario, files: CaseFiles, out: Path, response: OptimizationResponse, settings: Settings
) -> list[Bar]:
    """Measure the delivered file again; after a rollback it must be the original."""
    product = out / response.artifact.path
    if not product.is_file():
        return [equal("delivered", response.artifact.path, "nothing")]
    bars = [equal("report names the file", response.artifact.sha256, _sha256(product))]
    if response.status == "rolled_back":
        return [*bars, equal("original byte for byte", _sha256(files.model), _sha256(product))]
    if scenario.held_out is None:
        return bars
    from ...agents.standalone import benchmark_models

    how: dict[str, Any] = {"data": str(files.held_out), "seconds": REMEASURE_S}
    try:
        found = benchmark_models(settings, str(files.model), str(product), **how)
    except OptimizationError as error:
        return [*bars, equal("product measured again", "figures", error.message)]
    return [*bars, *held_out_bars(scenario.held_out, found)]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
