"""The state machine's checkpointer: what a checkpoint may hold, and where it is kept."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager

# Read when langgraph is imported: a checkpoint may hold nothing but the types named below.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from ..contracts import (
    Analysis,
    ArtifactRef,
    Attempt,
    DataRef,
    Decision,
    Effort,
    HostProbe,
    LayerForm,
    Lesson,
    NormalizeStep,
    Offer,
    Plan,
    Profile,
    Recalled,
    Request,
)
from .state import Draft

_ALLOWED = (
    Analysis,
    ArtifactRef, Attempt, DataRef, Decision, Draft, Effort, HostProbe, LayerForm, Lesson, NormalizeStep, Offer, Plan,
    Profile, Recalled, Request,
)  # fmt: skip


@contextmanager
def saver(connection: sqlite3.Connection) -> Generator[SqliteSaver]:
    """Yield a checkpointer over `connection`, and close the connection after it."""
    with closing(connection):
        connection.row_factory = None  # the checkpointer reads rows by position
        yield SqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=_ALLOWED))


def forget(connection: sqlite3.Connection, runs: tuple[str, ...]) -> None:
    """Drop the checkpoints of `runs`."""
    with saver(connection) as checkpointer:
        for run in runs:
            checkpointer.delete_thread(run)
