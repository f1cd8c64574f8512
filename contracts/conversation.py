"""A conversation: what was said and what came of it, as numbered entries that are only ever added."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .approval import Answer, Edit, Question
from .attempt import ConstraintResult, Offer
from .base import Contract
from .config import validate
from .errors import ErrorType
from .events import Event
from .inquiry import Explanation, WhatIf
from .metrics import OptimizationMetrics
from .preprocess import Preprocess
from .request import (
    Budget,
    Constraints,
    Guarded,
    Objective,
    OptimizationConfig,
    Request,
    Target,
)
from .response import RunStatus
from .understanding import Understanding
from .understood import Understood

# Longer messages are kept up to here, and refused: a request is read up to `MAX_WORDS`.
MAX_SAID = 8000
Missing = Literal["model", "goal", "data"]


class Draft(Contract):
    """The request that a conversation has come to so far.

    Attributes:
        model, data: paths relative to the workspace, `/` between folders.
        objective: absent where nothing names one.
        preprocess: its tokenizer is a path relative to the workspace.
        words: all of the words that fields were read from.
        understood: where fields came from that still stand.
    """

    model: str | None = None
    data: str | None = None
    target: Target = Target()
    constraints: Constraints = Constraints()
    optimization: OptimizationConfig = OptimizationConfig()
    objective: Objective | None = None
    allow_regression: tuple[Guarded, ...] = ()
    metric: str | None = None
    preprocess: Preprocess | None = None
    state: dict[str, str] = {}
    shape: dict[str, tuple[int, ...]] = {}
    threads: int = 1
    budget: Budget = Budget()
    approve: bool = False
    words: str = ""
    understood: tuple[Understood, ...] = ()

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What a run still needs to be told, in the order in which it is asked for."""
        asks = bool(self.constraints.bounds()) or self.objective is not None
        needs: dict[Missing, bool] = {
            "model": self.model is None,
            "goal": not asks,
            "data": self.data is None and self.constraints.needs_labels,
        }
        return tuple(name for name, is_missing in needs.items() if is_missing)

    def request(self, model: str, data: str | None) -> Request:
        """Return the request of this draft for a model and data at these paths.

        Raises:
            RequestError: its parts contradict each other.
        """
        own = {"model", "data", "objective", "words"}
        fields = {name: getattr(self, name) for name in type(self).model_fields if name not in own}
        objective = {} if self.objective is None else {"objective": self.objective}
        words = self.words[-MAX_SAID:] or None
        return validate(Request, {**fields, **objective, "model": model, "data": data, "words": words})


class ProductFile(Contract):
    """One file that a conversation may hand out.

    Attributes:
        name: path relative to the workspace, `/` between folders.
        about: what it is; `model` of every file that the product's model consists of.
    """

    name: str
    run: str
    about: Literal["model", "report", "settings", "recipe", "trail"]
    size_bytes: int


class ComparedRow(Contract):
    """One thing in both runs.

    Attributes:
        group: `asked`, `product`, `constraint`, `recipe`, `layer`, `attempt` or `effort`.
        change: from the first to the second.
        better: whether the change is one for the better, where a direction is better.
    """

    group: Literal["asked", "product", "constraint", "recipe", "layer", "attempt", "effort"]
    label: str
    first: str
    second: str
    change: str = ""
    better: bool | None = None


class Numbered(Contract):
    """What all entries have: `number` counts from 1 without gaps, `at` is seconds since the epoch."""

    number: Annotated[int, Field(ge=1)]
    at: float


class Said(Numbered):
    """A person wrote something, or named a model or data without words.

    Attributes:
        text: as it was written, up to `MAX_SAID` characters.
        left_out: characters beyond them.
        model, data: paths as they were given beside the words.
    """

    kind: Literal["said"] = "said"
    text: str
    left_out: int = 0
    model: str | None = None
    data: str | None = None


class Taken(Numbered):
    """What words were understood as, and the request as it stands with them.

    Attributes:
        understanding: of the words just said; empty where only a file was named.
        changed: in words, setting by setting, against how the request stood.
        notes: such as why a language model did not read.
    """

    kind: Literal["understood"] = "understood"
    understanding: Understanding = Understanding()
    draft: Draft
    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Prompted(Numbered):
    """The conversation needs to be told something before it goes on.

    Attributes:
        about: what is missing; `start` and `restart` want a yes or a no.
        text: the question.
        models, data: files of the workspace that could be meant.
    """

    kind: Literal["prompt"] = "prompt"
    about: Missing | Literal["start", "restart"]
    text: str
    models: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


class Started(Numbered):
    """A run began, or goes on."""

    kind: Literal["started"] = "started"
    run: str
    ordinal: Annotated[int, Field(ge=1)]
    request: Request
    resumed: bool = False


class Happened(Numbered):
    """A run told something."""

    kind: Literal["event"] = "event"
    run: str
    event: Event


class Questioned(Numbered):
    """A run waits for a person to approve; `text` says what is known and what may be answered."""

    kind: Literal["question"] = "question"
    run: str
    question: Question
    text: tuple[str, ...]


class Answered(Numbered):
    """A person answered a run."""

    kind: Literal["answered"] = "answered"
    run: str
    question: str
    answer: Answer
    edits: tuple[Edit, ...] = ()


class Ended(Numbered):
    """A run has its result, and its product lies in the workspace.

    Attributes:
        folder: of the product, relative to the workspace.
        text: the result in sentences.
    """

    kind: Literal["result"] = "result"
    run: str
    status: RunStatus
    reason: str
    constraints: tuple[ConstraintResult, ...] = ()
    comparison: OptimizationMetrics | None = None
    offers: tuple[Offer, ...] = ()
    folder: str
    files: tuple[ProductFile, ...] = ()
    text: tuple[str, ...] = ()


class Broken(Numbered):
    """A run ended before its end, and can be resumed.

    Attributes:
        cause: a person `stopped` it; its process `died`; the program was `closed` while it ran; it `failed` by an
            error that a mended machine may not have.
    """

    kind: Literal["interrupted"] = "interrupted"
    run: str
    cause: Literal["stopped", "died", "closed", "failed"]
    text: str


class Explained(Numbered):
    """Why a run went as it did."""

    kind: Literal["explained"] = "explained"
    explanation: Explanation


class Supposed(Numbered):
    """What other bounds would cost; nothing was run to find out."""

    kind: Literal["what_if"] = "what_if"
    what_if: WhatIf


class Compared(Numbered):
    """Two results side by side; `problems` say what may not be compared of them."""

    kind: Literal["compared"] = "compared"
    first: str
    second: str
    titles: tuple[str, str]
    problems: tuple[str, ...] = ()
    rows: tuple[ComparedRow, ...] = ()


class Listed(Numbered):
    """The files that this conversation made so far."""

    kind: Literal["files"] = "files"
    files: tuple[ProductFile, ...] = ()


class Refused(Numbered):
    """Something could not be done as it was asked; everything else stands as it was."""

    kind: Literal["refused"] = "refused"
    text: str
    type: ErrorType


class Told(Numbered):
    """Anything else that a person should know, a line each."""

    kind: Literal["notice"] = "notice"
    text: tuple[str, ...]


Entry = Annotated[
    Said
    | Taken
    | Prompted
    | Started
    | Happened
    | Questioned
    | Answered
    | Ended
    | Broken
    | Explained
    | Supposed
    | Compared
    | Listed
    | Refused
    | Told,
    Field(discriminator="kind"),
]
