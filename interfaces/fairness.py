"""What a comparison of two runs may say at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..contracts import OptimizationResponse
from .facts import metric_rows_of

# Between two runs a quiet machine gives the original's time again within this factor.
DRIFT = 1.1
TIME_UNITS = frozenset({"ms", "s", "1/s"})


@dataclass(frozen=True)
class Fairness:
    """What the comparison may say.

    Attributes:
        problems: one sentence each, for what keeps numbers from being compared.
        notes: one sentence each, for what differs and may explain a difference.
        time: latencies, speeds and memory may be compared.
        quality: accuracy and fidelity may be compared.
        unquiet: measures in which the original itself came out differently, so that a product's change shows the
            machine's load.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    time: bool
    quality: bool
    unquiet: frozenset[str]


def fairness(first: OptimizationResponse, second: OptimizationResponse) -> Fairness:
    """Return whether both runs had the same original, the same data and the same machine."""
    one, two = first.provenance, second.provenance
    original = _same(_model(first), _model(second))
    data = _same(one.data, two.data)
    machine = _same(one.hardware, two.hardware)
    problems = [
        *_problem(original, "the originals differ: nothing that is relative to them is compared",
                  "one report does not name its original: whether both runs had the same one is not known"),
        *_problem(data, "the data differ: accuracy and fidelity are not compared",
                  "one report does not name its data: accuracy and fidelity are not compared"),
        *_problem(machine,
                  f"the machines differ ({one.hardware} and {two.hardware}): times and memory are not compared",
                  "one report does not name its machine: times and memory are not compared"),
    ]  # fmt: skip
    scored = first.request.scored_by == second.request.scored_by
    if not scored:
        problems.append("the metrics differ: accuracy and fidelity are not compared")
    time = machine is True and original is not False
    unquiet = _unquiet(first, second) if time else frozenset[str]()
    if unquiet:
        told = "; ".join(sorted(unquiet))
        problems.append(
            f"the machine was not equally quiet in both runs, as the original itself shows ({told}): these are not "
            "compared; the speed against the original was measured side by side in each run"
        )
    return Fairness(
        problems=tuple(problems), notes=tuple(_notes(first, second)), time=time, unquiet=unquiet,
        quality=data is True and original is not False and scored,
    )  # fmt: skip


def _unquiet(first: OptimizationResponse, second: OptimizationResponse) -> frozenset[str]:
    """Return the measures of time that differ between two measurements of one original on one machine."""
    rows = metric_rows_of(first.baseline, second.baseline, None)
    return frozenset(
        row.label
        for row in rows
        if row.before and row.after and row.before.unit in TIME_UNITS
        and not 1 / DRIFT <= row.after.value / max(row.before.value, 1e-12) <= DRIFT
    )  # fmt: skip


def _model(response: OptimizationResponse) -> str:
    return response.provenance.model or (response.recipe.model if response.recipe else "")


def _same(one: str, two: str) -> bool | None:
    return one == two if one and two else None


def _problem(same: bool | None, differ: str, unknown: str) -> Iterable[str]:
    if same is False:
        yield differ
    elif same is None:
        yield unknown


def _notes(first: OptimizationResponse, second: OptimizationResponse) -> Iterable[str]:
    one, two = first.provenance, second.provenance
    names = sorted(one.versions.keys() | two.versions.keys())
    moved = [name for name in names if one.versions.get(name) != two.versions.get(name)]
    if moved:
        told = ", ".join(f"{name} {one.versions.get(name, '–')} and {two.versions.get(name, '–')}" for name in moved)
        yield f"versions differ: {told}"
    if one.shipfit != two.shipfit:
        yield f"shipfit itself differs: {one.shipfit} and {two.shipfit}"
    if one.data == two.data and (one.split, one.seed) != (two.split, two.seed):
        yield "the same data were split differently: accuracies come from different samples"
    if first.request.threads != second.request.threads:
        yield f"threads differ: {first.request.threads} and {second.request.threads}"
