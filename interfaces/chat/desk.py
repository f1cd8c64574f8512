"""All conversations of one workspace, held by one process at a time."""

from __future__ import annotations

import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout
from pydantic import ValidationError

from ...contracts import Contract, MachineError, RequestError, Settings
from ..text import clean
from ..workspace import Workspace
from .conversation import Conversation
from .room import Answerer, Room

# Each run is a process with libraries of its own; one machine measures one model at a time anyway.
MOST_RUNS = 4
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_SUFFIX = ".jsonl"
# The first words of a conversation stand in its first lines.
_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Listing:
    """A conversation as a list shows it; times are seconds since the epoch."""

    id: str
    title: str
    started: float
    updated: float
    is_working: bool = False


class _Holder(Contract):
    pid: int


class _FirstWords(Contract):
    model_config = {"extra": "ignore"}

    at: float
    kind: str
    text: str | tuple[str, ...] = ""


class Desk:
    """Opens, lists and closes the conversations of a workspace.

    Args:
        settings: where runs are kept, and which language model advises.
        workspace: folder of the user's; models and data lie in it, products go below it.

    Raises:
        RequestError: another process works on this workspace.
        MachineError: the workspace cannot be read or written.
    """

    def __init__(self, settings: Settings, workspace: Path) -> None:
        self.settings = settings
        self.workspace = Workspace(workspace)
        self._folder = _own_folder(self.workspace.own) / "conversations"
        self._lock = self._held()
        self._guard = threading.Lock()
        self._opened: dict[str, Conversation] = {}
        self._slots = threading.Semaphore(MOST_RUNS)
        self._answerer = Answerer(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, id: str | None = None) -> Conversation:
        """Return the conversation `id`, or a new one.

        Raises:
            RequestError: there is none of that id.
            MachineError: it cannot be read or written.
        """
        with self._guard:
            name = id or _new_id()
            if (known := self._opened.get(name)) is not None:
                return known
            path = self._folder / f"{name}{_SUFFIX}"
            if id is not None and not (_ID.fullmatch(id) and path.is_file()):
                raise RequestError(f"there is no conversation {clean(id, 60)!r} in this workspace")
            opened = Conversation(name, Room.open(path, self.workspace, self._answerer), self._slots)
            self._opened[name] = opened
            return opened

    def list(self) -> tuple[Listing, ...]:
        """Return the conversations of the workspace, the one that was last spoken in first."""
        return tuple(sorted(self._listed(), key=lambda listing: -listing.updated))

    def close(self) -> None:
        """Stop what is at work, which can be resumed, and let another process have the workspace."""
        with self._guard:
            opened = list(self._opened.values())
            threads = [threading.Thread(target=conversation.close) for conversation in opened]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self._opened.clear()
            self._answerer.close()
            self._lock.release()

    def _held(self) -> FileLock:
        """Hold the workspace; who holds it is written beside the lock, for whoever comes second."""
        holder = self.workspace.own / "holder.json"
        # Whoever closes the desk may be another thread than the one that opened it.
        lock = FileLock(self.workspace.own / "desk.lock", thread_local=False)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            lock.acquire(timeout=0)
            holder.write_text(_Holder(pid=os.getpid()).model_dump_json(), encoding="utf-8")
        except Timeout:
            raise RequestError(
                f"another shipfit{_named(holder)} works on this workspace; end it, or give another --workspace"
            ) from None
        except OSError as error:
            raise MachineError(
                f"{clean(self.workspace.root, 200)!r} cannot be written: {error.strerror}; give another --workspace"
            ) from error
        return lock

    def _listed(self) -> Iterator[Listing]:
        for path in self._folder.glob(f"*{_SUFFIX}"):
            name = path.name.removesuffix(_SUFFIX)
            if not _ID.fullmatch(name) or path.is_symlink():
                continue
            opened = self._opened.get(name)
            title, started = (opened.title, None) if opened else _head(path)
            began = (
                time.mktime(time.strptime(name[:15], "%Y%m%d-%H%M%S")) - time.timezone if started is None else started
            )
            working = opened is not None and opened.is_working
            yield Listing(name, clean(title, 200), began, path.stat().st_mtime, working)


def _new_id() -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def _own_folder(folder: Path) -> Path:
    """Make the folder that this program keeps for itself; a link in its place would lead out of the workspace."""
    try:
        with suppress(FileExistsError):  # what is there is looked at next
            folder.mkdir(mode=0o700)
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise MachineError(f"{clean(folder, 200)!r} is no folder of shipfit's own; remove it")
    except OSError as error:
        raise MachineError(
            f"{clean(folder, 200)!r} cannot be made: {error.strerror}; give another --workspace"
        ) from error
    return folder


def _named(holder: Path) -> str:
    try:
        return f" (process {_Holder.model_validate_json(holder.read_bytes()[:200]).pid})"
    except (OSError, ValidationError):
        return ""


def _head(path: Path) -> tuple[str, float | None]:
    """Return the first words of a conversation that is not open, and when it began."""
    started: float | None = None
    with path.open("rb") as file:
        for line in file.read(_HEAD_BYTES).splitlines():
            try:
                entry = _FirstWords.model_validate_json(line)
            except ValidationError:
                continue
            started = started or entry.at
            if entry.kind == "said" and isinstance(entry.text, str):
                return entry.text[:200], started
    return "", started
