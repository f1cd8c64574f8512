"""The timeline of a run, read from its trail: it spans every process that worked on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..contracts import NodeFinished, NodeTime, validate
from ..memory.trail import TrailEntry


def timeline(trail: Iterable[TrailEntry]) -> tuple[NodeTime, ...]:
    """Return what a run did when; what a killed process had begun is not on the trail, and so a gap."""
    stays = list(_stays(trail))
    began = min((ended - node.seconds for ended, node in stays), default=0.0)
    times: list[NodeTime] = []
    for ended, node in stays:
        # A clock that was set back in between must not make two nodes overlap.
        earliest = times[-1].started_s + times[-1].seconds if times else 0.0
        started = max(ended - node.seconds - began, earliest)
        times.append(NodeTime(node=node.node, attempt=node.attempt, started_s=started, seconds=node.seconds))
    return tuple(times)


def _stays(trail: Iterable[TrailEntry]) -> Iterator[tuple[float, NodeFinished]]:
    """Yield (seconds since the epoch at its end, node), admission first."""
    for entry in trail:
        if entry.kind == "admitted":
            yield entry.created, NodeFinished(node="admit", seconds=float(entry.body["elapsed_s"]))
        elif entry.kind == "node":
            yield entry.created, validate(NodeFinished, entry.body)
