"""Split samples into calibration, selection and final parts: by content and seed, never by their order."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...contracts import DataError, Part

WITHOUT_CALIBRATION: Mapping[Part, float] = {"selection": 1 / 3, "final": 2 / 3}
SHARES: Mapping[Part, float] = {"calibration": 0.25, "selection": 0.25, "final": 0.5}


@dataclass(frozen=True)
class Item:
    """A sample as the split sees it: where it is stored, the digest of its inputs, its class."""

    index: int
    digest: str
    label: int | None = None


@dataclass(frozen=True)
class _Group:
    """Samples with the same inputs; they must not end up on both sides of a border."""

    key: str
    items: tuple[Item, ...]


def split(items: Sequence[Item], shares: Mapping[Part, float], seed: int) -> dict[Part, list[int]]:
    """Return the sample indices of each part, stratified by label, in a stratified order.

    Equal samples stay together. The assignment depends on the set of samples and on `seed` alone.

    Raises:
        DataError: fewer different samples than parts.
    """
    strata = _strata(items, seed)
    groups = sum(len(members) for members in strata.values())
    if groups < len(shares):
        raise DataError(
            f"the data have {groups} different samples, but {len(shares)} parts are needed ({', '.join(shares)}); "
            "give more samples, or none at all to have inputs synthesised"
        )
    parts = _deal(strata, shares)
    _fill_empty(parts)
    return {part: _stratified(members) for part, members in parts.items()}


def _strata(items: Sequence[Item], seed: int) -> dict[int, list[_Group]]:
    """Group equal samples, and sort the groups of each class by a digest of content and seed."""
    same: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        same[item.digest].append(item)
    strata: dict[int, list[_Group]] = defaultdict(list)
    for digest, members in same.items():
        key = hashlib.sha256(f"{seed}:{digest}".encode()).hexdigest()
        stratum = min(-1 if item.label is None else item.label for item in members)
        strata[stratum].append(_Group(key, tuple(sorted(members, key=lambda item: item.label or 0))))
    return {label: sorted(strata[label], key=lambda group: group.key) for label in sorted(strata)}


def _deal(strata: Mapping[int, list[_Group]], shares: Mapping[Part, float]) -> dict[Part, list[_Group]]:
    """Give each group to the part that is furthest behind its share, within its class and over all."""
    parts: dict[Part, list[_Group]] = {part: [] for part in shares}
    total: Counter[Part] = Counter()
    for members in strata.values():
        within: Counter[Part] = Counter()
        for group in members:
            size = len(group.items)

            def behind(part: Part, within: Counter[Part] = within, size: int = size) -> float:
                own = shares[part] * (within.total() + size) - within[part]
                return own + shares[part] * (total.total() + size) - total[part]

            part = max(shares, key=behind)
            parts[part].append(group)
            within[part] += size
            total[part] += size
    return parts


def _fill_empty(parts: dict[Part, list[_Group]]) -> None:
    """Large groups of equal samples can starve a part; give it one of the part that has most."""
    for members in parts.values():
        if not members:
            members.append(max(parts.values(), key=len).pop())


def _stratified(groups: Sequence[_Group]) -> list[int]:
    """Order samples so that every prefix has about the classes of the whole."""
    ordered = sorted(groups, key=lambda group: group.key)
    items = [(group.key, item) for group in ordered for item in group.items]
    counts = Counter(item.label for _, item in items)
    seen: Counter[int | None] = Counter()
    ranked: list[tuple[float, str, int, int]] = []
    for key, item in items:
        seen[item.label] += 1
        ranked.append(((seen[item.label] - 0.5) / counts[item.label], key, item.label or 0, item.index))
    return [index for *_, index in sorted(ranked)]
