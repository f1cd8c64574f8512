"""Samples of a batch: which can go together, and what of them is padding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contracts import ToolError
from ..quantize.trial import run

Arrays = Mapping[str, NDArray[Any]]
# Sums in another order round differently; a sample that another one changes differs by more.
_SAME = 1e-3
_TRIED_FOR_PADDING = 4


def arrays_of(feed: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(value) for name, value in feed.items()}


def by_shape(feeds: Sequence[Arrays]) -> list[list[int]]:
    """Return the indices of samples that have all their shapes, and their scalars, in common."""
    found: dict[Any, list[int]] = defaultdict(list)
    for index, feed in enumerate(feeds):
        key = tuple((name, each.shape if each.ndim else each.item()) for name, each in sorted(feed.items()))
        found[key].append(index)
    return list(found.values())


def stacked(feeds: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
    """Return one feed of several samples of the same shapes, along the first axis; scalars are shared."""
    first = feeds[0]
    return {name: np.concatenate([feed[name] for feed in feeds]) if each.ndim else each for name, each in first.items()}


def alone(session: Any, feeds: Sequence[Arrays]) -> set[int] | None:
    """Return which outputs of a batch are those of its samples one after the other; None: it does not run."""
    pair = next((group[:2] for group in by_shape(feeds) if len(group) > 1), None)
    if pair is None or not any(each.ndim for each in feeds[0].values()):
        return None
    chosen = [feeds[index] for index in pair]
    singles = [run(session, feed) for feed in chosen]
    try:
        together = run(session, stacked(chosen))
    except ToolError:
        return None
    return {index for index, (a, b, both) in enumerate(zip(*singles, together, strict=True)) if _is_joined(a, b, both)}


def _is_joined(a: NDArray[Any], b: NDArray[Any], both: NDArray[Any]) -> bool:
    if not a.ndim or a.shape[1:] != b.shape[1:] or both.shape != (len(a) + len(b), *a.shape[1:]):
        return False
    joined = np.concatenate([a, b])
    if joined.dtype.kind != "f" or not np.isfinite(joined).all():
        return bool(np.array_equal(joined, both, equal_nan=joined.dtype.kind == "f"))
    allowed = _SAME * float(np.abs(joined).max(initial=0.0)) + 1e-6
    return bool(np.allclose(joined, both, rtol=0, atol=allowed))


def padding_of(session: Any, feeds: Sequence[Arrays]) -> str | None:
    """Return the input that tells which positions are padding, or None.

    It holds ones with zeros after or before them, and what the other inputs hold where it is zero changes no answer
    elsewhere: that is tried.
    """
    return next((name for name in feeds[0] if _looks_like(name, feeds) and _hides(session, name, feeds)), None)


def _looks_like(name: str, feeds: Sequence[Arrays]) -> bool:
    held = [feed[name] for feed in feeds]
    if any(each.ndim != 2 or not np.isin(each, (0, 1)).all() for each in held):
        return False
    rows = np.concatenate([_ordered(row) for each in held for row in each.astype(np.int64)])
    return bool(len(rows)) and bool(rows.all()) and any(bool((each == 0).any()) for each in held)


def _ordered(row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell whether the row has ones, and changes once at most."""
    return np.asarray([bool(row.any()) and int(np.abs(np.diff(row)).sum()) <= 1])


def _hides(session: Any, name: str, feeds: Sequence[Arrays]) -> bool:
    tried = [feed for feed in feeds if bool((feed[name] == 0).any())][:_TRIED_FOR_PADDING]
    others = [key for key, each in tried[0].items() if key != name and each.shape == tried[0][name].shape]
    if not others:
        return False
    return all(_unmoved(session, name, feed, others) for feed in tried)


def _unmoved(session: Any, name: str, feed: Arrays, others: Sequence[str]) -> bool:
    seen = feed[name] != 0
    changed = {**feed, **{key: np.where(seen, feed[key], feed[key].flat[0]) for key in others}}
    if all(np.array_equal(changed[key], feed[key]) for key in others):
        changed |= {key: np.where(seen, feed[key], feed[key][:, ::-1]) for key in others}
    for before, after in zip(run(session, feed), run(session, changed), strict=True):
        if before.dtype.kind != "f":
            continue
        apart = np.abs(before - after)
        if before.shape[:2] == seen.shape:
            apart = apart[seen]
        if float(apart.max(initial=0.0)) > _SAME * float(np.abs(before).max(initial=0.0)) + 1e-6:
            return False
    return True


def batches(groups: Sequence[Sequence[int]], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yield batches of one shape each without end, every sample as often as any other."""
    while True:
        found = [list(part) for group in groups for part in _parts(rng.permutation(group), size)]
        for index in rng.permutation(len(found)):
            yield [int(each) for each in found[index]]


def _parts(order: NDArray[Any], size: int) -> list[NDArray[Any]]:
    """A rest that is small against a batch joins those before it."""
    return np.array_split(order, max(1, round(len(order) / size)))
