"""The open conversations of a server, each with the feed that its pages read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .feed import Feed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..chat.conversation import Conversation
    from ..chat.desk import Desk


class Rooms:
    """Conversations by id, opened once for all pages.

    Args:
        desk: keeps the conversations of the workspace.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._feeds: dict[str, Feed] = {}
        self._closed = False

    def conversation(self, name: str) -> Conversation:
        """Return the conversation of that id.

        Raises:
            RequestError: there is none.
        """
        return self.desk.open(name)

    async def stream(self, name: str, after: int) -> AsyncIterator[str]:
        """Return the events of a conversation since entry `after`.

        Raises:
            RequestError: there is no such conversation.
        """
        conversation = await asyncio.to_thread(self.conversation, name)
        feed = self._feeds.setdefault(name, Feed(conversation))
        if self._closed:
            feed.close()
        return feed.stream(after)

    def close(self) -> None:
        """End every stream, also those that begin from now on, so that the server can end."""
        self._closed = True
        for feed in self._feeds.values():
            feed.close()
