"""Time tables: what each unit takes in each form, and what changes of form between units cost.

As few models as possible are run: all units in float32, all in static and all in dynamic int8 that can, each once under
the profiler and once against the others by CPU time, and a few mixtures from which the boundaries are fitted. The model
as it came runs beside them where graph passes went before, which tells what these gained.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from onnx import ModelProto, helper

from ...contracts import (
    TIMED_BY_UNIT_BYTES,
    Boundary,
    NodeForm,
    Progress,
    ProgressSink,
    TimeTable,
    ToolError,
    UnitTime,
)
from ..context import TABLE_FILE, ToolAnswer, ToolContext, silent
from ..measure.data import open_data
from ..measure.lock import measuring_lock
from ..model_files import load
from ..onnx_model import weight_bytes
from ..quantize.graphs import Names
from ..quantize.trial import copy_model, opened, run
from .fit import Costs, Measured, Widths, fit, predicted
from .profiles import UnitProfile, profile_units
from .regions import Edge, Regions, divide
from .timing import call_seconds, cpu_times, is_slow
from .variants import Forms, Variant, Variants

_FEEDS = 4
_CALIBRATION = 2

Feeds = Sequence[Mapping[str, Any]]


def unit_times_tool(context: ToolContext) -> ToolAnswer:
    """Time the units of role `model` on selection samples of role `data`, beside role `original` where it is given.

    The table is an artifact too.
    """
    job = context.job
    if job.data is None:
        raise ValueError("a unit_times job carries the reference of its data")
    view = open_data(context.inputs["data"], job.data)
    with measuring_lock(context.progress):
        original = load(context.model("original")) if "original" in context.inputs else None
        feeds = list(view.feeds("selection", _FEEDS))
        table = time_units(load(context.model()), feeds, job.seed, context.progress, original)
    folder = context.work / "table"
    folder.mkdir()
    (folder / TABLE_FILE).write_text(table.model_dump_json(), encoding="utf-8")
    return ToolAnswer(report=table, outputs={"table": folder})


def time_units(
    model: ModelProto,
    feeds: Feeds,
    seed: int = 0,
    progress: ProgressSink = silent,
    original: ModelProto | None = None,
) -> TimeTable:
    """Return what the units of `model` take, in CPU microseconds of a call with one thread.

    Args:
        model: with all its weights.
        feeds: at least one sample; ranges for static compute come from them too, since no answer is looked at.
        seed: of the mixtures.
        progress: told after each stage.
        original: what `model` was made from without a change of form, to be timed too unless it is too large.

    Raises:
        ToolError: the model is too large to be held in several forms, does not load, or does not run.
    """
    started = time.perf_counter()
    if weight_bytes(model) > TIMED_BY_UNIT_BYTES:
        raise ToolError(f"a model above {TIMED_BY_UNIT_BYTES // 10**6} MB is not timed unit by unit")
    variants = Variants(model, feeds[:_CALIBRATION])
    units = list(dict.fromkeys(unit for able in variants.able.values() for unit in able))
    regions = divide(model, units)
    progress(Progress(tool="unit_times", message=f"{len(units)} units", fraction=0.1))
    arms = dict(_arms(variants, regions, feeds, progress))
    profiles: dict[NodeForm, UnitProfile] = {form: each for form, (_, each) in arms.items()}
    widths = Widths(regions.edges, _elements(model, regions, feeds[0]))
    slow = call_seconds(model, feeds)
    mixtures = _mixtures(variants, regions, profiles, seed, few=is_slow(slow))
    progress(Progress(tool="unit_times", message=f"timing {len(arms) + len(mixtures)} models", fraction=0.5))
    variants_timed = [arm for arm, _ in arms.values()] + mixtures
    beside = [original] if original is not None and weight_bytes(original) <= TIMED_BY_UNIT_BYTES else []
    timed = cpu_times([*(each.model for each in variants_timed), *beside], feeds, slow)
    measured = [Measured(each.forms, us) for each, us in zip(variants_timed, timed, strict=False)]
    totals = dict(zip(arms, measured, strict=False))
    tried = measured[len(arms) :]
    fitted, held_out = (tried[:-1], tried[-1:]) if len(tried) > 1 else (tried, [])
    costs = fit(regions, widths, profiles, totals, fitted)
    return TimeTable(
        units=tuple(_unit_times(regions, costs)),
        boundaries=tuple(_boundaries(regions, widths, costs)),
        total_us={form: each.us for form, each in totals.items()},
        original_us=timed[-1] if beside else None,
        fit_error=max((_error(each, costs, regions, widths) for each in held_out), default=None),
        sample_runs=_CALIBRATION + 1,
        seconds=time.perf_counter() - started,
    )


def _error(each: Measured, costs: Costs, regions: Regions, widths: Widths) -> float:
    return abs(predicted(each.forms, costs, regions, widths) / each.us - 1)


def _arms(
    variants: Variants, regions: Regions, feeds: Feeds, progress: ProgressSink
) -> Iterator[tuple[NodeForm, tuple[Variant, UnitProfile]]]:
    """Yield form → the model in which every unit has it that can, and its profile."""
    forms: tuple[NodeForm, ...] = ("fp32", "static", "dynamic")
    for number, form in enumerate(forms):
        asked: dict[str, NodeForm] = {} if form == "fp32" else dict.fromkeys(variants.able[form], form)
        if asked or form == "fp32":
            variant = variants.written(asked)
            static = frozenset(variant.forms) if form == "static" else frozenset[str]()
            yield form, (variant, profile_units(variant.model, regions, static, feeds))
            progress(
                Progress(tool="unit_times", message=f"profile with all units in {form}", fraction=0.2 + number / 10)
            )


def _mixtures(
    variants: Variants, regions: Regions, profiles: Mapping[NodeForm, UnitProfile], seed: int, few: bool
) -> list[Variant]:
    """Return mixtures to fit with, and a last one to check with where there is time for it."""
    able = sorted(variants.able["static"], key=lambda unit: regions.rank[unit])
    if len(able) < 2:
        return []
    plain, static = profiles["fp32"].units, profiles["static"].units
    chance = random.Random(seed)
    choices: list[Forms] = [
        {unit: "static" for unit in able if static.get(unit, 0.0) < plain.get(unit, 0.0)},
        dict.fromkeys(able[::2], "static"),
        dict.fromkeys(chance.sample(able, len(able) // 2), "static"),
        _any_forms(variants, regions, chance),
    ]
    full, found = dict.fromkeys(able, "static"), list[Variant]()
    for forms in choices[:1] if few else choices:
        if forms and forms != full and all(forms != each.forms for each in found):
            found.append(variants.written(forms))
    return found


def _any_forms(variants: Variants, regions: Regions, chance: random.Random) -> dict[str, NodeForm]:
    forms: dict[str, NodeForm] = {}
    for unit in regions.rank:
        able: list[NodeForm] = ["fp32", *(form for form, units in variants.able.items() if unit in units)]
        form = chance.choice(able)
        forms.update({} if form == "fp32" else {unit: form})
    return forms


def _elements(model: ModelProto, regions: Regions, feed: Mapping[str, Any]) -> dict[str, int]:
    """Return the elements of every tensor on an edge, on one sample."""
    tensors = list(dict.fromkeys(name for edge in regions.edges for name in (edge.read, edge.given)))
    if not tensors:
        return {}
    watched = copy_model(model)
    names = Names(watched)
    del watched.graph.output[:]
    for tensor in tensors:
        node = helper.make_node("Size", [tensor], [names.fresh("size")], names.fresh("sizer"))
        watched.graph.node.append(node)
        watched.graph.output.append(helper.make_empty_tensor_value_info(node.output[0]))
    with opened(watched, as_shipped=False) as session:
        return {name: int(size) for name, size in zip(tensors, run(session, feed), strict=True)}


def _unit_times(regions: Regions, costs: Costs) -> Iterator[UnitTime]:
    for unit in regions.rank:
        able: dict[NodeForm, float] = {
            form: round(each.get(unit, 0.0), 3) for form, each in costs.units.items() if unit in each or form == "fp32"
        }
        yield UnitTime(name=unit, op_type=regions.op_types[unit], us=able)


def _boundaries(regions: Regions, widths: Widths, costs: Costs) -> Iterator[Boundary]:
    for (source, target), edges in _by_ends(regions).items():
        yield Boundary(
            source=source,
            target=target,
            quantize_us=round(costs.quantize * sum(map(widths.quantized, edges)), 3) if target else 0.0,
            dequantize_us=round(costs.dequantize * sum(map(widths.dequantized, edges)), 3) if source else 0.0,
        )


def _by_ends(regions: Regions) -> dict[tuple[str, str], list[Edge]]:
    ends: dict[tuple[str, str], list[Edge]] = {}
    for edge in regions.edges:
        ends.setdefault((edge.source, edge.target), []).append(edge)
    return ends
