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
from .dims import Dims, known_dims
from .labels import STAYS, Labels
from .rules.table import rule_of
from .trace import Frozen, Trace

_WALKS = 6  # of a graph, at most
Role = Literal["gives", "carries", "reads"]


@dataclass(frozen=True, eq=False)
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
    trace, component = _walked(model)
    groups: list[Group] = []
    channels: dict[str, Labels] = {}
    names: dict[str, int] = {}
    members, roles = _members(trace, component), _Roles(trace)
    for found in _alike(trace, component, members):
        if len(found) < 2:
            continue
        own = tuple(_member(each, found, roles) for each in members if each.holds(found))
        if all(each.role == "carries" for each in own):
            continue
        base = next((each.initializer for each in own if each.role == "gives"), own[0].initializer)
        names[base] = names.get(base, -1) + 1
        name = f"{base}#{names[base]}" if names[base] else base
        while name in channels:
            name += "#"
        groups.append(Group(name, len(found), own))
        channels[name] = found
    return Solved(trace, component, Couplings(tuple(groups), _once(trace.frozen)), channels)


def _walked(model: ModelProto) -> tuple[Trace, Labels]:
    """Walk the graph, and again with what came out, until nothing new does.

    Shapes behind nodes that onnx does not know follow from their rules; where all that channels could go along at a
    fork stays, they go along another axis.
    """
    given: dict[str, Dims] = {}
    known = known_dims(model, given)
    choices: dict[int, int] = {}
    walks = 0
    while True:
        trace, walks = Trace(model, known, dict(choices)).walk(rule_of), walks + 1
        gaps = {name: dims for name, dims in trace.gaps() if name not in given}
        if gaps and walks < _WALKS:
            given |= gaps
            known = known_dims(model, given)
            continue
        component = trace.unions.components()
        lost = {
            fork.node: choices.get(fork.node, 0) + 1
            for fork in trace.forks
            if not component[fork.labels].any() and choices.get(fork.node, 0) + 1 < fork.options
        }
        if not lost or walks == _WALKS:
            return trace, component
        choices |= lost


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


def _member(place: _Place, channels: Labels, roles: _Roles) -> Member:
    """Return which positions belong to each channel; all have as many."""
    ranks = np.full(int(place.component.max()) + 1, -1, np.int64)
    ranks[channels[channels < len(ranks)]] = np.flatnonzero(channels < len(ranks))
    rank = ranks[place.component]
    inside = np.flatnonzero(rank >= 0)
    inside = inside[np.argsort(rank[inside], kind="stable")]
    return Member(place.initializer, place.axis, inside.reshape(len(channels), -1), roles.of(place.labels))


class _Roles:
    """What axes of weights do, by the labels that rules have noted."""

    def __init__(self, trace: Trace) -> None:
        self._gives, self._reads = _noted(trace.gives), _noted(trace.reads)

    def of(self, labels: Labels) -> Role:
        """Return what the axis of an initializer does, by its own labels."""
        if _any_of(self._gives, labels):
            return "gives"
        return "reads" if _any_of(self._reads, labels) else "carries"


def _noted(marked: list[Labels]) -> Labels:
    return np.unique(np.concatenate(marked)) if marked else np.empty(0, np.int64)


def _any_of(noted: Labels, labels: Labels) -> bool:
    first, last = np.searchsorted(noted, [max(int(labels.min()), STAYS + 1), int(labels.max()) + 1])
    return bool(first < last)


def _once(frozen: list[Frozen]) -> tuple[Frozen, ...]:
    return tuple(dict.fromkeys(frozen))
