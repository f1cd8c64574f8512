"""What words mean as a request: the document that `shipfit understand` prints and every reader returns."""

from __future__ import annotations

from typing import Any

from pydantic import SerializerFunctionWrapHandler, field_serializer, model_serializer

from .base import Contract
from .request import Constraints, Guarded, Lever, Objective, Target
from .understood import Understood


class Understanding(Contract):
    """A request as far as words say it; what they do not ask for is absent.

    Attributes:
        constraints: only the fields that words ask for are set; a latency always comes with its statistic.
        target: likewise.
        objective: absent where the words name none.
        forbid: levers that they rule out.
        allow_regression: quantities that they let get worse.
        understood: where each field came from, in the order of the words.
        not_understood: passages, verbatim, that speak of numbers, units or wishes and of which nothing was used.
        contradictions: what the words want and do not want at once; one sentence each.
        differences: what a language model read otherwise than the grammar, whose reading holds; absent without any.
    """

    constraints: Constraints = Constraints()
    target: Target = Target()
    objective: Objective | None = None
    forbid: tuple[Lever, ...] = ()
    allow_regression: tuple[Guarded, ...] = ()
    understood: tuple[Understood, ...] = ()
    not_understood: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()

    @field_serializer("constraints", "target")
    def _what_was_asked(self, group: Constraints | Target) -> dict[str, Any]:
        return group.model_dump(mode="json", exclude_unset=True)

    @model_serializer(mode="wrap")
    def _without_the_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        return {name: value for name, value in document.items() if value or name not in ("objective", "differences")}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was understood at all."""
        return not self.understood

    @property
    def asks(self) -> bool:
        """Whether there is something to reach: a bound or an objective."""
        return bool(self.constraints.bounds()) or self.objective is not None

    def request_fields(self) -> dict[str, Any]:
        """Return what was asked for as nested fields of a `Request`."""
        fields: dict[str, Any] = {
            "constraints": self.constraints.model_dump(exclude_unset=True),
            "target": self.target.model_dump(exclude_unset=True),
            "optimization": {"forbid": self.forbid} if self.forbid else {},
            "objective": self.objective,
            "allow_regression": self.allow_regression,
        }
        return {name: value for name, value in fields.items() if value}
