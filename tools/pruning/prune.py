"""Take channels out of an onnx model wherever they can go, and fit what is left to what the whole gave.

Widths that follow from a ratio are whole blocks (`blocks`); those that are named are taken as they are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto, NodeProto, TensorProto

from ...contracts import DataView, LayerForm, Limits, NoOpError, PruneStep, StepReport, ToolError
from ..model_files import load, save
from ..normalize.constants import lift_constants
from ..onnx_model import elements, model_bytes, quoted
from ..quantize.calibrate import Feeds
from ..quantize.graphs import fixed_initializers
from .blocks import BLOCKS, uniform
from .coupling import Group, couplings
from .importance import chosen, importance
from .reconstruct import JUDGED_SAMPLES, SAMPLES, Reconstruction, reconstruct
from .slicing import Cut, check, cut

_CHECKED_SAMPLES = 2
_MAX_LAYERS = 512


@dataclass(frozen=True)
class Pruned:
    """A model without some of its channels: as it was cut, and as it was recovered from that."""

    groups: tuple[Group, ...]
    made: Cut
    recovered: Reconstruction


def prune_channels(step: PruneStep, source: Path, target: Path, data: DataView | None, limits: Limits) -> StepReport:
    """Write the model without the share `step.ratio` of the channels of each group, or with `step.widths` of them.

    What is left is fitted to the whole.

    Raises:
        NoOpError: no layer has channels enough to lose any.
        ToolError: there are no calibration samples, or the model does not run on them, or the cut model is not the
            original with those channels zero.
    """
    started = time.perf_counter()
    if data is None or not len(feeds := data.feeds("calibration", SAMPLES)):
        raise ToolError("channels are taken out with calibration samples to fit the rest to: give data", "pruning")
    model = load(source)
    lift_constants(model)
    widths = step.widths or uniform(couplings(model).groups, step.ratio or 0.0)
    pruned = take_out(model, widths, feeds, data.feeds("selection", JUDGED_SAMPLES))
    if pruned is None:
        asked = "these widths" if step.ratio is None else f"a ratio of {step.ratio:g}"
        raise NoOpError(f"no layer can lose {BLOCKS[-1]} channels at {asked}", "pruning")
    save(pruned.recovered.model, target)
    layers = layer_forms(model, pruned)
    return StepReport(
        step=step,
        changed=True,
        notes=(f"{len(pruned.groups)} groups of channels lost some", told(pruned.recovered)),
        layers=tuple(layers)[:_MAX_LAYERS],
        details={"layers": len(layers), "groups": len(pruned.groups), "calibration_samples": len(feeds)},
        size_bytes=model_bytes(target),
        seconds=time.perf_counter() - started,
    )


def take_out(model: ModelProto, widths: Mapping[str, int], feeds: Feeds, judged_on: Feeds) -> Pruned | None:
    """Return what becomes of a model whose groups have `widths`, those not named theirs; None where none loses any.

    Args:
        model: its Constant nodes lifted; left as it is.
        widths: how many channels stay, by group.
        feeds: samples to fit to.
        judged_on: others, to choose on.

    Raises:
        ToolError: there is no such group, or it is not as wide; the model does not run on the samples; or the cut model
            is not the original with those channels zero.
    """
    known = {each.id: each for each in couplings(model).groups}
    for name, width in widths.items():
        if name not in known or width > known[name].width:
            raise ToolError(f"there are no {width} channels {quoted(name)} that could stay", "pruning")
    groups = [known[name] for name, width in widths.items() if width < known[name].width]
    if not groups:
        return None
    worth = importance(model, groups, feeds, "reconstruction")
    made = cut(model, {each.id: chosen(worth[each.id], widths[each.id]) for each in groups})
    check(model, made, feeds[:_CHECKED_SAMPLES])
    return Pruned(tuple(groups), made, reconstruct(model, made, feeds, judged_on))


def told(recovered: Reconstruction) -> str:
    """Return which rung was kept, and how near each came, in words."""
    tried = ", ".join(f"{name} {decibels:.1f} dB" for name, decibels in recovered.fidelities.items())
    return f"kept {recovered.rung}: {tried} of the original on selection samples"


def layer_forms(model: ModelProto, pruned: Pruned) -> list[LayerForm]:
    """Return what became of each node that reads a weight that was cut."""
    before = fixed_initializers(model.graph)
    after = fixed_initializers(pruned.recovered.model.graph)
    fits = {
        each.name: f"fitted to {each.after_db:.1f} dB, {each.before_db:.1f} as cut" for each in pruned.recovered.fits
    }
    return [
        LayerForm(
            name=node.name or node.output[0],
            op_type=node.op_type,
            form="pruned",
            why="; ".join(
                filter(None, [_sizes(names, before, pruned.made), fits.get(node.name or node.output[0], "")])
            ),
            weight_bytes=sum(4 * elements(after[name]) for name in names if name in after),
        )
        for node in pruned.recovered.model.graph.node
        if (names := _cut_weights(node, pruned.made))
    ]


def _cut_weights(node: NodeProto, made: Cut) -> list[str]:
    return [name for name in node.input if name in made.initializers]


def _sizes(names: Sequence[str], before: Mapping[str, TensorProto], made: Cut) -> str:
    """Say which sizes the largest weight of a node lost."""
    name = max(names, key=lambda each: elements(before[each]))
    axes = made.initializers[name]
    return ", ".join(f"{len(left)} of {before[name].dims[axis]} on axis {axis}" for axis, left in sorted(axes.items()))
