"""What a conversation tells reaches every stream, once, in order, from where it left off."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shipfit.contracts import Entry, Told
from shipfit.interfaces.web.feed import Feed


class Talk:
    """A conversation in memory."""

    def __init__(self, count: int = 0) -> None:
        self._entries: list[Entry] = []
        self._changed = threading.Condition()
        self.followers = 0
        for _ in range(count):
            self.add()

    def add(self) -> None:
        with self._changed:
            number = len(self._entries) + 1
            self._entries.append(Told(number=number, at=time.time(), text=(f"line {number}",)))
            self._changed.notify_all()

    def entries(self, after: int = 0) -> list[Entry]:
        with self._changed:
            return self._entries[after:]

    def follow(self, after: int = 0, timeout_s: float | None = None) -> Iterator[Entry]:
        with self._changed:
            if not self._entries[after:]:
                self._changed.wait(timeout_s)
            found = self._entries[after:]
        self.followers += 1
        yield from found


async def numbers(feed: Feed, after: int, count: int) -> list[int]:
    """Read a stream until it told `count` entries."""
    found: list[int] = []
    stream = feed.stream(after)
    async for text in stream:
        fields = dict(line.split(": ", 1) for line in text.splitlines() if line and not line.startswith(":"))
        if "data" in fields:
            document: dict[str, Any] = json.loads(fields["data"])
            assert document["number"] == int(fields["id"])
            found.append(document["number"])
        if len(found) >= count:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize(("after", "expected"), [(0, [1, 2, 3, 4, 5]), (3, [4, 5]), (99, [1, 2, 3, 4, 5])])
def test_a_stream_goes_on_where_it_left_off(after: int, expected: list[int]):
    """A number that was never told is of another conversation: everything is told."""
    assert asyncio.run(numbers(Feed(Talk(5)), after, len(expected))) == expected


def test_all_streams_hear_everything_once_while_it_comes():
    talk = Talk(3)
    feed = Feed(talk)

    async def listen() -> list[list[int]]:
        readers = [asyncio.create_task(numbers(feed, after % 4, 203 - after % 4)) for after in range(12)]
        for index in range(200):
            await asyncio.to_thread(talk.add)
            if index % 40 == 0:
                readers.append(asyncio.create_task(numbers(feed, 0, 203)))
        return await asyncio.wait_for(asyncio.gather(*readers), 60)

    for heard in asyncio.run(listen()):
        assert heard == list(range(heard[0], 204))


def test_a_feed_ends_with_its_last_reader_and_begins_anew():
    feed = Feed(Talk(2))
    assert asyncio.run(numbers(feed, 0, 2)) == [1, 2]
    assert asyncio.run(numbers(feed, 1, 1)) == [2]


def test_a_server_that_ends_ends_its_streams():
    feed = Feed(Talk(1))

    async def listen() -> list[str]:
        told: list[str] = []
        async for text in feed.stream(0):
            told.append(text)
            feed.close()  # also before the stream waits for more
        return told + [text async for text in feed.stream(0)]

    assert len(asyncio.run(asyncio.wait_for(listen(), 60))) == 4
