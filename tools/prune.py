"""Prune by magnitude: weights smaller than a threshold become zero, in the graph and in its subgraphs.

Han et al., "Learning both Weights and Connections for Efficient Neural Networks", 2015, without the retraining.
Zeros are stored like any other number, so neither the file nor the latency shrinks; what shrinks is the file once it
is compressed, and that is what `advise` measures. Whole channels are taken out by `channels`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto

from ..contracts import (
    Advice,
    AdviceReport,
    DataView,
    LayerForm,
    Limits,
    NoOpError,
    PruneStep,
    StepReport,
    ToolError,
    units,
)
from .compressed import compressed_bytes
from .context import ToolAnswer, ToolContext
from .inspect import prunable_share
from .model_files import load, save
from .onnx_model import iter_tensors, model_bytes, to_array, to_tensor
from .weight_roles import WeightUse, prunable_weights

_MAX_LAYERS = 512
# Shares of the weights that the thresholds of an unguided advice zero.
_LADDER = (0.1, 0.3, 0.5, 0.7, 0.9)
_SAMPLE = 1_000_000
# Without retraining, damage to accuracy usually begins when about a third of the weights is gone.
_BEARABLE = 0.35
_WORTHWHILE = 0.95


def prune(step: PruneStep, source: Path, target: Path, data: DataView | None, limits: Limits) -> StepReport:
    """Write the model with every prunable weight below `step.threshold` (absolute) set to zero, or without channels.

    Raises:
        NoOpError: nothing is below the threshold that is not zero already.
        ToolError: an initializer that `step` names cannot be pruned, or channels cannot be taken out.
    """
    started = time.perf_counter()
    if step.threshold is None:
        from .pruning.prune import prune_channels

        return prune_channels(step, source, target, data, limits)
    model, threshold = load(source), step.threshold
    uses = _chosen(model, step.initializers)
    before = compressed_bytes(weight_chunks(model))
    layers = [_prune_weight(use, threshold) for use in uses]
    zeroed = sum(count for count, _ in layers)
    if not zeroed:
        raise NoOpError(f"no weight is smaller than the threshold {threshold:g}; raise it", "pruning")
    save(model, target)
    after = compressed_bytes(weight_chunks(model))
    total = sum(to_array(use.tensor).size for use in uses)
    return StepReport(
        step=step,
        changed=True,
        notes=(
            f"{zeroed / total:.1%} of the prunable weights zeroed; compressed weights "
            f"{units.format_bytes(before)} became {units.format_bytes(after)}",
        ),
        layers=tuple(form for _, form in layers)[:_MAX_LAYERS],
        details={
            "zeroed": zeroed,
            "prunable": total,
            "zeroed_share": zeroed / total,
            "compressed_bytes_before": before,
            "compressed_bytes": after,
        },
        size_bytes=model_bytes(target),
        seconds=time.perf_counter() - started,
    )


def _chosen(model: ModelProto, names: Sequence[str]) -> list[WeightUse]:
    uses = prunable_weights(model)
    missing = sorted(set(names) - {use.name for use in uses})
    if missing:
        raise ToolError(f"{missing[0][:80]!r} is no prunable initializer of this model", "pruning")
    return [use for use in uses if not names or use.name in names]


def _prune_weight(use: WeightUse, threshold: float) -> tuple[int, LayerForm]:
    """Prune one weight in place; return how many elements became zero, and its form."""
    weight = to_array(use.tensor)
    small = _small(weight, threshold)
    count = int(np.count_nonzero(small))
    if count:
        use.tensor.CopyFrom(to_tensor(np.where(small, np.float32(0), weight), use.tensor.name))
    zeros = weight.size - np.count_nonzero(weight) + count
    why = f"{zeros / weight.size:.1%} zero"
    return count, LayerForm(
        name=use.name,
        op_type=use.node.op_type,
        form="pruned" if count else "fp32",
        why=why,
        weight_bytes=weight.nbytes,
    )


def _small(weight: np.ndarray, threshold: float) -> np.ndarray:
    return (np.abs(weight) < threshold) & (weight != 0)


def weight_chunks(model: ModelProto, threshold: float = 0.0) -> Iterator[bytes]:
    """Yield the bytes of all stored tensors, one at a time, as they would be after pruning at `threshold`."""
    pruned = {id(use.tensor): use.tensor for use in prunable_weights(model)} if threshold else {}
    for tensor in iter_tensors(model):
        if tensor.data_type == TensorProto.STRING:
            yield b"".join(tensor.string_data)
        elif id(tensor) in pruned:
            weight = to_array(tensor)
            yield np.where(_small(weight, threshold), np.float32(0), weight).tobytes()
        else:
            yield to_array(tensor).tobytes()


def advise_tool(context: ToolContext) -> ToolAnswer:
    """Advise on role `model` at `params["thresholds"]`, or at thresholds taken from its weights."""
    thresholds = [float(each) for each in context.job.params.get("thresholds") or ()]
    return ToolAnswer(report=advise(context.model(), thresholds, context.job.params.get("zeroed_at_most")))


def advise(path: Path, thresholds: Sequence[float] = (), zeroed_at_most: float | None = None) -> AdviceReport:
    """Measure what pruning would save at each threshold: zeroed share of the prunable weights, compressed size.

    Args:
        path: the model's file.
        thresholds: absolute; none for a ladder of quantiles of the weights' magnitudes.
        zeroed_at_most: with it, only the largest threshold that zeroes no more than this share is looked at (the
            smallest, where none does): compressing a large model takes seconds.

    Raises:
        ToolError: the model has no weight that can be pruned.
    """
    model = load(path)
    uses = prunable_weights(model)
    if not uses:
        raise ToolError("the model has no weight that magnitude pruning can take", "pruning")
    baseline = compressed_bytes(weight_chunks(model))
    ladder = sorted(set(thresholds)) or _ladder(uses)
    if zeroed_at_most is not None:
        ladder = [next((each for each in reversed(ladder) if _zeroed(uses, each) <= zeroed_at_most), ladder[0])]
    options = tuple(_advice(model, uses, threshold, baseline) for threshold in ladder)
    return AdviceReport(
        baseline_compressed_bytes=baseline,
        prunable_share=prunable_share(model),
        options=options,
        recommendation=_recommendation(options),
    )


def _ladder(uses: Sequence[WeightUse]) -> list[float]:
    """Thresholds that zero given shares of the weights, from a sample of at most a million magnitudes."""
    total = sum(int(np.prod(use.tensor.dims)) for use in uses)
    stride = max(1, total // _SAMPLE)
    sample = np.abs(np.concatenate([to_array(use.tensor).ravel()[::stride] for use in uses]))
    sample = sample[np.isfinite(sample) & (sample > 0)]
    if not sample.size:
        raise ToolError("all prunable weights are zero already", "pruning")
    return sorted({float(each) for each in np.quantile(sample, _LADDER) if each > 0})


def _advice(model: ModelProto, uses: Sequence[WeightUse], threshold: float, baseline: int) -> Advice:
    size = compressed_bytes(weight_chunks(model, threshold))
    return Advice(
        threshold=threshold,
        zeroed_share=_zeroed(uses, threshold),
        compressed_bytes=size,
        compressed_ratio=size / baseline,
    )


def _zeroed(uses: Sequence[WeightUse], threshold: float) -> float:
    """Return the share of the prunable weights that `threshold` zeroes."""
    total = zeroed = 0
    for use in uses:
        weight = to_array(use.tensor)
        total += weight.size
        zeroed += int(np.count_nonzero(_small(weight, threshold)))
    return zeroed / total


def _recommendation(options: Sequence[Advice]) -> str:
    note = "pruning saves compressed size only; the file and the latency stay as they are"
    bearable = [each for each in options if 0 < each.zeroed_share <= _BEARABLE]
    if not bearable:
        return f"every threshold zeroes nothing or more than {_BEARABLE:.0%} of the weights: try others; {note}"
    best = max(bearable, key=lambda each: each.threshold)
    if best.compressed_ratio > _WORTHWHILE:
        return f"not worth it: what is bearable saves {1 - best.compressed_ratio:.1%} of the compressed size; {note}"
    return (
        f"threshold {best.threshold:.3g} zeroes {best.zeroed_share:.0%} of the prunable weights and saves "
        f"{1 - best.compressed_ratio:.0%} of the compressed size; measure the accuracy before keeping it; {note}"
    )
