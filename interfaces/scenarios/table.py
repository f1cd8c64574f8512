"""The table of a scenario run, for the terminal and as Markdown."""

from __future__ import annotations

from ...contracts import units
from ..text import clean
from .outcome import CaseResult, ScenarioReport

HEADINGS = ("scenario", "expected", "ended", "success", "attempts (first met)", "sample runs", "tool CPU", "time")


def rows(report: ScenarioReport) -> list[tuple[str, ...]]:
    """Return a row of words for each case; figures are medians over its repeats."""
    return [_row(case) for case in report.cases]


def _row(case: CaseResult) -> tuple[str, ...]:
    if not case.trials:
        return (case.name, case.expected, "skipped", *["–"] * 5)
    ended = sorted({trial.ended for trial in case.trials})
    first = case.median("first_met")
    return (
        case.name,
        case.expected.replace("_", " "),
        ", ".join(ended).replace("_", " "),
        f"{case.successes}/{len(case.trials)}",
        f"{case.median('attempts'):g} ({'–' if first is None else f'{first:g}'})",
        f"{case.median_effort('sample_runs'):,.0f}",
        units.format_seconds(case.median_effort("cpu_s")),
        units.format_seconds(case.median("wall_s") or 0.0),
    )


def misses(report: ScenarioReport) -> list[str]:
    """Return a line for each bar that was missed, and for each case that was skipped."""
    lines = [f"{case.name}: skipped, {case.skipped}" for case in report.cases if case.skipped]
    for case in report.cases:
        for number, trial in enumerate(case.trials, 1):
            missed = [bar for bar in trial.bars if not bar.reached]
            lines += [f"{case.name} {number}: {bar.name} {clean(bar.found)}, not {bar.bound}" for bar in missed]
    return lines


def markdown(report: ScenarioReport) -> str:
    """Return the table with what was missed."""
    lines = [" | ".join(HEADINGS), "|".join(["---"] * len(HEADINGS)), *(" | ".join(row) for row in rows(report))]
    table = "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)
    notes = "\n".join(f"- {line}" for line in misses(report))
    many = "once" if report.repeats == 1 else f"{report.repeats} times, figures are medians"
    head = f"# Scenarios\n\nEach was run {many}; {units.format_seconds(report.wall_s)} on machine {report.hardware}.\n"
    return f"{head}\n{table}\n" + (f"\n{notes}\n" if notes else "")
