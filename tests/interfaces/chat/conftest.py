"""A desk over a workspace in which files lie, and what is said there in short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import Draft, Entry, Taken, load_settings
from shipfit.interfaces.chat.conversation import Conversation
from shipfit.interfaces.chat.desk import Desk


class Talk:
    """A conversation whose new entries are asked for after each message."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self._seen = len(conversation.entries())

    def __call__(self, text: str = "", **named: str) -> list[Any]:
        """Say something, wait until nothing is at work, and return what came of it without the message itself."""
        self.conversation.say(text, **named)
        return self.news()[1:]

    def news(self) -> list[Any]:
        """Return the entries that came since the last look, once nothing is at work any more."""
        assert self.conversation.wait(250)
        found: list[Entry] = self.conversation.entries(self._seen)
        self._seen = found[-1].number if found else self._seen
        return found

    @property
    def draft(self) -> Draft:
        """The request as it stands."""
        taken = [entry for entry in self.conversation.entries() if isinstance(entry, Taken)]
        return taken[-1].draft if taken else Draft()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with models and data that nothing looks into."""
    folder = tmp_path / "workspace"
    (folder / "sub").mkdir(parents=True)
    for name in ("net.onnx", "other net.onnx", "sub/deep.pt2", "net.npz", "samples.csv"):
        (folder / name).write_bytes(b"x")
    (folder / "link.onnx").symlink_to(folder / "net.onnx")
    return folder


@pytest.fixture
def desk(workspace: Path) -> Iterator[Desk]:
    with Desk(load_settings(), workspace) as opened:
        yield opened


@pytest.fixture
def talk(desk: Desk) -> Talk:
    return Talk(desk.open())


@pytest.fixture
def kinds() -> Callable[[list[Any]], list[str]]:
    return lambda entries: [entry.kind for entry in entries]
