"""What the report shows, as plain rows; the template only lays them out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ...contracts import Attempt, LayerForm, OptimizationResponse, Quantity, metric_words, units
from ..command_line import bound_words, offer_command, replay_command
from ..facts import (
    STATUS_TITLES,
    bound_text,
    constraint_label,
    measured_text,
    met_word,
    metric_rows,
    plan_text,
    proposer_text,
    quality_text,
    size_ratio_text,
    speed_text,
    verdict_text,
)
from ..host import host_text
from ..language_use import language_rows
from ..questions import decision_text
from ..text import clean, show, show_interval
from .advice import AdviceView, advice_view
from .asked import AskedView, asked_view
from .drops import DropRow, drop_rows
from .gauges import gauges
from .layer_chart import LayerChart, Stack, draw_layers, form_class, stacks
from .pareto import Pareto, pareto
from .timeline import STAGES, StageRow, Timeline, draw_timeline, stage_rows

# More layers than this are folded away: the table is looked up, not read.
LAYERS_OPEN = 12
STACK_WIDTH, SPARK_WIDTH = 900, 48


@dataclass(frozen=True)
class ReportView:
    """The variables of the template."""

    title: str
    status: str
    headline: str
    sentence: str
    reason: str
    tiles: list[dict[str, str]]
    metrics: list[dict[str, str]]
    constraints: list[dict[str, object]]
    drops: list[DropRow]
    attempts: list[dict[str, str]]
    paretos: list[Pareto]
    kinds: frozenset[str]
    timeline: Timeline | None
    stages: tuple[str, ...]
    stage_rows: list[StageRow]
    layers: list[dict[str, str]]
    layer_chart: LayerChart | None
    layer_stacks: list[Stack]
    stack_width: int
    layer_summary: list[dict[str, str]]
    layers_open: bool
    layer_columns: frozenset[str]
    offers: list[dict[str, str]]
    advice: AdviceView
    alerts: list[str]
    decisions: list[str]
    effort: list[tuple[str, str]]
    language: list[tuple[str, str]]
    environment: list[tuple[str, str]]
    measured_where: list[str]
    settings: list[tuple[str, str]]
    replay: str
    deeds: list[str]
    asked: str
    words: AskedView | None
    original: bool


def report_view(response: OptimizationResponse) -> ReportView:
    """Return everything that the report of a run shows."""
    pictures = pareto(response)
    return ReportView(
        title=Path(response.request.model).name,
        status=response.status,
        headline=STATUS_TITLES[response.status],
        sentence=_sentence(response),
        reason=response.reason,
        tiles=_tiles(response),
        metrics=_metrics(response),
        constraints=_constraints(response),
        attempts=[_attempt(attempt, response) for attempt in response.attempts],
        drops=drop_rows(response.comparison),
        paretos=pictures,
        kinds=frozenset(point.kind for picture in pictures for point in picture.points),
        stages=tuple(STAGES),
        timeline=draw_timeline(response),
        stage_rows=stage_rows(response.timeline),
        layers=_layers(response),
        layer_chart=draw_layers(response.layers),
        stack_width=STACK_WIDTH,
        layer_stacks=stacks(response.layers, STACK_WIDTH),
        layer_summary=_layer_summary(response),
        layer_columns=_layer_columns(response),
        layers_open=len(response.layers) <= LAYERS_OPEN,
        offers=[{"text": offer.text, "command": offer_command(response.request, offer)} for offer in response.offers],
        advice=advice_view(response),
        alerts=list(response.alerts),
        decisions=[decision_text(decision) for decision in response.decisions],
        effort=_effort(response),
        language=language_rows(response.language) if response.language else [],
        environment=_environment(response),
        measured_where=_measured_where(response),
        settings=_settings(response),
        replay=replay_command(response),
        deeds=[clean(note) for item in response.attempts if item.index == response.delivered for note in item.notes],
        asked=" ".join(bound_words(response.request.constraints)) or "no bounds; everything is guarded",
        words=asked_view(response.request),
        original=response.artifact.original,
    )


def _sentence(response: OptimizationResponse) -> str:
    synthetic = response.comparison is not None and response.comparison.synthetic_data
    known = " Fidelity is known on synthesised inputs only, because no data were given." if synthetic else ""
    return _outcome(response) + known


def _outcome(response: OptimizationResponse) -> str:
    target = f"{response.target.platform} with {response.target.runtime}"
    return {
        "met": f"The model in this folder meets everything that was asked, measured where it will run ({target}).",
        "unverified": "The model in this folder meets every bound on this machine, "
        f"but its target ({target}) could not be measured here.",
        "rolled_back": "No recipe met everything. The model in this folder is the original, byte for byte; "
        "below are the nearest results.",
        "failed": "No candidate could be judged. The model in this folder is the original, byte for byte.",
    }[response.status]


def _tiles(response: OptimizationResponse) -> list[dict[str, str]]:
    """Return the three numbers that a reader looks for first; none where nothing was gained or delivered."""
    comparison = response.comparison
    if comparison is None or response.artifact.original:
        return []
    scored = f"change of {metric_words(comparison.metric)}"
    quality = scored if comparison.accuracy_delta else "fidelity to the original"
    tiles = [
        {"value": size_ratio_text(comparison), "label": "of the original's size"},
        {"value": speed_text(comparison), "label": "the original's speed"},
        {"value": quality_text(comparison), "label": quality},
    ]
    return [tile for tile in tiles if tile["value"] != "–"]


def _metrics(response: OptimizationResponse) -> list[dict[str, str]]:
    tone = {True: "good", False: "worse", None: ""}
    return [
        {
            "label": row.label,
            "before": show(row.before),
            "before_interval": show_interval(row.before),
            "after": show(row.after),
            "after_interval": show_interval(row.after),
            "change": row.change,
            "tone": tone[row.better],
            "how": _how(row.after or row.before),
        }
        for row in metric_rows(response)
    ]


def _how(quantity: Quantity | None) -> str:
    """Return the provenance of a number in words."""
    if quantity is None:
        return ""
    where = "" if quantity.runtime == "-" else f", {quantity.runtime}"
    count = f", n\u00a0=\u00a0{quantity.samples:,}" if quantity.samples > 1 else ""
    return f"{quantity.source}{where}{count}"


def _constraints(response: OptimizationResponse) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for result, gauge in zip(response.constraints, gauges(response), strict=True):
        interval = result.interval
        ends = (units.format_value(end, result.unit) for end in (interval.low, interval.high)) if interval else ()
        rows.append(
            {
                "label": constraint_label(result),
                "bound": bound_text(result),
                "measured": measured_text(result),
                "interval": " … ".join(ends),
                "where": "" if result.measured_on == "-" else result.measured_on,
                "word": met_word(result),
                "tone": {True: "good", False: "bad", None: "open"}[result.met],
                "note": result.note,
                "gauge": gauge,
            }
        )
    return rows


def _attempt(attempt: Attempt, response: OptimizationResponse) -> dict[str, str]:
    return {
        "index": str(attempt.index),
        "plan": plan_text(attempt),
        "why": attempt.plan.reason,
        "proposer": proposer_text(attempt.plan.proposer),
        "explanation": clean(attempt.explanation),
        "size": size_ratio_text(attempt.comparison),
        "speed": speed_text(attempt.comparison),
        "quality": quality_text(attempt.comparison),
        "verdict": verdict_text(attempt, response.delivered),
        "kind": attempt.verdict.kind,
        "reason": attempt.verdict.reason,
        "seconds": units.format_seconds(attempt.wall_s),
        "final": "judged on the final part" if attempt.final_look else "",
    }


def _layers(response: OptimizationResponse) -> list[dict[str, str]]:
    most = max((layer.time_share or 0.0 for layer in response.layers), default=0.0)
    return [_layer(number, layer, most) for number, layer in enumerate(response.layers, start=1)]


def _layer(number: int, layer: LayerForm, most: float) -> dict[str, str]:
    share = layer.time_share or 0.0
    return {
        "number": str(number),
        "name": layer.name,
        "op_type": layer.op_type,
        "form": layer.form,
        "css": form_class(layer.form),
        "why": layer.why,
        "damage": "–" if layer.damage_db is None else units.format_decibels(layer.damage_db),
        "time": "–" if layer.time_share is None else units.format_share(layer.time_share),
        "bar": f"{share / most * SPARK_WIDTH:.1f}" if 0 < share <= most < math.inf else "0",
        "weights": "–" if layer.weight_bytes is None else units.format_bytes(layer.weight_bytes),
    }


def _layer_columns(response: OptimizationResponse) -> frozenset[str]:
    """Return the optional columns that at least one layer has something in."""
    has = {
        "why": any(layer.why for layer in response.layers),
        "damage": any(layer.damage_db is not None for layer in response.layers),
        "time": any(layer.time_share is not None for layer in response.layers),
    }
    return frozenset(name for name, there in has.items() if there)


def _layer_summary(response: OptimizationResponse) -> list[dict[str, str]]:
    """Return how many layers took which form, and how much of the weights and of the time is in them."""
    forms: dict[str, list[LayerForm]] = {}
    for layer in response.layers:
        forms.setdefault(layer.form, []).append(layer)
    summary: list[dict[str, str]] = []
    for form, layers in sorted(forms.items(), key=lambda item: (-_weights(item[1]), item[0])):
        shares = [layer.time_share for layer in layers if layer.time_share is not None]
        time = f", {units.format_share(round(sum(shares), 3))} of the time" if shares else ""
        counted = f"{len(layers)} layer{'' if len(layers) == 1 else 's'}"
        words = f"{counted}, {units.format_bytes(_weights(layers))}{time}"
        summary.append({"form": form, "css": form_class(form), "words": words})
    return summary


def _weights(layers: list[LayerForm]) -> int:
    return sum(layer.weight_bytes or 0 for layer in layers)


def _effort(response: OptimizationResponse) -> list[tuple[str, str]]:
    effort, timing = response.effort, response.timing
    first = "–" if response.first_met is None else f"attempt {response.first_met}"
    return [
        ("attempts", str(effort.attempts)),
        ("first that met everything", first),
        ("candidates built", str(effort.candidates)),
        ("sample runs", f"{effort.sample_runs:,}"),
        ("jobs, of which answered from the store", f"{effort.jobs}, {effort.cached_jobs}"),
        ("wall time", units.format_seconds(timing.wall_s)),
        ("of it inside tools", units.format_seconds(timing.tools_s)),
        ("CPU time of tools", units.format_seconds(effort.cpu_s)),
        ("CPU time of the coordinator", units.format_seconds(timing.coordinator_cpu_s)),
        ("peak memory of the coordinator", units.format_bytes(timing.coordinator_peak_bytes)),
    ]


def _environment(response: OptimizationResponse) -> list[tuple[str, str]]:
    provenance = response.provenance
    split = ", ".join(f"{part} {count:,}" for part, count in provenance.split.items())
    return [
        ("run", response.run),
        ("shipfit", provenance.shipfit),
        *sorted(provenance.versions.items()),
        ("machine", provenance.hardware),
        *((name.replace("_", " "), text) for name, text in provenance.machine.items()),
        *([("int8 speed", host_text(provenance.host))] if provenance.host else []),
        ("data", provenance.data_source),
        *(("", note) for note in provenance.data_notes),
        ("samples", split or "–"),
        ("looks at the final part", str(provenance.final_looks)),
        ("seed", str(provenance.seed)),
        ("product, sha256", response.artifact.sha256),
    ]


def _measured_where(response: OptimizationResponse) -> list[str]:
    """Return one line per place where something was measured."""
    places: dict[str, list[str]] = {}
    for result in response.constraints:
        if result.measured is not None:
            place = result.measured_on if result.measured_on != "-" else "the files themselves"
            places.setdefault(place, []).append(constraint_label(result))
    lines = [f"{', '.join(dict.fromkeys(names))}: {place}" for place, names in places.items()]
    return lines


def _settings(response: OptimizationResponse) -> list[tuple[str, str]]:
    settings = response.runtime_settings
    entries = sorted(settings.departures.items())
    return [
        ("runtime", settings.runtime),
        *([("providers", ", ".join(settings.providers))] if settings.providers else []),
        ("intra_op_num_threads", str(settings.intra_op_num_threads)),
        ("inter_op_num_threads", str(settings.inter_op_num_threads)),
        *entries,
    ]
