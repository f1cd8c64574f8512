"""Server-sent events: what a conversation tells, for every page that shows it, from where each of them left off."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol

from pydantic_core import to_json

from ...contracts import Entry
from .view import view

# A stream in which nothing happens says so this often: proxies and pages tell a quiet line from a dead one by it.
BEAT_S = 10.0
_BEAT = ": still here\n\n"
# Asks the browser to come back this soon after a lost line.
_RETRY = "retry: 500\n\n"
# How long a feed without readers may take to notice it.
_PATIENCE_S = 2.0
# A conversation that is closed ends at once whoever follows it; asking again must not keep a core busy.
_PAUSE_S = 0.02
# A page that reads so slowly is cut off; it comes back and goes on where it was.
_MOST_WAITING = 20_000


class Followed(Protocol):
    """What a feed needs of a conversation."""

    def entries(self, after: int = 0) -> list[Entry]:
        """Return what was said and done since entry `after`."""
        ...

    def follow(self, after: int = 0, timeout_s: float | None = None) -> Iterator[Entry]:
        """Yield entries after `after` as they come, and end when none came for `timeout_s`."""
        ...


class _Reader:
    """One stream's queue; None ends it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue(_MOST_WAITING)

    def put(self, item: tuple[int, str] | None) -> None:
        try:
            self.queue.put_nowait(item)
        except asyncio.QueueFull:
            self.queue.get_nowait()
            self.queue.put_nowait(None)


class Feed:
    """One conversation's entries, read by one thread for any number of streams.

    All methods but the thread's run in the event loop.

    Args:
        conversation: is followed while somebody reads.
    """

    def __init__(self, conversation: Followed) -> None:
        self._conversation = conversation
        self._readers: set[_Reader] = set()
        self._stop: threading.Event | None = None
        self._closed = False

    async def stream(self, after: int) -> AsyncIterator[str]:
        """Yield the events of the stream: all entries since `after`, then those that come."""
        yield _RETRY
        told, after = await asyncio.to_thread(self._since, after)
        for text in told:
            yield text
        reader = _Reader()
        self._join(reader, after)
        try:
            # What came between is read, not waited for: the thread may have passed it before this reader joined.
            told, after = await asyncio.to_thread(self._since, after)
            for text in told:
                yield text
            async for number, text in self._live(reader):
                if number == 0 or number > after:
                    yield text
                    after = max(after, number)
        finally:
            self._leave(reader)

    def close(self) -> None:
        """End every stream, also one that begins from now on: it tells what there is."""
        self._closed = True
        for reader in self._readers:
            reader.put(None)

    async def _live(self, reader: _Reader) -> AsyncIterator[tuple[int, str]]:
        while True:
            try:
                item = await asyncio.wait_for(reader.queue.get(), BEAT_S)
            except TimeoutError:
                item = (0, _BEAT)
            if item is None:
                return
            yield item

    def _since(self, after: int) -> tuple[list[str], int]:
        """Return the entries since `after`, and the last one's number; all where there is no such entry."""
        found = self._conversation.entries(max(after - 1, 0))
        if after and found:
            found = [entry for entry in found if entry.number > after]
        elif after:
            found, after = self._conversation.entries(0), 0
        return [written(entry) for entry in found], found[-1].number if found else after

    def _join(self, reader: _Reader, after: int) -> None:
        self._readers.add(reader)
        if self._closed:
            reader.put(None)
        if self._stop is None:
            self._stop = threading.Event()
            arguments = (asyncio.get_running_loop(), self._stop, after)
            threading.Thread(target=self._pump, args=arguments, name="shipfit-feed", daemon=True).start()

    def _leave(self, reader: _Reader) -> None:
        self._readers.discard(reader)
        if not self._readers and self._stop is not None:
            self._stop.set()
            self._stop = None

    def _pump(self, loop: asyncio.AbstractEventLoop, stop: threading.Event, after: int) -> None:
        """Follow the conversation until nobody reads any more."""
        while not stop.is_set():
            for entry in self._conversation.follow(after=after, timeout_s=_PATIENCE_S):
                after = entry.number
                if stop.is_set() or not _tell(loop, self._publish, (after, written(entry))):
                    return
            stop.wait(_PAUSE_S)

    def _publish(self, item: tuple[int, str]) -> None:
        for reader in self._readers:
            reader.put(item)


def _tell(loop: asyncio.AbstractEventLoop, publish: Callable[[tuple[int, str]], None], item: tuple[int, str]) -> bool:
    """Hand an entry to the event loop; False where that has ended."""
    try:
        loop.call_soon_threadsafe(publish, item)
    except RuntimeError:
        return False
    return True


def written(entry: Entry) -> str:
    """Return an entry as one server-sent event; JSON holds no line breaks."""
    return f"id: {entry.number}\ndata: {to_json(view(entry), inf_nan_mode='null').decode()}\n\n"
