"""The tool `mixture`: read tables, solve, and say which form each unit takes."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ...contracts import Contract, MixtureReport, NodeForm, Objective, SensitivityTable, TimeTable, WeightForm
from ..context import TABLE_FILE, ToolAnswer, ToolContext
from ..model_files import load
from ..onnx_model import model_bytes
from .build import COMPUTED, HELD, Builder, Rules
from .problem import Goal, Problem, Targets
from .solve import Solution, solve

MOST_DB = 200.0
# By objective; the same weights as where measured results are compared.
GOALS: dict[Objective, Goal] = {
    "size": Goal(size=1.0, us=0.1),
    "latency": Goal(size=0.1, us=1.0),
    "balanced": Goal(size=0.5, us=0.5),
    "accuracy": Goal(size=0.1, us=0.1, noise=0.5),
}
# Where the margin of quality has to be given up, the rest of it counts before anything else.
_SAFEST = Goal(size=0.01, us=0.01, noise=1.0)
_Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_NODE_FORMS: dict[str, NodeForm] = {"fp32": "fp32", "static": "static", "dynamic": "dynamic", "half": "half"}
_STORED: dict[str, WeightForm] = {
    "fp32": "fp32", "fp16": "fp16", "int8": "int8", "int8_block": "int8_block", "int4": "int4",
}  # fmt: skip


class MixtureParams(Contract):
    """What the tool is asked.

    Attributes:
        max_size_bytes, min_speedup, min_fidelity_db: targets of the whole; absent ones bound nothing.
        margin_db: how much of `min_fidelity_db` is margin, given up as far as the other targets cannot be kept with it.
        gained: time of the model as it came / that of the one at hand, in float32.
        compute: operator type → forms that may be chosen besides float32.
        storage: forms of weights that may be chosen besides float32.
        fallback: form that weights get that no table knows.
        noise, time, boundary, size_offset: corrections by what was measured, see `Rules`.
    """

    max_size_bytes: Annotated[int, Field(gt=0)] | None = None
    min_speedup: _Factor | None = None
    min_fidelity_db: Annotated[float, Field(allow_inf_nan=False)] | None = None
    margin_db: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    gained: _Factor = 1.0
    objective: Objective = "balanced"
    compute: dict[str, tuple[NodeForm, ...]] = {}
    storage: tuple[WeightForm, ...] = ()
    fallback: WeightForm = "fp32"
    block: Annotated[int, Field(gt=0)] = 32
    noise: dict[str, _Factor] = {}
    time: dict[str, _Factor] = {}
    boundary: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    size_offset: float = 0.0

    def rules(self) -> Rules:
        """Return what may be chosen and how predictions are corrected."""
        names = ("compute", "storage", "fallback", "block", "noise", "time", "boundary", "size_offset")
        return Rules(**{name: getattr(self, name) for name in names})

    def targets(self, us: float, spare_db: float = 0.0) -> Targets:
        """Return the bounds on the totals.

        Args:
            us: what the model takes in float32, 0 where nothing was timed.
            spare_db: how much less quality is enough.
        """
        return Targets(
            size=float(self.max_size_bytes) if self.max_size_bytes is not None else None,
            us=us * self.gained / self.min_speedup if self.min_speedup is not None and us > 0 else None,
            noise=10 ** ((spare_db - self.min_fidelity_db) / 10) if self.min_fidelity_db is not None else None,
        )


def mixture_tool(context: ToolContext) -> ToolAnswer:
    """Choose forms for role `model` from the tables in roles `table_<form>` and `times`. Params: `MixtureParams`."""
    started = time.perf_counter()
    params = MixtureParams.model_validate(context.job.params)
    builder = Builder(
        load(context.model()), model_bytes(context.model()), _tables(context), _times(context), params.rules()
    )
    problem = builder.problem()
    solution = _solved(problem, params)
    return ToolAnswer(report=_report(problem, solution, params, time.perf_counter() - started))


def _solved(problem: Problem, params: MixtureParams) -> Solution:
    """Return the best choice; where targets cannot be kept with the margin of quality, with the most that is left."""
    best = solve(problem, params.targets(problem.us), GOALS[params.objective])
    if best.within or not params.margin_db:
        return best
    safest = solve(problem, params.targets(problem.us, params.margin_db), _SAFEST)
    return safest if safest.within else best


def _tables(context: ToolContext) -> Iterator[SensitivityTable]:
    for role, folder in sorted(context.inputs.items()):
        if role.startswith("table_"):
            yield SensitivityTable.model_validate_json(_text(folder))


def _times(context: ToolContext) -> TimeTable | None:
    folder = context.inputs.get("times")
    return TimeTable.model_validate_json(_text(folder)) if folder else None


def _text(folder: Path) -> str:
    return (folder / TABLE_FILE).read_text(encoding="utf-8")


def _report(problem: Problem, solution: Solution, params: MixtureParams, seconds: float) -> MixtureReport:
    nodes: dict[str, NodeForm] = {}
    stored: dict[str, WeightForm] = {}
    for unit, at in zip(problem.units, solution.chosen, strict=True):
        form, offered = unit.choices[at].form, {choice.form for choice in unit.choices}
        if offered & set(COMPUTED):
            nodes[unit.name] = _NODE_FORMS[form]
        elif form != HELD:
            stored[unit.name] = _STORED[form]
    totals = solution.totals
    return MixtureReport(
        nodes=nodes,
        stored=stored,
        size_bytes=round(max(totals.size, 0)),
        speedup=params.gained * (problem.us / totals.us if totals.us > 0 else 1.0),
        gained=params.gained,
        fidelity_db=min(-10 * math.log10(totals.noise), MOST_DB) if totals.noise > 0 else MOST_DB,
        within=solution.within,
        gap=solution.gap,
        noise=_noise(problem, solution),
        seconds=seconds,
    )


def _noise(problem: Problem, solution: Solution) -> dict[str, float]:
    """Return form → noise power of the units that have it."""
    found: defaultdict[str, float] = defaultdict(float)
    for unit, at in zip(problem.units, solution.chosen, strict=True):
        if unit.choices[at].noise > 0:
            found[unit.choices[at].form] += unit.choices[at].noise
    return dict(found)
