"""What running scenarios came to."""

from __future__ import annotations

import statistics

from ...contracts import Contract, Effort
from .bars import Bar


class Trial(Contract):
    """One run of a scenario.

    Attributes:
        ended: status of the run, `refused`, or `broken` where it ended in neither.
        bars: all that was asked of it; a trial succeeds when every one is reached.
        wall_s: of the whole command.
        note: the reason that it gave, or its last words.
    """

    seed: int
    ended: str
    exit_status: int
    bars: tuple[Bar, ...]
    attempts: int = 0
    first_met: int | None = None
    effort: Effort = Effort()
    wall_s: float = 0.0
    note: str = ""

    @property
    def success(self) -> bool:
        """Whether every bar was reached."""
        return all(bar.reached for bar in self.bars)


class CaseResult(Contract):
    """The repeats of one scenario; `skipped` says why there are none."""

    name: str
    about: str
    expected: str
    trials: tuple[Trial, ...] = ()
    skipped: str = ""

    @property
    def successes(self) -> int:
        """How many repeats reached every bar."""
        return sum(trial.success for trial in self.trials)

    @property
    def as_expected(self) -> bool:
        """Whether all repeats succeeded; a case that was skipped says nothing against anybody."""
        return self.successes == len(self.trials)

    def median(self, name: str) -> float | None:
        """Return the median of a figure of the trials over those that have it."""
        found = [value for trial in self.trials if (value := getattr(trial, name)) is not None]
        return statistics.median(found) if found else None

    def median_effort(self, name: str) -> float:
        """Return the median of one count of the effort."""
        return float(statistics.median(getattr(trial.effort, name) for trial in self.trials))


class ScenarioReport(Contract):
    """The table, as data."""

    hardware: str
    repeats: int
    cases: tuple[CaseResult, ...]
    wall_s: float

    @property
    def as_expected(self) -> bool:
        """Whether every case ended as it says."""
        return all(case.as_expected for case in self.cases)
