"""What nodes run in tests: rogue children, or, where a tool's name begins with `node_`, a node that is rogue itself."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import ray

from shipfit.tools.cluster import node
from shipfit.tools.cluster.exchange import Exchange
from shipfit.tools.cluster.messages import NodeRequest
from shipfit.tools.hardware import fingerprint
from shipfit.tools.worker.local import LocalExecutor

ROGUE = (sys.executable, "-P", str(Path(__file__).parents[1] / "worker" / "rogue.py"))
SHA = "ab" * 32
facts = node.facts


@cache
def rogue() -> LocalExecutor:
    return LocalExecutor(ROGUE)


def fetch(text: str) -> Iterator[Any]:
    """Fetch as told; where a job names a place, tell it what this call holds, and empty the store of the inputs."""
    request = NodeRequest.model_validate_json(text)
    yield from node.fetch(text)
    if "fetched" in request.job.params:
        held = " ".join(ray.get_runtime_context().get_assigned_resources())
        Path(request.job.params["fetched"]).write_text(held)
        for files in request.inputs.values():
            for blob in files.values():
                Exchange(request.store).remove(blob)


def run(text: str) -> Iterator[Any]:
    tool = NodeRequest.model_validate_json(text).job.tool
    if tool.startswith("node_"):
        yield from globals()[tool](NodeRequest.model_validate_json(text))
    else:
        yield from node.run(text, rogue())


def message(kind: str, **body: Any) -> str:
    return json.dumps({"kind": kind, "body": body})


def answer(outputs: Any = None, hardware: str | None = None, **more: Any) -> str:
    return message("answer", result={"report": {}}, outputs=outputs or {}, hardware=hardware or fingerprint(), **more)


def node_no_text(_: Any) -> Iterator[Any]:
    yield {"kind": "answer"}


def node_no_json(_: Any) -> Iterator[Any]:
    yield "answer: yes"


def node_giant(_: Any) -> Iterator[Any]:
    yield message("answer", text="x" * 2**20)


def node_no_result(_: Any) -> Iterator[Any]:
    yield message("answer", result={"report": {}}, outputs={}, hardware=fingerprint(), more=1)


def node_no_progress(_: Any) -> Iterator[Any]:
    yield message("progress", tool="x", waited_s=-1)


def node_no_error(_: Any) -> Iterator[Any]:
    yield message("error", error="RequestError", message="\x1b[31mred\nline", details={"a": "\x07b"})


def node_silent(_: Any) -> Iterator[Any]:
    yield message("taken")


def node_fails(_: Any) -> Iterator[Any]:
    yield message("taken")
    raise ZeroDivisionError("by nothing")


def node_elsewhere(_: Any) -> Iterator[Any]:
    yield answer(hardware="0123456789ab")


def node_escapes(_: Any) -> Iterator[Any]:
    yield answer({"model": {"../../model.onnx": {"sha256": SHA, "size_bytes": 5}}})


def node_role(_: Any) -> Iterator[Any]:
    yield answer({"../model": {"model.onnx": {"sha256": SHA, "size_bytes": 5}}})


def node_lacks(_: Any) -> Iterator[Any]:
    yield answer({"model": {"model.onnx": {"sha256": SHA, "size_bytes": 5}}})


def node_swells(_: Any) -> Iterator[Any]:
    yield answer({"model": {f"{n}.bin": {"sha256": SHA, "size_bytes": 2**40} for n in range(3)}})


def node_dies_once(request: NodeRequest) -> Iterator[Any]:
    """End the process on the node the first time; whoever is asked next answers."""
    place = Path(request.job.params["place"])
    if not place.exists():
        place.write_text("x")
        os._exit(1)
    yield answer()


def node_dies(request: NodeRequest) -> Iterator[Any]:
    with Path(request.job.params["place"]).open("a") as file:
        file.write("x")
    os._exit(1)
    yield ""


def node_lingers(request: NodeRequest) -> Iterator[Any]:
    """Answer, and come to no end."""
    Path(request.job.params["place"]).write_text(str(os.getpid()))
    yield answer()
    time.sleep(300)


def node_sleeps(request: NodeRequest) -> Iterator[Any]:
    """Tell where it is, and sleep, unless it was told before."""
    place = Path(request.job.params["place"])
    if not place.exists():
        yield message("started")
        place.write_text(str(os.getpid()))
        time.sleep(300)
    yield answer()
