"""Samples to run models on: single calls, or streams whose states are fed back, each model its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...contracts import DataView
from .calibrate import Feeds
from .trial import run

# Calls of a stream after which what builds up through its states mostly has.
CALLS = 16


@dataclass(frozen=True)
class Streams:
    """Feeds, and which of them begin a stream.

    Attributes:
        feeds: of all streams, one after the other; those that begin one hold its first states.
        starts: whether each feed begins a stream; empty where every one does.
        state: input → output that it is fed from the call before.
    """

    feeds: Feeds
    starts: Sequence[bool] = ()
    state: Mapping[str, str] = field(default_factory=dict[str, str])

    @staticmethod
    def of(view: DataView, part: str, count: int) -> Streams:
        """Return the first `count` streams of a part, cut after `CALLS` calls; without states its first feeds."""
        if not view.ref.state:
            return Streams(view.feeds(part, count))
        starts, kept, streams = view.starts(part), list[int](), list[int]()
        for place, start in enumerate(starts):
            streams += [place] if start else []
            if len(streams) > count:
                break
            kept += [place] if place - streams[-1] < CALLS else []
        feeds = view.feeds(part)
        return Streams(_Picked(feeds, kept), [starts[place] for place in kept], view.ref.state)

    def begun(self) -> Iterator[tuple[Mapping[str, Any], bool]]:
        """Yield each feed and whether it begins a stream."""
        for place, feed in enumerate(self.feeds):
            yield feed, not self.starts or self.starts[place]

    def end_of(self, streams: int) -> int:
        """Return how many feeds the first `streams` streams have."""
        firsts = [place for place, start in enumerate(self.starts) if start] or range(len(self.feeds))
        return firsts[streams] if streams < len(firsts) else len(self.feeds)


class _Picked(Sequence[Mapping[str, Any]]):
    """Feeds at some places, loaded when they are asked for."""

    def __init__(self, feeds: Feeds, places: Sequence[int]) -> None:
        self._feeds, self._places = feeds, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _Picked(self._feeds, self._places[index])
        return self._feeds[self._places[index]]


class Fed:
    """Runs one model call by call, feeding it what it gave out before.

    Args:
        session: of the model.
        state: input → place of the output that it is fed.
    """

    def __init__(self, session: Any, state: Mapping[str, int]) -> None:
        self._session, self._state = session, state
        self._own: Mapping[str, Any] = {}

    def answer(self, feed: Mapping[str, Any], starts: bool) -> list[Any]:
        """Return the outputs of one call, which begins a stream or goes on with it.

        Raises:
            ToolError: the runtime refuses the sample, or fails on it.
        """
        outputs = run(self._session, feed if starts else {**feed, **self._own})
        self._own = {name: outputs[place] for name, place in self._state.items()}
        return outputs
