"""Second moments of what convolutions read, with a last element of one for their bias, over calibration samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, helper

from ..quantize.graphs import Names, fixed_initializers
from ..quantize.rounding import FloatArray
from ..quantize.trial import copy_model, enough, opened, run
from ..quantize.weight_inputs import some_windows
from .find import InnerChannels

Feeds = Sequence[Mapping[str, Any]]

SAMPLES = 256
POSITIONS = 16384  # of each convolution's input, over all samples
GROUP_BYTES = 256 * 2**20  # of moments at once


def moments(model: ModelProto, found: Sequence[InnerChannels], feeds: Feeds) -> Iterator[FloatArray]:
    """Yield for each of `found`, in order, the mean of `x xᵀ` over windows `x` that its reader multiplies with.

    The samples are run once for each group whose moments fit in memory together; windows that are not finite are left
    out.

    Raises:
        ToolError: the model does not load, or does not run on the samples.
    """
    kernels = _kernels(model)
    for group in _groups(found, kernels):
        sums = [np.zeros((_width(each, kernels),) * 2, np.float32) for each in group]
        counts = [0] * len(group)
        read = enough(feeds, SAMPLES)
        for values in _run(model, [each.tensor for each in group], read):
            limit = max(1, POSITIONS // len(read))
            for at, (each, value) in enumerate(zip(group, values, strict=True)):
                seen = some_windows(value, each.reader, kernels[each.reader.input[1]], limit)
                rows = np.concatenate([seen.reshape(len(seen), -1), np.ones((len(seen), 1), np.float32)], axis=1)
                rows = rows[np.isfinite(rows).all(axis=1)]
                sums[at] += rows.T @ rows
                counts[at] += len(rows)
        yield from (total / np.float32(max(count, 1)) for total, count in zip(sums, counts, strict=True))


def _kernels(model: ModelProto) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.dims[2:]) for name, tensor in fixed_initializers(model.graph).items()}


def _width(each: InnerChannels, kernels: Mapping[str, tuple[int, ...]]) -> int:
    return each.count * int(np.prod(kernels[each.reader.input[1]])) + 1


def _groups(found: Sequence[InnerChannels], kernels: Mapping[str, tuple[int, ...]]) -> Iterator[list[InnerChannels]]:
    group: list[InnerChannels] = []
    for each in found:
        held = sum(4 * _width(other, kernels) ** 2 for other in [*group, each])
        if group and held > GROUP_BYTES:
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _run(model: ModelProto, tensors: Sequence[str], feeds: Feeds) -> Iterator[list[FloatArray]]:
    """Yield the values of `tensors`, sample by sample; the model's outputs are not computed."""
    watched = copy_model(model)
    names = Names(watched)
    del watched.graph.output[:]
    for tensor in tensors:
        shown = names.fresh("seen")
        watched.graph.node.append(helper.make_node("Identity", [tensor], [shown]))
        watched.graph.output.append(helper.make_empty_tensor_value_info(shown))
    with opened(watched, as_shipped=False) as session:
        for feed in feeds:
            yield run(session, feed)
