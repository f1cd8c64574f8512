"""Whole runs through real servers, in both eras and over both transports: told, stopped, gone on with, asked, lost."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from mcp import Client, MCPError
from mcp.client.session import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitResult

from shipfit.tools.measure.lock import measuring_lock

from .servers import http_server, over_http, stdio, text_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
# On a machine that does ten other things; docs/mcp.md has the figures of an idle one.
STOPPED_S = 30.0
LIMIT_S = 300.0


def request(**more: Any) -> dict[str, Any]:
    """What leads to half of the size in one attempt, whatever the machine."""
    return {
        "model": "mlp.onnx",
        "data": "mlp.npz",
        "constraints": {"max_size_ratio": 0.6, "min_fidelity_db": 20},
        "optimization": {"forbid": ["int8"]},
        "allow_regression": ["latency", "memory"],
        "memory": False,
        **more,
    }


@asynccontextmanager
async def connected(transport: str, mode: str, small: Path, **options: Any) -> AsyncGenerator[tuple[Client, int]]:
    """A client over a transport, and the number of its server's process."""
    if transport == "stdio":
        before = {child.pid for child in psutil.Process().children()}
        async with stdio(small, mode, **options) as client:
            (server,) = {child.pid for child in psutil.Process().children()} - before
            yield client, server
    else:
        with http_server(small) as (address, token, process):
            async with over_http(address, token, mode, **options) as client:
                yield client, process.pid


