"""What coordinator and nodes say to each other: JSON texts, checked at both ends."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ...contracts import Contract, Hardware, Job, JobResult
from ...contracts.jobs import Digest

MAX_FILES = 4096
_MAX_NAME = 1024
_MAX_PART = 255


def _plain(name: str) -> str:
    """Return a file's name as it is, where it stays below the folder that it is put into."""
    parts = PurePosixPath(name).parts
    wrong = (
        not name
        or len(name) > _MAX_NAME
        or not name.isprintable()
        or "\\" in name
        or "/".join(parts) != name
        or name.startswith("/")
        or any(part == ".." or len(part.encode()) > _MAX_PART for part in parts)
    )
    if wrong:
        raise ValueError("no plain name of a file")
    return name


class Blob(Contract):
    """Content of a file in the store."""

    sha256: Digest
    size_bytes: int = Field(ge=0)


# Relative name, with `/` → content.
Files = Annotated[dict[Annotated[str, AfterValidator(_plain)], Blob], Field(max_length=MAX_FILES)]
Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class NodeRequest(Contract):
    """A job for a node; `inputs` are its artifacts, role by role."""

    job: Job
    inputs: dict[Role, Files]
    store: str


class NodeAnswer(Contract):
    """What a node's child answered; `outputs` are its products, which `result` does not name."""

    result: JobResult
    outputs: dict[Role, Files]
    hardware: str


class FactsRequest(Contract):
    """Asks a node what it is; `known` is there in the store, for the node to read."""

    store: str
    known: Blob


class NodeFacts(Contract):
    """What a node is.

    Attributes:
        versions: of the libraries that decide what a job gives.
        fault: why no job can run there; empty where one can.
    """

    hardware: Hardware
    versions: dict[str, str]
    fault: str = ""


class Said(Contract):
    """One message of a node: `taken` up, `started` once inputs are there, `finished` before outputs go."""

    kind: Literal["taken", "started", "progress", "finished", "answer", "facts", "error"]
    body: dict[str, Any] = {}
