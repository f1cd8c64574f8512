"""What a run tells while it works: plain records that any interface can show."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .approval import Question
from .attempt import Attempt
from .base import Contract
from .profile import Profile
from .recipe import Plan
from .response import RunStatus


class RunStarted(Contract):
    """The run is in the ledger."""

    event: Literal["run_started"] = "run_started"
    run: str
    resumed: bool = False


class NodeStarted(Contract):
    """A node of the graph begins, `detail` in words."""

    event: Literal["node_started"] = "node_started"
    node: str
    attempt: int | None = None
    detail: str = ""


class NodeFinished(Contract):
    """A node of the graph ended after `seconds`."""

    event: Literal["node_finished"] = "node_finished"
    node: str
    attempt: int | None = None
    detail: str = ""
    seconds: float = 0.0


class Progress(Contract):
    """Progress inside a job.

    Attributes:
        fraction: of the job, from 0 to 1, where it is known.
        waited_s: seconds that the job has waited so far for others to end measuring.
    """

    event: Literal["progress"] = "progress"
    tool: str
    message: str = ""
    fraction: float | None = None
    waited_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class Profiled(Contract):
    """The model was inspected."""

    event: Literal["profiled"] = "profiled"
    profile: Profile


class Noticed(Contract):
    """Something about the run that the user should know, in one line."""

    event: Literal["noticed"] = "noticed"
    text: str


class Planned(Contract):
    """The policy chose what to try next."""

    event: Literal["planned"] = "planned"
    attempt: int
    plan: Plan


class Measured(Contract):
    """A number became known, already formatted for people in `text`."""

    event: Literal["measured"] = "measured"
    attempt: int | None = None
    name: str
    text: str


class AttemptFinished(Contract):
    """An attempt has its verdict."""

    event: Literal["attempt_finished"] = "attempt_finished"
    attempt: Attempt


class AttemptJudgedAgain(Contract):
    """An attempt has another verdict: a person rejected it, or edited what it is judged by."""

    event: Literal["attempt_judged_again"] = "attempt_judged_again"
    question: str
    attempt: Attempt


class Waiting(Contract):
    """The run waits for a person's answer; no event follows until it was answered and resumed."""

    event: Literal["waiting"] = "waiting"
    run: str
    question: Question


class RunFinished(Contract):
    """The run has its status; `out` is the product's folder."""

    event: Literal["run_finished"] = "run_finished"
    run: str
    status: RunStatus
    reason: str
    out: str | None = None


Event = Annotated[
    RunStarted
    | NodeStarted
    | NodeFinished
    | Progress
    | Profiled
    | Noticed
    | Planned
    | Measured
    | AttemptFinished
    | AttemptJudgedAgain
    | Waiting
    | RunFinished,
    Field(discriminator="event"),
]


class ChildMessage(Contract):
    """One line from a child process: progress, its answer, or its error."""

    kind: Literal["progress", "answer", "error"]
    body: dict[str, Any] = {}
