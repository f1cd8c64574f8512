"""Approval: what a run asks a person before it goes on, what may be answered, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from . import units
from .attempt import ConstraintResult
from .base import Contract
from .config import validate
from .metrics import OptimizationMetrics, Statistic
from .recipe import Plan
from .request import Bound, Budget, Constraints, Guarded, Lever, Objective, Request, bound_of, label
from .served import check_served

Subject = Literal["plan", "result"]
Action = Literal["go", "edit", "reject", "stop"]
# A quantity may be bounded as an amount or as a share of the original: the one replaces the other.
_EITHER = (("max_size_bytes", "max_size_ratio"), ("max_memory_bytes", "max_memory_ratio"))


def override_bounds(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the bounds of `over`; a share replaces an amount of the same quantity and the reverse."""
    replaced = {field for pair in _EITHER if set(pair) & set(over) for field in pair}
    return {name: value for name, value in base.items() if name not in replaced} | dict(over)


class Changes(Contract):
    """What a person wants otherwise; what is absent stays as it is.

    Attributes:
        constraints: field of `Constraints` → its new value in the field's unit; None lifts the bound.
        allow_regression: all guards that shall be lifted.
        forbid: all levers that shall be ruled out.
        time_limit_s: of the whole run; what was spent so far counts, waiting does not.
    """

    constraints: dict[str, float | Statistic | None] = {}
    allow_regression: tuple[Guarded, ...] | None = None
    forbid: tuple[Lever, ...] | None = None
    objective: Objective | None = None
    max_attempts: Annotated[int, Field(gt=0, le=1000)] | None = None
    time_limit_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @field_validator("constraints")
    @classmethod
    def _known(cls, value: dict[str, Any]) -> dict[str, Any]:
        if unknown := set(value) - set(Constraints.model_fields):
            raise ValueError(f"there is no bound {min(unknown)!r}")
        return value

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return self == Changes()

    def applied_to(self, request: Request) -> Request:
        """Return `request` with these changes, checked as any request is.

        Raises:
            RequestError: a value out of range, a contradiction, or something that is not served.
        """
        bounds = override_bounds(request.constraints.model_dump(exclude_none=True), self.constraints)
        budget = {"max_attempts": self.max_attempts, "time_limit_s": self.time_limit_s}
        optimization = request.optimization.model_dump() | _given(forbid=self.forbid)
        fields = request.model_dump() | _given(
            constraints=_whole({name: value for name, value in bounds.items() if value is not None}),
            optimization=optimization,
            budget=request.budget.model_dump() | _given(**budget),
            allow_regression=self.allow_regression,
            objective=self.objective,
        )
        return check_served(validate(Request, fields))


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _whole(bounds: dict[str, Any]) -> dict[str, Any]:
    return {name: int(value) if name.endswith("_bytes") else value for name, value in bounds.items()}


class Answer(Contract):
    """What a person answers.

    Attributes:
        changes: of an `edit`, and of nothing else.
        words: as they were typed.
        by: who answered.
    """

    action: Action
    changes: Changes = Changes()
    words: Annotated[str, Field(max_length=8000)] = ""
    by: Annotated[str, Field(max_length=100)] = "person"

    @model_validator(mode="after")
    def _only_edits_change(self) -> Self:
        if self.changes.is_empty == (self.action == "edit"):
            raise ValueError("an edit says what changes, and only an edit does")
        return self


class Question(Contract):
    """What a run waits to be told.

    Attributes:
        id: of this question within the run.
        about: a `plan` before anything is transformed, or a `result` before it is accepted.
        attempt: number of the attempt that would be made, or whose candidate would be delivered.
        plan: with its prediction and its reason.
        request: as it stands, earlier edits included.
        constraints: of a result, what was measured against each bound and guard.
        comparison: of a result, the candidate against the original.
    """

    id: str
    about: Subject
    attempt: int
    plan: Plan
    request: Request
    constraints: tuple[ConstraintResult, ...] = ()
    comparison: OptimizationMetrics | None = None


class Edit(Contract):
    """One setting as it was asked and as a person changed it; None is none.

    Attributes:
        name: field of `Constraints`, or `allow_regression`, `forbid`, `objective`, `max_attempts`, `time_limit_s`.
    """

    name: str
    asked: float | str | tuple[str, ...] | None = None
    edited: float | str | tuple[str, ...] | None = None

    def text(self) -> str:
        """Return the change in words, such as `size: ≤ 10 MB → ≤ 8 MB`."""
        return f"{label(self.name)}: {_shown(self.name, self.asked)} → {_shown(self.name, self.edited)}"


def _shown(name: str, value: float | str | tuple[str, ...] | None) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, str):
        return value
    if name == "time_limit_s":
        return units.format_seconds(value)
    bound: Bound | None = bound_of(name, value)
    return f"{value:g}" if bound is None else bound.amount


class Decision(Contract):
    """A question with its answer, as it stands on the trail and in the report.

    Attributes:
        at: seconds since the epoch.
        edits: what changed; empty unless the action is `edit`.
    """

    question: str
    about: Subject
    attempt: int
    action: Action
    edits: tuple[Edit, ...] = ()
    words: str = ""
    by: str = "person"
    at: float = 0.0

    @classmethod
    def of(cls, question: Question, answer: Answer, edits: tuple[Edit, ...], at: float) -> Self:
        """Return what `answer` to `question` came to."""
        return cls(
            question=question.id,
            about=question.about,
            attempt=question.attempt,
            action=answer.action,
            edits=edits,
            words=answer.words,
            by=answer.by,
            at=at,
        )


def edits_between(asked: Request, edited: Request) -> tuple[Edit, ...]:
    """Return every setting in which two requests differ, of those that may be edited."""
    before, after = _editable(asked), _editable(edited)
    return tuple(
        Edit(name=name, asked=before[name], edited=after[name]) for name in before if before[name] != after[name]
    )


def _editable(request: Request) -> dict[str, Any]:
    budget: Budget = request.budget
    return {
        **request.constraints.model_dump(),
        "allow_regression": request.allow_regression,
        "forbid": request.optimization.forbid,
        "objective": request.objective,
        "max_attempts": budget.max_attempts,
        "time_limit_s": budget.time_limit_s,
    }
