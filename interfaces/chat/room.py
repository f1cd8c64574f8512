"""What the parts of a conversation share: where it is kept, where it stands, and what answers questions about runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...contracts import Entry, Settings, Told
from ..workspace import Workspace
from .log import EntryLog
from .standing import Standing

if TYPE_CHECKING:
    from ...agents.service import Service


class Answerer:
    """The door to the floor below, opened when something is first asked, shared by all conversations."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._service: Service | None = None

    @property
    def service(self) -> Service:
        """What knows runs. It starts none here: runs have processes of their own."""
        from ...agents.service import Service

        with self._lock:
            if self._service is None:
                self._service = Service(self.settings, alone=False)
            return self._service

    def close(self) -> None:
        """Close the ledger."""
        with self._lock:
            if self._service is not None:
                self._service.ledger.close()
                self._service = None


@dataclass(frozen=True)
class Room:
    """One conversation's things."""

    workspace: Workspace
    answerer: Answerer
    standing: Standing
    log: EntryLog

    @classmethod
    def open(cls, path: Path, workspace: Workspace, answerer: Answerer) -> Room:
        """Open the conversation that is kept at `path`, a new one where nothing is.

        Raises:
            MachineError: it cannot be read or written.
        """
        standing = Standing()
        return cls(workspace, answerer, standing, EntryLog(path, standing.take))

    @property
    def service(self) -> Service:
        """What knows runs."""
        return self.answerer.service

    @property
    def settings(self) -> Settings:
        """Those of the installation."""
        return self.answerer.settings

    def add(self, kind: type[Any], **fields: Any) -> Entry:
        """Add an entry of a kind."""
        return self.log.add(kind, **fields)

    def tell(self, *lines: str) -> None:
        """Add a notice."""
        self.add(Told, text=lines)