class Heard:
    """What a client was told of a run's progress, and what its call came to."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.done: list[float] = []
        self.lines: list[str] = []

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        assert total is not None
        self.done.append(progress)
        self.lines.append(message or "")

    async def wait_for(self, word: str) -> None:
        with anyio.fail_after(LIMIT_S):
            while not any(word in line for line in self.lines):
                assert not self.answers, text_of(self.answers[0])
                await anyio.sleep(0.02)

    async def call(self, client: Client, arguments: dict[str, Any]) -> None:
        with suppress(MCPError):  # its server was killed
            self.answers.append(await client.call_tool("optimize", arguments, progress_callback=self))


def below(process: int) -> list[psutil.Process]:
    return psutil.Process(process).children(recursive=True)


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # it may go while it is looked at
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


async def gone(processes: list[psutil.Process]) -> float:
    """Wait until none of `processes` is left, and return the seconds that took."""
    started = time.monotonic()
    with anyio.fail_after(STOPPED_S):
        while any(map(lives, processes)):
            await anyio.sleep(0.01)
    return time.monotonic() - started


async def cancelled_at(client: Client, server: int, word: str) -> str:
    """Start a run, cancel the call when `word` is told, and return the run when its processes are gone."""
    heard, working = Heard(), list[psutil.Process]()
    async with anyio.create_task_group() as group:
        group.start_soon(heard.call, client, request())
        await heard.wait_for(word)
        working += below(server)
        assert working
        group.cancel_scope.cancel()
    await gone(working)
    (found,) = (await client.call_tool("runs", {"limit": 1})).structured_content["runs"]
    assert found["status"] == "interrupted"
    return str(found["run"])


def result_of(answer: dict[str, Any]) -> Any:
    """What a run came to, without its name, and without what was timed."""
    attempts = [
        (each["levers"], each["verdict"], each["size_ratio"], each["fidelity_db"]) for each in answer["attempts"]
    ]
    return answer["status"], attempts, answer["delivered"], answer["comparison"]["optimized_size"]["value"]


def test_a_run_is_told_stopped_and_gone_on_with(small: Path, home: Path, monkeypatch: pytest.MonkeyPatch):
    async def work() -> None:
        async with connected("stdio", "legacy", small) as (client, server):
            run = await cancelled_at(client, server, "quantize")
            heard = Heard()
            resumed = await client.call_tool("resume", {"run": run}, progress_callback=heard)
            assert not resumed.is_error, text_of(resumed)
            assert resumed.structured_content["run"] == run
            assert heard.done == sorted(set(heard.done))
            assert any("goes on" in line for line in heard.lines)
            folder = small / resumed.structured_content["folder"]
            assert json.loads((folder / "report.json").read_text())["run"] == run
            product = f"shipfit://runs/{run}/product/model.onnx"
            assert (await client.read_resource(product)).contents[0].mime_type == "application/octet-stream"
            found.append((result_of(resumed.structured_content), (folder / "model.onnx").read_bytes()))

    async def without_stopping() -> None:
        async with stdio(small) as client:
            whole = await client.call_tool("optimize", request())
            folder = small / whole.structured_content["folder"]
            found.append((result_of(whole.structured_content), (folder / "model.onnx").read_bytes()))

    found: list[Any] = []
    anyio.run(work)
    monkeypatch.setenv("SHIPFIT_HOME", str(home.parent / "another"))
    anyio.run(without_stopping)
    assert found[0] == found[1]
    assert found[0][0][0] == "met"


@pytest.mark.parametrize(("transport", "mode"), [("stdio", "2026-07-28"), ("http", "legacy"), ("http", "2026-07-28")])
def test_a_run_stops_with_its_call(transport: str, mode: str, small: Path):
    async def work() -> None:
        async with connected(transport, mode, small) as (client, server):
            assert await cancelled_at(client, server, "profile")

    anyio.run(work)


@pytest.mark.parametrize(
    ("mode", "answers", "actions"),
    [
        ("2026-07-28", ("qwertz", "max_attempts 2", "stop"), ["edit", "stop"]),
        ("legacy", ("qwertz", "stop"), ["stop"]),
    ],
)
def test_a_person_is_asked_in_a_form(mode: str, answers: tuple[str, ...], actions: list[str], small: Path):
    asked: list[str] = []

    async def person(_context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"answer": answers[len(asked) - 1]})

    async def work() -> None:
        async with connected("http", mode, small, elicitation_callback=person) as (client, _):
            result = await client.call_tool("optimize", request(approve=True))
            assert not result.is_error, text_of(result)
            run = result.structured_content["run"]
            report = (await client.call_tool("report", {"run": run, "parts": ["decisions"]})).structured_content
            assert [each["action"] for each in report["parts"]["decisions"]] == actions
            assert report["status"] == "rolled_back"

    anyio.run(work)
    assert len(asked) == len(answers)
    assert asked[0].startswith("Shall this be tried?")
    assert asked[1].startswith("'qwertz' is no answer")


def test_who_cannot_ask_answers_by_a_tool(small: Path):
    async def work() -> None:
        async with stdio(small) as client:
            first = (await client.call_tool("optimize", request(approve=True))).structured_content
            assert first["status"] == "waiting"
            assert first["question"]["about"] == "plan"
            wrong = await client.call_tool("answer", {"run": first["run"], "answer": "qwertz"})
            assert wrong.is_error
            again = (await client.call_tool("resume", {"run": first["run"]})).structured_content
            assert again["question"] == first["question"]
            last = (await client.call_tool("answer", {"run": first["run"], "answer": "stop"})).structured_content
            assert last["status"] == "rolled_back"

    anyio.run(work)


def test_a_run_goes_on_without_its_call_and_is_stopped_by_a_tool(small: Path):
    async def work() -> None:
        async with connected("stdio", "2026-07-28", small) as (client, server):
            with measuring_lock():  # so that the run cannot end meanwhile
                started = (await client.call_tool("optimize", request(wait_s=0.5))).structured_content
                assert started["status"] == "running"
                read = await client.call_tool("understand", {"words": "half the size"})
                assert read.structured_content["constraints"] == {"max_size_ratio": 0.5}
                async with stdio(small) as other:  # a second server of the same workspace
                    taken = await other.call_tool("resume", {"run": started["run"]})
                    assert "being worked on by process" in text_of(taken)
            inspected = await client.call_tool("inspect", {"model": "mlp.onnx"})
            assert inspected.structured_content["parameters"] > 0
            if not (stopped := await client.call_tool("cancel", {"run": started["run"]})).is_error:
                assert stopped.structured_content["status"] == "interrupted"
                await gone(below(server))

    anyio.run(work)


def test_a_server_that_is_killed_leaves_nothing_but_a_run_to_go_on_with(small: Path):
    async def work() -> None:
        heard = Heard()
        with http_server(small) as (address, token, process):
            async with over_http(address, token) as client, anyio.create_task_group() as group:
                group.start_soon(heard.call, client, request())
                await heard.wait_for("profile")
                working = below(process.pid)
                os.kill(process.pid, signal.SIGKILL)
                await gone(working)
                group.cancel_scope.cancel()
        async with stdio(small) as client:
            (found,) = (await client.call_tool("runs", {})).structured_content["runs"]
            assert found["status"] == "interrupted"

    anyio.run(work)


def test_a_process_that_dies_is_one_line_and_the_server_goes_on(small: Path):
    async def work() -> None:
        async with connected("stdio", "2026-07-28", small) as (client, server):
            heard = Heard()
            async with anyio.create_task_group() as group:
                group.start_soon(heard.call, client, request())
                await heard.wait_for("profile")
                below(server)[0].kill()
            assert heard.answers[0].is_error
            assert "SIGKILL" in text_of(heard.answers[0])
            (run,) = (await client.call_tool("runs", {})).structured_content["runs"]
            assert run["run"] in text_of(heard.answers[0])
            assert run["status"] == "interrupted"
            assert not (await client.call_tool("check", {"model": "mlp.onnx"})).is_error

    anyio.run(work)
