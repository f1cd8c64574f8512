"""What a run looks like at this moment, kept up to date by its events."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ...contracts import (
    Attempt,
    AttemptFinished,
    AttemptJudgedAgain,
    Budget,
    Event,
    Measured,
    NodeFinished,
    NodeStarted,
    Noticed,
    Planned,
    Profile,
    Profiled,
    Progress,
    RunFinished,
    RunStarted,
    Waiting,
    units,
)
from ..facts import plan_text, quality_text, size_ratio_text, speed_text, verdict_text
from ..text import clean

# The end of a node that took no longer is not worth a line.
INSTANT_S = 0.05


@dataclass
class Board:
    """Everything that a display shows of a run.

    Attributes:
        budget: attempts and seconds that may be spent; None where it is not known (a resumed run).
        node, detail: what is being done, `doing` what the tool inside says.
        fraction: how far the tool is, 0 to 1, where it knows.
        plan: why the present attempt tries what it tries.
    """

    budget: Budget | None = None
    run: str = ""
    node: str = "starting"
    detail: str = ""
    doing: str = ""
    fraction: float | None = None
    attempt: int | None = None
    plan: str = ""
    measured: str = ""
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since this process began to show the run."""
        return time.monotonic() - self.started

    def take(self, event: Event) -> None:
        """Change with an event."""
        match event:
            case RunStarted():
                self.run = event.run
            case NodeStarted():
                self.node, self.detail = event.node, event.detail
                self.doing, self.fraction, self.measured = "", None, ""
                self.attempt = event.attempt or self.attempt
            case Progress():
                self.doing, self.fraction = event.message or event.tool, event.fraction
            case Planned():
                self.attempt, self.plan = event.attempt, event.plan.reason
            case Measured():
                self.measured = f"{event.name} {event.text}"
            case AttemptFinished() | AttemptJudgedAgain():
                others = [item for item in self.attempts if item.index != event.attempt.index]
                self.attempts = sorted([*others, event.attempt], key=lambda item: item.index)
            case _:
                pass


def describe(event: Event) -> str:
    """Return an event as one line, or nothing where it is not worth one."""
    match event:
        case NodeStarted():
            return _join(event.node, event.attempt, event.detail)
        case NodeFinished():
            if event.seconds < INSTANT_S and not event.detail:
                return ""
            return _join(f"{event.node} done in {units.format_seconds(event.seconds)}", event.attempt, event.detail)
        case Progress():
            share = "" if event.fraction is None else f" {event.fraction:.0%}"
            return f"  {event.tool}{share} {event.message}".rstrip()
        case Profiled():
            return f"  {describe_profile(event.profile)}"
        case Noticed():
            return clean(event.text, 400)
        case Planned():
            return f"plan (attempt {event.attempt}): {event.plan.reason}"
        case Measured():
            return f"  {event.name}: {event.text}"
        case AttemptFinished() | AttemptJudgedAgain():
            return describe_attempt(event.attempt)
        case RunStarted() | Waiting() | RunFinished():
            return _describe_run(event)


def _describe_run(event: RunStarted | Waiting | RunFinished) -> str:
    match event:
        case RunStarted():
            return f"run {event.run} {'goes on' if event.resumed else 'started'}"
        case Waiting():
            return f"run {event.run} waits for an answer about the {event.question.about}"
        case RunFinished():
            return f"run {event.run}: {event.status}, {event.reason}"


def describe_profile(profile: Profile) -> str:
    """Return the gist of a profile."""
    shares = sorted(profile.operators, key=lambda item: -(item.time_share or 0))[:3]
    busiest = ", ".join(f"{item.op_type} {item.time_share:.0%}" for item in shares if item.time_share)
    gist = f"{profile.parameters:,} parameters, {units.format_bytes(profile.size_bytes)}, opset {profile.opset}"
    return f"{gist}; time: {busiest}" if busiest else gist


def describe_attempt(attempt: Attempt) -> str:
    """Return an attempt's outcome on one line."""
    comparison = attempt.comparison
    facts = [f"size {size_ratio_text(comparison)}", f"speed {speed_text(comparison)}", quality_text(comparison)]
    numbers = f" ({', '.join(facts)})" if comparison else ""
    return f"attempt {attempt.index}: {verdict_text(attempt)}{numbers}: {attempt.verdict.reason} [{plan_text(attempt)}]"


def _join(head: str, attempt: int | None, detail: str) -> str:
    number = f" (attempt {attempt})" if attempt else ""
    return clean(f"{head}{number}{': ' if detail else ''}{detail}")
