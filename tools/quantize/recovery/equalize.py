"""Cross-layer equalization: even out the channels between linear operators, the function unchanged.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019): between y = W₁x + b₁ and
W₂f(y), with f as in `chains`, W₁ and b₁ are divided by s and W₂ is multiplied by it, channel by channel. There s makes
the ranges of both weights match. With a scale per output channel the range of W₁ costs nothing any more: what a channel
then takes is resolution of the activation, which has one scale, so its measured range stands for W₁ (the trade of
SmoothQuant, Xiao et al. 2023), and before a depthwise operator the activation alone decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from onnx import ModelProto

from ..calibrate import Feeds
from ..rounding import FloatArray
from ..trial import copy_model
from .chains import Chain, End, find_chains
from .channels import Tap, peaks
from .editor import Editor
from .factors import balanced

ROUNDS = 12
SETTLED = 1e-3


@dataclass(frozen=True)
class Equalizing:
    """One way to choose the factors.

    Attributes:
        by_activations: the activation's range stands for the first weight.
        migration: share (0 to 1) of the first range in the factor; the weight after it gets the rest.
    """

    by_activations: bool
    migration: float

    def __str__(self) -> str:
        return f"by {'activations' if self.by_activations else 'weights'}, migration {self.migration:g}"


BY_WEIGHTS = Equalizing(by_activations=False, migration=0.5)
WAYS = (BY_WEIGHTS, Equalizing(True, 0.5), Equalizing(True, 0.75))


def equalized(model: ModelProto, feeds: Feeds, ways: Sequence[Equalizing] = WAYS) -> Iterator[tuple[str, ModelProto]]:
    """Yield the model equalized in each way, with what to call it; nothing where there is nothing to even out.

    Raises:
        ToolError: the model does not run on the samples.
    """
    chains = find_chains(model).chains
    taps = [Tap(chain.activation, chain.start.channel_axis, chain.start.rank, chain.start.outputs) for chain in chains]
    ranges = peaks(model, taps, feeds)
    for way in ways:
        changed = copy_model(model)
        if count := equalize(changed, way, ranges):
            yield f"{count} chains, {way}", changed


def equalize(model: ModelProto, way: Equalizing, ranges: Mapping[str, FloatArray] | None = None) -> int:
    """Equalize the chains of `model` in place, over and over until no factor moves; return how many were changed.

    Args:
        model: with all its weights.
        way: how the factors are chosen.
        ranges: peak of each channel by activation; chains without stay as they are where `way` is by activations.
    """
    editor, reached, changed = Editor(model), dict(ranges or {}), set[int]()
    chains = find_chains(model).chains
    for _ in range(ROUNDS):
        moved = 0.0
        for index, chain in enumerate(chains):
            factors = _factors(chain, way, reached.get(chain.activation), editor)
            move = float(np.max(np.abs(np.log(factors)), initial=0.0))
            if move > SETTLED:
                _apply(chain, factors, editor)
                changed.add(index)
                if chain.activation in reached:
                    reached[chain.activation] = reached[chain.activation] / factors
            moved = max(moved, move)
        if moved <= SETTLED:
            break
    return len(changed)


def _factors(chain: Chain, way: Equalizing, activation: FloatArray | None, editor: Editor) -> FloatArray:
    """What the start's channels are divided by; 1 for a channel that is silent or that nothing reads."""
    start = chain.start
    first = activation if way.by_activations else start.output_peaks(editor.values(start.weight))
    if first is None:
        return np.ones(0, np.float32)
    if way.by_activations and all(end.matrix.is_depthwise for end in chain.ends):
        return balanced(first, np.ones_like(first), 1.0)
    peaks_after = [_peaks_after(end, start.outputs, editor) for end in chain.ends]
    return balanced(first, np.max(peaks_after, axis=0), way.migration)


def _peaks_after(end: End, channels: int, editor: Editor) -> FloatArray:
    """The largest weight that each channel meets in one end."""
    each = end.matrix.input_peaks(editor.values(end.matrix.weight))
    return each.reshape(channels, end.repeats).max(axis=1)


def _apply(chain: Chain, factors: FloatArray, editor: Editor) -> None:
    start = chain.start
    editor.change(start.node, 1, lambda weight: start.scale_outputs(weight, np.reciprocal(factors)))
    if start.bias:
        editor.change(start.node, 2, lambda bias: (bias.reshape(-1) / factors).reshape(bias.shape))
    if chain.bias_add is not None:
        index = next(at for at, name in enumerate(chain.bias_add.input) if name in editor.tensors)
        editor.change(chain.bias_add, index, lambda bias: (bias.reshape(-1) / factors).reshape(bias.shape))
    for end in chain.ends:
        editor.change(end.matrix.node, 1, partial(end.matrix.scale_inputs, factors=np.repeat(factors, end.repeats)))
