"""Choose what is done with the inputs of dynamic int8 LSTMs: even their ranges, cut their tails, or nothing.

`DynamicQuantizeLSTM` takes one scale for a whole sequence of all channels, so a rare peak, or a channel much wider
than the others, leaves few levels to the rest. `recurrent_fronts` says what can be done. How much of a channel's range
goes into the weights is SmoothQuant's exponent (Xiao et al., 2023, equation 4). Of all trials that one is written which
brings the model's answers on calibration samples nearest to those in float32, if it gains over none at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper

from ...contracts import DataError, DataView, LayerForm, QuantizeStep
from ..onnx_model import iter_graphs
from .calibrate import Feeds
from .graphs import Names, input_name
from .recurrent_fronts import Front, constant_floats, is_lstm, put_fronts
from .recurrent_judge import JUDGED_SAMPLES, Judge, int8_alone
from .rounding import FloatArray
from .trial import copy_model, enough, opened, run
from .weights import Weights

# Rare peaks do the damage, so that few samples tell little of it: a cut that seemed to leave 42 dB on 24 samples left
# 24 dB on others, one that was chosen by 256 left 29 dB. So of short samples, more are looked at.
SAMPLES, MOST_SAMPLES, JUDGED_ELEMENTS = 64, 256, 330_000
# All trials are judged on a share of the samples, and the best of them on all (successive halving, Jamieson and
# Talwalkar 2016).
FIRST_SHARE, FINALISTS = 4, 4
CAPTURED_BYTES = 32 * 2**20
# A cut is judged on the samples that it was taken from; unseen ones reach further.
GAIN_DB, GAIN_OF_CUT_DB, GAIN_OF_DIGIT_DB = 0.5, 3.0, 3.0
STRENGTHS = (0.5, 0.75, 1.0)
# With two digits the weights are what is rounded too coarsely, so less is moved into them.
DIGITS, STRENGTHS_WITH_DIGITS = (16.0, 32.0), (0.15, 0.3, 0.45)
# A node that does so little damage by itself is left as it is.
ENOUGH_DB = 45.0
# Ranges that leave nothing to gain: no channel beyond four times the median one, no value beyond twice the percentile.
EVEN_CHANNELS, EVEN_TAILS = 4.0, 2.0
# Of the widest channel's reach: one that hardly moved on the samples may move later, and loses little until then.
_FLOOR = 1e-2


def condition(step: QuantizeStep, model: ModelProto, data: DataView | None) -> tuple[QuantizeStep, dict[str, str]]:
    """Do what `step.clip_recurrent` asks for, in place.

    Returns:
        The step, without `clip_recurrent` where no input needed it and `digits` where none got two, and a word by
        node name.

    Raises:
        DataError: no calibration samples.
        ToolError: the model does not run on them.
    """
    if step.clip_recurrent is None:
        return step, {}

    def takes(node: NodeProto) -> bool:
        return step.nodes.get(node.name, step.compute.get(node.op_type)) == "dynamic"

    feeds = () if data is None else data.feeds("calibration", min(step.samples, MOST_SAMPLES))
    fronts, told = chosen_fronts(model, step.clip_recurrent, feeds, takes, "digits" in step.recovery)
    put_fronts(model, fronts)
    left = tuple(each for each in step.recovery if each != "digits")
    done: dict[str, Any] = {} if fronts else {"clip_recurrent": None}
    done |= {} if any(front.digit for front in fronts.values()) else {"recovery": left}
    return step.model_copy(update=done), told


def remarked(layers: Sequence[LayerForm], told: Mapping[str, str]) -> list[LayerForm]:
    """Put the words on their inputs to the LSTMs that became int8."""
    return [
        layer.model_copy(update={"why": told[layer.name]})
        if layer.op_type == "LSTM" and layer.form == "int8 dynamic" and layer.name in told
        else layer
        for layer in layers
    ]


def chosen_fronts(
    model: ModelProto,
    percentile: float,
    feeds: Feeds,
    takes: Callable[[NodeProto], bool],
    digits: bool = False,
) -> tuple[dict[str, Front], dict[str, str]]:
    """Return what is best put before each LSTM whose input needs it, and what was found about each, by node name.

    Args:
        model: with all its weights, still in float32.
        percentile: share of a channel's values, per cent, below its upper end; the lower end mirrors it.
        feeds: calibration samples, of which 64 are read, more short ones, or fewer long ones.
        takes: tells which nodes will become dynamic int8.
        digits: whether an input may be read in two digits, for which its weight doubles.

    Raises:
        DataError: no samples.
        ToolError: the model does not run on them.
    """
    inner = [node for graph in list(iter_graphs(model))[1:] for node in graph.node]
    told = {node.name: "its input stays: it is inside a subgraph" for node in inner if is_lstm(node) and takes(node)}
    nodes = [node for node in model.graph.node if is_lstm(node) and takes(node)]
    if nodes and not len(feeds):
        raise DataError("clip_recurrent needs calibration samples; give --data or --calibration-data")
    fronts: dict[str, Front] = {}
    for node in nodes:
        front, told[node.name] = _chosen(model, node, percentile, enough(feeds, max(SAMPLES, _judged(feeds))), digits)
        if front is not None:
            fronts[node.name] = front
    return fronts, told


def _chosen(
    model: ModelProto, node: NodeProto, percentile: float, feeds: Feeds, digits: bool
) -> tuple[Front | None, str]:
    """What is best done with the input of `node`, if anything is, and a word on it."""
    weights = Weights(model, Names(model))
    if why := _obstacle(model, weights, node):
        return None, f"its input stays: {why}"
    if int8_alone(model, node.name) is None:
        return None, ""
    rows = _captured(model, node.input[0], feeds)
    if not rows.size or not np.isfinite(rows).all():
        return None, "its input stays: it is empty or not finite on the samples"
    spans = _spans(rows, percentile)
    if not spans:
        return None, "its input stays: its ranges are even"
    columns = np.max(np.abs(constant_floats(weights, model.graph, node.input[1])), axis=(0, 1))
    return _best(model, node.name, spans, columns, feeds, digits)


def _judged(feeds: Feeds) -> int:
    """How many samples the best trials are judged on."""
    elements = sum(np.asarray(value).size for value in feeds[0].values())
    return max(JUDGED_SAMPLES, min(MOST_SAMPLES, JUDGED_ELEMENTS // max(elements, 1)))


def _best(
    model: ModelProto, name: str, spans: Sequence[_Span], columns: FloatArray, feeds: Feeds, digits: bool
) -> tuple[Front | None, str]:
    judged = _judged(feeds)
    judge = Judge(model, feeds, judged)

    def gained(front: Front, samples: int) -> float:
        tried = copy_model(model)
        put_fronts(tried, {name: front})
        return judge.decibels(tried, name, samples=samples) - _handicap(front)

    def scored(strengths: Sequence[float], digit: float) -> Iterator[tuple[float, Front]]:
        for front in (_front(span, columns, strength, digit) for span in spans for strength in strengths):
            yield gained(front, judged // FIRST_SHARE), front

    plain = judge.decibels(model, name)
    if plain >= ENOUGH_DB:
        return None, f"its input stays: {plain:.0f} dB without"
    trials = list(scored(STRENGTHS, 0))
    if digits:
        trials += [trial for digit in DIGITS for trial in scored(STRENGTHS_WITH_DIGITS, digit)]
    finalists = sorted(trials, key=lambda each: -each[0])[:FINALISTS]
    if len(feeds) > judged // FIRST_SHARE:  # otherwise all were judged on all
        finalists = [(gained(front, judged), front) for _, front in finalists]
    score, front = max(finalists, key=lambda each: each[0])
    best = score + _handicap(front)
    if best < plain + GAIN_DB:
        return None, "its input stays: to even it gains nothing"
    return front, f"{front.words}: {plain:.0f} dB of this node alone become {best:.0f}"


def _handicap(front: Front) -> float:
    """What is to be gained by it before it counts, in dB."""
    return GAIN_OF_CUT_DB * front.cut + GAIN_OF_DIGIT_DB * bool(front.digit)


def _obstacle(model: ModelProto, weights: Weights, node: NodeProto) -> str:
    graph, bias = model.graph, input_name(node, 3)
    if Counter(each.name for each in graph.node)[node.name] > 1:
        return "it has no name of its own"
    if weights.floats(graph, node.input[1]) is None:
        return "its weight is no constant of finite float32"
    if len(weights.readers(graph, node.input[1])) > 1:
        return "its weight is shared"
    if weights.tensor(graph, node.input[0]) is not None:
        return "it is constant"
    return "its bias is computed" if bias and weights.floats(graph, bias) is None else ""


def _captured(model: ModelProto, tensor: str, feeds: Feeds) -> FloatArray:
    """The values of `tensor` on the samples, up to 32 MB, as rows of channels."""
    watched = copy_model(model)
    del watched.graph.output[:]
    watched.graph.output.append(helper.make_empty_tensor_value_info(tensor))
    found: list[FloatArray] = []
    with opened(watched, as_shipped=False) as session:
        for feed in feeds:
            values = np.asarray(run(session, feed)[0], np.float32)
            found.append(values.reshape(-1, values.shape[-1]))
            if sum(each.nbytes for each in found) > CAPTURED_BYTES:
                break
    return np.concatenate(found)


@dataclass(frozen=True)
class _Span:
    """Where the values of each channel lie: `centre ± reach`, those beyond to be cut where `cut`."""

    centre: FloatArray
    reach: FloatArray
    cut: bool


def _spans(rows: FloatArray, percentile: float) -> list[_Span]:
    """The span of all values and that of most; none where the ranges are even."""
    low, median, high = np.percentile(rows, [100 - percentile, 50, percentile], axis=0)
    # A channel that never comes near 0 wastes levels on the way there; the others keep their exact 0.
    far = (rows.min(0) > 0) & (low > median / 2) | (rows.max(0) < 0) & (high < median / 2)
    centre = np.where(far, median, 0).astype(np.float32)
    whole = np.max(np.abs(rows - centre), axis=0)
    most = np.maximum(high - centre, centre - low).astype(np.float32)
    if float(np.max(whole)) <= EVEN_CHANNELS * float(np.median(whole)) and bool(np.all(whole <= EVEN_TAILS * most)):
        return []
    return [_Span(centre, _floored(whole), False), _Span(centre, _floored(most), True)]


def _floored(peaks: FloatArray) -> FloatArray:
    """Return the reaches by which channels are evened: none is blown up without end."""
    return np.maximum(peaks, max(_FLOOR * float(np.max(peaks)), float(np.finfo(np.float32).tiny)))


def _front(span: _Span, columns: FloatArray, strength: float, digit: float) -> Front:
    """Move each channel's reach into the weights, the more the larger `strength`."""
    factor = (span.reach**strength / _floored(columns) ** (1 - strength)).astype(np.float32)
    return Front(span.centre, factor, span.reach / factor, span.cut, digit)
