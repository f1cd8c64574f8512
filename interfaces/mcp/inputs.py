"""What the tools are given. Descriptions are read by the client's language model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ...contracts import (
    MAX_WORDS,
    Budget,
    Changes,
    Constraints,
    Contract,
    Guarded,
    Objective,
    OptimizationConfig,
    Preprocess,
    RuntimeName,
    Target,
)

_LONGEST = 1000
Path = Annotated[str, Field(max_length=_LONGEST)]
Model = Annotated[
    Path, Field(description="An .onnx or .pt2 file, or a folder that holds one: a path in the workspace.")
]
Data = Annotated[
    Path | None,
    Field(
        description="Samples: an .npz (arrays named as the model's inputs, and labels or targets), a .csv, texts, or a "
        "folder of .npz, .npy or images: a path in the workspace. Without data, inputs are synthesised."
    ),
]
Words = Annotated[str, Field(min_length=1, max_length=MAX_WORDS)]
RunName = Annotated[str, Field(min_length=1, max_length=100, description="A run's id, or the beginning of it.")]
Shape = Annotated[
    dict[str, tuple[Annotated[int, Field(gt=0)], ...]],
    Field(description="Input name → fixed dimensions, for inputs whose dimensions are free."),
]
Metric = Annotated[
    str | None,
    Field(max_length=100, description="top1 (default), top5, f1 with labels; mae, r2, wer, cer with targets."),
]
Wait = Annotated[
    float | None,
    Field(
        gt=0,
        le=24 * 3600,
        description="Seconds to wait at most; then the run goes on, and `resume` waits on. Default: until it ends.",
    ),
]


class Handling(Contract):
    """How data are read and scored."""

    calibration_data: Annotated[Path | None, Field(description="Unlabelled samples for calibration alone.")] = None
    metric: Metric = None
    output: Annotated[str | None, Field(max_length=_LONGEST, description="The output that is scored.")] = None
    preprocess: Preprocess | None = None
    state: Annotated[
        dict[str, str], Field(description="Input → output whose last value it is fed (streaming models).")
    ] = {}
    shape: Shape = {}


class Asked(Handling):
    """A request for one model."""

    model: Model
    data: Data = None
    words: Annotated[
        Words | None,
        Field(description="What is asked for, such as 'under 10 MB and twice as fast'. Fields win over words."),
    ] = None
    constraints: Annotated[
        Constraints, Field(description="Bounds that the product must meet, all measured. Ratios are of the original.")
    ] = Constraints()
    target: Target = Target()
    objective: Objective | None = None
    allow_regression: Annotated[
        tuple[Guarded, ...],
        Field(description="Without a bound, a quantity is guarded against getting worse; named here, it may."),
    ] = ()
    optimization: OptimizationConfig = OptimizationConfig()
    budget: Annotated[Budget, Field(description="Default: 6 attempts, 600 s.")] = Budget()
    strict_accuracy: Annotated[bool, Field(description="The interval of a drop decides, not the point.")] = False
    threads: Annotated[int, Field(gt=0, le=256)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class OptimizeInput(Asked):
    """A request, and how it is worked on."""

    memory: Annotated[bool, Field(description="Recall past outcomes, and remember this one.")] = True
    approve: Annotated[
        bool, Field(description="Ask a person before anything is changed, and before a result is accepted.")
    ] = False
    wait_s: Wait = None


class ResumeInput(Contract):
    """A run that is not over."""

    run: RunName
    wait_s: Wait = None


class AnswerInput(ResumeInput):
    """An answer to a run that waits for one."""

    answer: Annotated[
        Words,
        Field(description="go, reject, stop, or what shall be otherwise: 'max_size 8MB, time_limit 20m', or in words."),
    ]


class RunInput(Contract):
    """A run."""

    run: RunName


Part = Literal[
    "request", "profile", "baseline", "optimized", "recipe", "attempts", "layers", "offers", "recommendations",
    "analysis", "effort", "timing", "timeline", "provenance", "language", "decisions", "alerts",
]  # fmt: skip


class ReportInput(RunInput):
    """A run, and what is wanted of its report beside the summary."""

    parts: Annotated[tuple[Part, ...], Field(max_length=20, description="Parts of report.json to add.")] = ()


class ExplainInput(RunInput):
    """A question about a run."""

    question: Annotated[
        str,
        Field(
            max_length=2000,
            description="May name attempts, kinds of plans (int4, pruning …) or bounds: 'why not int4?'. Empty: all.",
        ),
    ] = ""


class WhatIfInput(RunInput):
    """Changes of a run's request; nothing is run."""

    changes: Annotated[Changes, Field(description="In `constraints`, null lifts a bound.")]


class RunsInput(Contract):
    """Which runs to list."""

    limit: Annotated[int, Field(gt=0, le=200)] = 20
    before: Annotated[RunName | None, Field(description="List what is older than this run.")] = None
    status: Literal["running", "waiting", "interrupted", "met", "unverified", "rolled_back", "failed"] | None = None


class InspectInput(Contract):
    """A model to look into."""

    model: Model
    data: Data = None
    shape: Shape = {}


class CheckInput(InspectInput):
    """A model to try in a runtime."""

    runtime: Annotated[RuntimeName | None, Field(description="Default: the one of its file.")] = None


class BenchmarkInput(Handling):
    """Two models to measure against each other."""

    original: Annotated[Path, Field(description="The model to compare with: a path in the workspace.")]
    candidate: Annotated[Path, Field(description="The model in question: a path in the workspace.")]
    data: Data = None
    threads: Annotated[int, Field(gt=0, le=256)] = 1
    seconds: Annotated[float, Field(ge=0.5, le=600, description="Time to measure at most.")] = 8.0


class UnderstandInput(Contract):
    """Words to read."""

    words: Words


class RecallInput(Asked):
    """A request whose past likes are looked for."""

    limit: Annotated[int, Field(gt=0, le=200)] = 24


def given(contract: Contract, *left_out: str) -> dict[str, Any]:
    """Return the fields that a client really gave; null is as good as absent, but for changes."""
    return {
        name: value
        for name, value in _without_null(contract.model_dump(exclude_unset=True)).items()
        if name not in left_out
    }


def _without_null(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            found[name] = _without_null(inner)  # pyright: ignore[reportUnknownArgumentType]
        elif inner is not None:
            found[name] = inner
    return found
