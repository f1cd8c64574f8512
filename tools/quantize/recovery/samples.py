"""Take rows of activations from a few samples, a bounded part of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from onnx import ModelProto, helper

from ..calibrate import GROUP_BYTES, Feeds
from ..rounding import FloatArray
from ..trial import copy_model, opened, run
from .channels import Tap, places


def take_rows(model: ModelProto, taps: Sequence[Tap], feeds: Feeds, rows: int) -> dict[str, list[FloatArray]]:
    """Return for each tensor the rows along its last axis, at most `rows` of each sample, evenly from all places.

    A tensor that is not finite is left out.

    Raises:
        ToolError: the model does not load, or does not run on the samples.
    """
    found: dict[str, list[FloatArray]] = {}
    sizes = places(model, taps, feeds[0])
    for group in _groups(taps, sizes):
        watched = copy_model(model)
        del watched.graph.output[:]
        watched.graph.output.extend([helper.make_empty_tensor_value_info(tap.tensor) for tap in group])
        with opened(watched, as_shipped=False) as session:
            for feed in feeds:
                for tap, value in zip(group, run(session, feed), strict=True):
                    flat = np.asarray(value, np.float32).reshape(-1, tap.channels)
                    step = max(1, -(-len(flat) // rows))
                    found.setdefault(tap.tensor, []).append(flat[::step].copy())
    return {name: each for name, each in found.items() if all(np.isfinite(part).all() for part in each)}


def _groups(taps: Sequence[Tap], sizes: dict[str, int]) -> Iterator[list[Tap]]:
    """Split the tensors so that one sample's values of each group fit in 32 MB, or are a single tensor."""
    group: list[Tap] = []
    held = 0
    for tap in taps:
        size = 4 * tap.channels * sizes[tap.tensor]
        if group and held + size > GROUP_BYTES:
            yield group
            group, held = [], 0
        group.append(tap)
        held += size
    if group:
        yield group
