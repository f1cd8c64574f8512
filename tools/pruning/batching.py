"""Join samples to batches where a model takes any number of them at once: small models run several times faster so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto

from ...contracts import ToolError
from ..quantize.calibrate import Feeds
from ..quantize.trial import opened, run

BATCH = 16
BATCH_ELEMENTS = 2**18
_TOLERANCE = 1e-3


def batched(model: ModelProto, feeds: Feeds) -> Feeds:
    """Return the samples in batches, or as they are where the model does not answer batches as it does samples.

    Raises:
        ToolError: the model does not load, or does not run on the samples.
    """
    if len(feeds) < 2 or not _any_number(model):
        return feeds
    held = [{name: np.asarray(value) for name, value in feed.items()} for feed in feeds]
    shapes = [{name: value.shape for name, value in feed.items()} for feed in held]
    size = min(BATCH, BATCH_ELEMENTS // max(1, sum(value.size for value in held[0].values())))
    if size < 2 or any(each != shapes[0] for each in shapes) or any(not shape for shape in shapes[0].values()):
        return feeds
    joined = [_joined(held[at : at + size]) for at in range(0, len(held), size)]
    return joined if _answers_alike(model, held[:size], joined[0]) else feeds


def _any_number(model: ModelProto) -> bool:
    first = [each.type.tensor_type.shape.dim[:1] for each in model.graph.input]
    return bool(first) and all(dims and not dims[0].HasField("dim_value") for dims in first)


def _joined(feeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}


def _answers_alike(model: ModelProto, feeds: Feeds, joined: Mapping[str, Any]) -> bool:
    """Tell whether a batch is answered by what its samples are, one after the other along the first axis."""
    with opened(model, as_shipped=False) as session:
        singles = [run(session, feed) for feed in feeds]
        try:
            together = run(session, joined)
        except ToolError:
            return False
    return all(_alike(parts, whole) for *parts, whole in zip(*singles, together, strict=True))


def _alike(parts: Sequence[Any], whole: Any) -> bool:
    arrays = [np.asarray(each) for each in parts]
    if not arrays[0].ndim or not isinstance(whole, np.ndarray):
        return False
    if whole.shape != (sum(len(each) for each in arrays), *arrays[0].shape[1:]):
        return False
    largest = float(np.abs(whole).max(initial=0)) if whole.dtype.kind == "f" else 0.0
    return np.allclose(np.concatenate(arrays), whole, rtol=0, atol=_TOLERANCE * largest, equal_nan=True)
