"""Which channels of a model can go, and which axes of which weights are cut when they do.

Channels of different tensors that meet in an addition, a concatenation, a product go together or not at all: a
union-find over the positions of all axes (Fang et al., "DepGraph: towards any structural pruning", CVPR 2023, have the
same over layers of a torch module). What cannot be followed, or is given out, stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from onnx import ModelProto

from ..quantize.graphs import fixed_initializers
from .labels import Labels
from .rules.table import rule_of
from .trace import Frozen, Trace

Role = Literal["gives", "carries", "reads"]


@dataclass(frozen=True)
class Member:
    """What of an initializer belongs to the channels of a group.

    Attributes:
        initializer: its name.
        axis: of it.
        positions: `(width, n)`: those of the axis that belong to each channel, ascending.
        role: whether the axis makes the channels, has a constant for each, or reads them.
    """

    initializer: str
    axis: int
    positions: Labels
    role: Role


@dataclass(frozen=True)
class Group:
    """Channels that can go one by one, with the same consequences each.

    Attributes:
        id: the same for equal models: the name of the first weight that makes them, and a number where that is taken.
        width: how many.
        members: axes of initializers that are cut with them, in the order of the graph's initializers.
    """

    id: str
    width: int
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Couplings:
    """What can go and what stays.

    Attributes:
        groups: in the order of the initializers that make them.
        frozen: tensors and nodes whose channels stay, and why.
    """

    groups: tuple[Group, ...]
    frozen: tuple[Frozen, ...]


@dataclass(frozen=True)
class Solved:
    """A walked graph, and what goes together in it.

    Attributes:
        trace: the walk.
        component: by label; 0 stays.
        couplings: what is told outside.
        channels: component of each channel, by the id of its group.
    """

    trace: Trace
    component: Labels
    couplings: Couplings
    channels: Mapping[str, Labels]


def couplings(model: ModelProto) -> Couplings:
    """Return what can go of a model whose Constant nodes have been lifted, and what stays.

    The sizes and names in the model are not trusted: whatever does not fit stays.
    """
    return solved(model).couplings


def solved(model: ModelProto) -> Solved:
    """Walk the graph of a model and solve its unions."""
    trace = Trace(model).walk(rule_of)
    component = trace.unions.components()
    groups: list[Group] = []
    channels: dict[str, Labels] = {}
    names: dict[str, int] = {}
    members = _members(trace, component)
    for found in _alike(trace, component, members):
        if len(found) < 2:
            continue
        own = tuple(_member(trace, each, found) for each in members if each.holds(found))
        base = next((each.initializer for each in own if each.role == "gives"), own[0].initializer)
        names[base] = names.get(base, -1) + 1
        name = f"{base}#{names[base]}" if names[base] else base
        while name in channels:
            name += "#"
        groups.append(Group(name, len(found), own))
        channels[name] = found
    return Solved(trace, component, Couplings(tuple(groups), _once(trace.frozen)), channels)


@dataclass(frozen=True)
class _Place:
    """An axis of an initializer, its labels and what each position goes together with."""

    initializer: str
    axis: int
    labels: Labels
    component: Labels

    def holds(self, channels: Labels) -> bool:
        return bool((self.component == channels[0]).any())


def _members(trace: Trace, component: Labels) -> list[_Place]:
    return [
        _Place(name, axis, labels, found)
        for name in fixed_initializers(trace.model.graph)
        for axis, labels in enumerate(trace.axes.get(name, ()))
        if labels is not None and len(labels) and (found := component[labels]).any()
    ]


def _alike(trace: Trace, component: Labels, members: list[_Place]) -> Iterator[Labels]:
    """Yield the channels of each group: those found as often on the same axes of all tensors."""
    signs: dict[int, list[tuple[int, int]]] = defaultdict(list)
    order: dict[int, tuple[int, int]] = {}
    for at, place in enumerate(members):
        each, firsts, counts = np.unique(place.component, return_index=True, return_counts=True)
        for channel, first, count in zip(each.tolist(), firsts.tolist(), counts.tolist(), strict=True):
            if channel:
                signs[channel].append((at, count))
                order.setdefault(channel, (at, first))
    for at, labels in enumerate(_activations(trace)):
        for channel in np.unique(component[labels]).tolist():
            if channel in signs:
                signs[channel].append((-1, at))
    groups: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
    for channel in sorted(order, key=lambda each: order[each]):
        groups[tuple(signs[channel])].append(channel)
    for channels in groups.values():
        yield np.asarray(channels, np.int64)


def _activations(trace: Trace) -> Iterator[Labels]:
    """Yield the labels of axes of tensors that are no initializers, each once."""
    fixed = fixed_initializers(trace.model.graph)
    seen: set[int] = set()
    for name, axes in trace.axes.items():
        for labels in axes if name not in fixed else ():
            if labels is not None and id(labels) not in seen and labels.any():
                seen.add(id(labels))
                yield labels


def _member(trace: Trace, place: _Place, channels: Labels) -> Member:
    """Return which positions belong to each channel; all have as many."""
    ranks = np.full(int(place.component.max()) + 1, -1, np.int64)
    ranks[channels[channels < len(ranks)]] = np.flatnonzero(channels < len(ranks))
    rank = ranks[place.component]
    inside = np.flatnonzero(rank >= 0)
    inside = inside[np.argsort(rank[inside], kind="stable")]
    return Member(place.initializer, place.axis, inside.reshape(len(channels), -1), _role(trace, place.labels))


def _role(trace: Trace, labels: Labels) -> Role:
    own = range(int(labels.min()), int(labels.max()) + 1)
    for role, marked in (("gives", trace.gives), ("reads", trace.reads)):
        if any(each[0] in own and each.any() for each in marked if len(each)):
            return "gives" if role == "gives" else "reads"
    return "carries"


def _once(frozen: list[Frozen]) -> tuple[Frozen, ...]:
    return tuple(dict.fromkeys(frozen))
