"""The error tree: who is at fault decides the exit status, `type` tells kinds of failure apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, cast

ErrorType = Literal[
    "request", "model", "data", "runtime", "quantization", "pruning", "machine", "budget", "language_model"
]


class OptimizationError(Exception):
    """Root of everything that shipfit raises on purpose.

    Args:
        message: one line that says what is wrong and how to mend it.
        type: the kind of failure; callers tell `runtime`, `quantization` and `pruning` apart by it.
        details: JSON-compatible facts about the failure.
    """

    default_type: ClassVar[ErrorType] = "runtime"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, type: ErrorType | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.type: ErrorType = type or self.default_type
        self.details: dict[str, Any] = dict(details or {})


class UserError(OptimizationError):
    """The request is wrong and nothing was written (exit status 2)."""

    default_type: ClassVar[ErrorType] = "request"
    exit_status: ClassVar[int] = 2


class RequestError(UserError):
    """A constraint, option, target or path that cannot be served as asked."""


class ModelFileError(UserError):
    """The model is missing, damaged, hostile or of a kind that is not supported."""

    default_type: ClassVar[ErrorType] = "model"


class DataError(UserError):
    """The data are missing, damaged or do not fit the model."""

    default_type: ClassVar[ErrorType] = "data"


class ToolError(OptimizationError):
    """A transformation or measurement failed on this model; the run goes on with another plan."""


class NoOpError(ToolError):
    """A step changed nothing, so its candidate would be the original under another name."""


class WorkerError(ToolError):
    """The child process that ran a job did not deliver an answer."""


class WorkerCrashed(WorkerError):
    """The child died of a signal or left without an answer."""


class WorkerTimeout(WorkerError):
    """The child exceeded its time limit and was killed with its process group."""


class WorkerOutOfMemory(WorkerError):
    """The child exceeded its resident-memory limit and was killed."""


class WorkerMalformed(WorkerError):
    """The child's answer was too large, no JSON, or not of the declared type."""


class MachineError(OptimizationError):
    """The machine is at fault: full disk, missing permission, broken store (exit status 1)."""

    default_type: ClassVar[ErrorType] = "machine"


class MissingExtraError(MachineError):
    """An optional package is missing; the message names the extra to install."""


class BudgetError(OptimizationError):
    """The attempts or the time of the request are spent."""

    default_type: ClassVar[ErrorType] = "budget"


class LanguageModelError(OptimizationError):
    """A language model gave no usable answer; the deterministic side answers instead.

    Attributes:
        lasting: no later question can be answered either: the key is wrong, the model unknown, the budget spent.
        lost: the model itself is out of reach: refused, unknown, or no connection, however often it was tried.
    """

    default_type: ClassVar[ErrorType] = "language_model"

    def __init__(
        self, message: str, *, lasting: bool = False, lost: bool = False, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, details=details)
        self.lasting = lasting
        self.lost = lost


class Interrupted(OptimizationError):
    """The run was interrupted and can be resumed (exit status 130)."""

    default_type: ClassVar[ErrorType] = "machine"
    exit_status: ClassVar[int] = 130


_WIRE: dict[str, type[OptimizationError]] = {
    cls.__name__: cls
    for cls in (
        OptimizationError,
        RequestError,
        ModelFileError,
        DataError,
        ToolError,
        NoOpError,
        WorkerCrashed,
        WorkerTimeout,
        WorkerOutOfMemory,
        WorkerMalformed,
        MachineError,
        MissingExtraError,
        BudgetError,
    )
}


def to_wire(error: OptimizationError) -> dict[str, Any]:
    """Return `error` as JSON-compatible data that `from_wire` turns back into the same class."""
    return {
        "error": type(error).__name__,
        "message": error.message,
        "type": error.type,
        "details": error.details,
    }


def from_wire(data: Mapping[str, Any]) -> OptimizationError:
    """Rebuild the error that a child process reported; an unknown class becomes a `ToolError`."""
    cls = _WIRE.get(str(data.get("error")), ToolError)
    kind = data.get("type")
    known = kind if kind in ErrorType.__args__ else None  # type: ignore[attr-defined]
    details = data.get("details")
    facts = cast("dict[str, Any]", details) if isinstance(details, dict) else {}
    return cls(str(data.get("message", ""))[:2000], known, facts)
