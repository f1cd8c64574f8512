"""The state of a run: ids, numbers, plans and recipes, in plain contract types."""

from __future__ import annotations

from typing import Annotated, TypedDict

from ..contracts import (
    Analysis,
    ArtifactRef,
    Attempt,
    Benchmark,
    Contract,
    DataRef,
    Decision,
    Effort,
    Evaluation,
    HostProbe,
    LayerForm,
    Lesson,
    MixtureForecast,
    Offer,
    Plan,
    Profile,
    Recalled,
    Request,
    RuntimeSettings,
    Stage,
    Step,
    Verdict,
)


class Draft(Contract):
    """The candidate that the specialists are working on.

    Attributes:
        artifact: the model as the last finished step left it.
        steps: the recipe so far, normalization first.
        forecast: what the mixture of forms is predicted to reach.
        selection: evaluation on the selection part, from the last gate.
        verdict: set when the attempt ends early (a gate, an error) or was judged.
    """

    index: int
    plan: Plan
    artifact: ArtifactRef
    steps: tuple[Step, ...] = ()
    settings: RuntimeSettings = RuntimeSettings()
    forecast: MixtureForecast | None = None
    quantized_from: ArtifactRef | None = None
    layers: tuple[LayerForm, ...] = ()
    notes: tuple[str, ...] = ()
    stage: Stage = "prepare"
    selection: Evaluation | None = None
    benchmark: Benchmark | None = None
    verdict: Verdict | None = None
    error_type: str | None = None
    effort: Effort = Effort()


def add_effort(old: Effort, new: Effort) -> Effort:
    """Return the sum, the reducer of the state's effort."""
    return Effort(**{name: getattr(old, name) + getattr(new, name) for name in Effort.model_fields})


def append(old: tuple[Attempt, ...], new: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """Return the attempts with `new` among them, by number; one that is there already has a new verdict."""
    return tuple(item for _, item in sorted({item.index: item for item in (*old, *new)}.items()))


def add(old: float, new: float) -> float:
    """Return the sum, the reducer of elapsed seconds and counters."""
    return old + new


class RunState(TypedDict, total=False):
    """What a checkpoint holds.

    `model` is the normalized original that every plan starts from, `elapsed_s` the wall time of finished
    nodes (so a resumed run keeps its budget), `best` the number of the attempt that would be delivered, `said` what
    a language model adds to the analysis.

    Of what people say: `asks` whether they are asked, `request` the one that they edited, `rejected` plans not to be
    tried, `opened` attempts whose candidates edited bounds make worth going on with, `stopped` that they ended it.
    """

    source: ArtifactRef
    original: ArtifactRef
    data: DataRef
    model: ArtifactRef
    base_steps: tuple[Step, ...]
    profile: Profile
    recalled: tuple[Recalled, ...]
    lessons: tuple[Lesson, ...]
    host: HostProbe
    draft: Draft | None
    attempts: Annotated[tuple[Attempt, ...], append]
    first_met: int | None
    best: int | None
    final_looks: Annotated[int, add]
    offers: tuple[Offer, ...]
    layers: tuple[LayerForm, ...]
    said: Analysis
    data_source: str
    data_notes: tuple[str, ...]
    reason: str
    asks: bool
    request: Request
    decisions: tuple[Decision, ...]
    rejected: tuple[Plan, ...]
    opened: tuple[int, ...]
    stopped: bool
    effort: Annotated[Effort, add_effort]
    elapsed_s: Annotated[float, add]


def came_as(state: RunState) -> ArtifactRef:
    """Return the model as it came: what a recipe starts from, and what a rollback hands back."""
    return state.get("source", state["original"])


class RunInput(TypedDict):
    """What a run starts from: admitted, content-addressed, small; and what admitting it took.

    `source` is the model as it came, `original` what candidates are measured against: its export where it came as a
    torch program and shall run in onnxruntime, so that what exporting gains is not called a gain of ours.
    """

    source: ArtifactRef
    original: ArtifactRef
    data: DataRef
    data_source: str
    data_notes: tuple[str, ...]
    asks: bool
    effort: Effort
    elapsed_s: float
