"""What coordinator and child say to each other, and the care with which either is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...contracts import ChildMessage, Contract, Job, OptimizationError, from_wire

# Where in the job's folder things are: what the tool writes, and what it may litter.
TOOL_FOLDER = "tool"
TEMPORARY_FOLDER = "tmp"

_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# Control codes but tab and newline, and the marks that reverse the direction of text.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class WorkerRequest(Contract):
    """One line on a child's standard input.

    Attributes:
        inputs: role → absolute artifact folder.
        work: absolute folder of this job.
    """

    job: Job
    inputs: dict[str, str]
    work: str


def encode(kind: str, body: dict[str, Any]) -> bytes:
    """Return one message as a line of JSON; what JSON does not know is written as its text."""
    return json.dumps({"kind": kind, "body": body}, default=str).encode() + b"\n"


def decode(line: bytes) -> ChildMessage:
    """Return the message of one line.

    Raises:
        ValueError: no JSON, or not a message.
    """
    return ChildMessage.model_validate_json(line)


def clean(text: str, limit: int = 2000) -> str:
    """Return the end of `text`, at most `limit` characters, without control codes and terminal sequences."""
    return _CONTROLS.sub("", _TERMINAL.sub("", text[-2 * limit :].replace("\r\n", "\n")))[-limit:]


def clean_line(text: str, limit: int = 500) -> str:
    """Return the beginning of `text` on one line, at most `limit` characters, without control codes."""
    flat = " ".join(_CONTROLS.sub("", _TERMINAL.sub("", text[: 2 * limit])).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def clean_all(value: Any) -> Any:
    """Return JSON data with every text in it cleaned."""
    if isinstance(value, str):
        return clean(value, 8000)
    if isinstance(value, list):
        return [clean_all(item) for item in value]
    if isinstance(value, dict):
        return {clean_line(str(key)): clean_all(item) for key, item in value.items()}
    return value


def clean_error(body: Mapping[str, Any]) -> OptimizationError:
    """Return the error that a child told, without control codes."""
    error = from_wire(body)
    return type(error)(clean_line(error.message), error.type, clean_all(error.details))
