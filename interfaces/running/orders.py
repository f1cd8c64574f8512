"""What can be ordered, and what a run comes to; both cross the border of a process as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from ...contracts import Answer, Contract, RuntimeName

Shape = dict[str, tuple[Annotated[int, Field(gt=0)], ...]]


class OptimizeOrder(Contract):
    """Start a run and work on it until it ends, or until it waits for an answer.

    Attributes:
        fields: of `Request`, nested; paths are absolute and were looked at.
        base: folder below which the product goes where `fields` name none.
        read: whether `words` are to be read; else what they mean is in the other fields already.
    """

    order: Literal["optimize"] = "optimize"
    fields: dict[str, Any]
    base: str
    read: bool = True


class ResumeOrder(Contract):
    """Go on with a run, after recording the answer that it waits for where one is given."""

    order: Literal["resume"] = "resume"
    run: str
    answer: Answer | None = None


class InspectOrder(Contract):
    """Look into a model."""

    order: Literal["inspect"] = "inspect"
    model: str
    data: str | None = None
    shape: Shape = {}


class BenchmarkOrder(Contract):
    """Measure `candidate` against `original`; `handling` are fields of `Request` that say how data are read."""

    order: Literal["benchmark"] = "benchmark"
    original: str
    candidate: str
    data: str | None = None
    threads: int = 1
    seconds: float = 8.0
    shape: Shape = {}
    handling: dict[str, Any] = {}


class CheckOrder(Contract):
    """Say whether a model loads and runs in a runtime, by default the one of its file."""

    order: Literal["check"] = "check"
    model: str
    runtime: RuntimeName | None = None
    data: str | None = None
    shape: Shape = {}


class UnderstandOrder(Contract):
    """Read words; `llm` are fields of `LanguageModelSettings`."""

    order: Literal["understand"] = "understand"
    words: str
    llm: dict[str, Any] = {}


class RecallOrder(Contract):
    """Say what a run of the request of these `fields` would recall."""

    order: Literal["recall"] = "recall"
    fields: dict[str, Any]
    limit: int = 24


Order = Annotated[
    OptimizeOrder | ResumeOrder | InspectOrder | BenchmarkOrder | CheckOrder | UnderstandOrder | RecallOrder,
    Field(discriminator="order"),
]
ORDER: TypeAdapter[Order] = TypeAdapter(Order)


class Ended(Contract):
    """Where the work on a run stopped: its product is delivered, or it waits to be told something."""

    run: str
    waits: bool = False
