"""Tools, resources and errors, through the protocol's own client and a server in this process."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import jsonschema
import pytest
from mcp import Client, MCPError

from shipfit.contracts import RequestError, load_settings
from shipfit.interfaces.mcp.catalog import CATALOG
from shipfit.interfaces.mcp.server import DATA, build
from shipfit.interfaces.workspace import Workspace
from shipfit.memory.ledger import Ledger

from .. import responses
from .servers import MODES, text_of

MEGABYTE = 2**20


@pytest.fixture
def workspace(home: Path) -> Path:
    return Path.cwd()


def ask(workspace: Path, work: Callable[[Client], Awaitable[None]], mode: str = MODES[0]) -> None:
    """Have a client of a fresh server do `work`."""

    async def run() -> None:
        async with Client(build(Workspace(workspace), {}), mode=mode) as client:
            await work(client)

    anyio.run(run)


def enter_run(workspace: Path, model: str = "digits.onnx") -> str:
    """A finished run of the workspace's model, as a run leaves it in the ledger and on the disk."""
    with Ledger(load_settings().ledger) as ledger:
        out = workspace / "shipfit-out" / "digits-1"
        request = responses.response().request.model_copy(update={"model": str(workspace / model), "data": None})
        run = ledger.runs.create(request, out).id
        response = responses.response(request=request).model_copy(update={"run": run})
        ledger.runs.finish(run, response.status, response, 41.0)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(b"\x08weights")
    (out / "report.json").write_text("{}")
    return run


def test_every_tool_says_what_it_takes_and_answers(workspace: Path):
    async def work(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == [entry.name for entry in CATALOG]
        for tool in tools:
            for schema in (tool.input_schema, tool.output_schema):
                assert schema is not None
                jsonschema.Draft202012Validator.check_schema(schema)
                assert schema["type"] == "object"
            assert tool.input_schema["additionalProperties"] is False
            assert tool.description
            assert tool.annotations
        assert {tool.name for tool in tools if not (tool.annotations and tool.annotations.read_only_hint)} == {
            "optimize", "resume", "answer", "cancel",
        }  # fmt: skip

    ask(workspace, work, "legacy")


def test_a_finished_run_is_listed_reported_and_read(workspace: Path):
    run = enter_run(workspace)

    async def work(client: Client) -> None:
        found = (await client.call_tool("runs", {})).structured_content
        assert found["runs"][0]["run"] == run
        assert found["runs"][0]["folder"] == "shipfit-out/digits-1"
        result = await client.call_tool("report", {"run": run[:12], "parts": ["effort"]})
        assert not result.is_error
        assert text_of(result).startswith(DATA)
        assert json.loads(text_of(result).removeprefix(DATA)) == result.structured_content
        assert result.structured_content["parts"]["effort"]["attempts"] >= 0
        resources = result.structured_content["resources"]
        assert f"shipfit://runs/{run}/product/model.onnx" in resources
        for uri in resources:
            content = (await client.read_resource(uri)).contents[0]
            assert getattr(content, "text", None) is not None or getattr(content, "blob", None)
        page = (await client.read_resource(f"shipfit://runs/{run}/report.html")).contents[0]
        assert page.mime_type == "text/html"
        listed = [resource.uri for resource in (await client.list_resources()).resources]
        assert f"shipfit://runs/{run}/report.html" in listed
        again = await client.call_tool("resume", {"run": run})  # over already: what it came to
        assert again.structured_content["status"] == result.structured_content["status"]

    ask(workspace, work)


def test_every_run_of_the_workspace_is_listed_part_by_part(workspace: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shipfit.memory.runs._AT_ONCE", 2)
    other = workspace.parent / "other"
    other.mkdir()
    entered: list[str] = []
    for number in range(5):
        entered.insert(0, enter_run(workspace))
        if number % 2:
            enter_run(other)

    async def work(client: Client) -> None:
        found: list[str] = []
        asked: dict[str, object] = {"limit": 2}
        for _ in range(3):
            answer = (await client.call_tool("runs", asked)).structured_content
            found += [each["run"] for each in answer["runs"]]
            asked["before"] = answer.get("older")
        assert found == entered
        assert asked["before"] is None
        assert (await client.call_tool("runs", {"before": entered[-1]})).structured_content["runs"] == []
        assert "no run" in text_of(await client.call_tool("runs", {"before": "1999"}))

    ask(workspace, work)


def test_runs_of_elsewhere_do_not_exist_here(workspace: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "digits.onnx").write_bytes(b"a model of somebody else's")
    run = enter_run(other)

    async def work(client: Client) -> None:
        assert (await client.call_tool("runs", {})).structured_content["runs"] == []
        for tool in ("report", "explain", "resume", "cancel"):
            result = await client.call_tool(tool, {"run": run})
            assert result.is_error
            assert "no run" in text_of(result)
        for uri in (f"shipfit://runs/{run}/report.json", f"shipfit://runs/{run}/trail.jsonl"):
            with pytest.raises(MCPError, match="no run"):
                await client.read_resource(uri)

    ask(workspace, work)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("optimize", {"model": "../digits.onnx"}, "leads out of the workspace"),
    ("optimize", {"model": "/etc/passwd"}, "outside the workspace"),
    ("optimize", {"model": "package.module:factory"}, "would run code"),
    ("optimize", {"model": "digits.onnx", "data": "module:callable"}, "would run code"),
    ("optimize", {"model": "digits.onnx", "metric": "module:function"}, "would run code"),
    ("optimize", {"model": "digits.onnx", "preprocess": {"tokenizer": "/etc/passwd"}}, "outside the workspace"),
    ("optimize", {"model": "missing.onnx"}, "not in the workspace"),
    ("optimize", {"model": "digits.onnx", "words": "x" * MEGABYTE}, "words: String should have at most"),
    ("optimize", {"model": "digits.onnx", "llm": {"name": "a/b"}}, "llm: Extra inputs"),
    ("optimize", {"model": "digits.onnx", "out": "/tmp"}, "out: Extra inputs"),
    ("optimize", {"model": "digits.onnx", "constraints": {"max_size_ratio": -1}}, "constraints.max_size_ratio"),
    ("optimize", {}, "model: Field required"),
    ("benchmark", {"original": "digits.onnx", "candidate": "../b.onnx"}, "candidate: '../b.onnx' leads out"),
    ("report", {"run": "20010101-000000-beef"}, "no run '20010101-000000-beef' in this workspace"),
    ("report", {"run": "\x1b[31m\u202e" + "y" * 90}, "no run '\\\\x1b[31m\\\\u202eyyy"),
    ("answer", {"run": "20010101-000000-beef", "answer": "go"}, "no run"),
    ("cancel", {"run": "2001"}, "no run"),
    ("what_if", {"run": "2001", "changes": {}}, "nothing is changed"),
]  # fmt: skip


def test_what_is_wrong_is_one_line_and_everything_else_goes_on(workspace: Path):
    (workspace / "link.onnx").symlink_to("/etc/passwd")

    async def work(client: Client) -> None:
        for tool, arguments, words in [*WRONG, ("optimize", {"model": "link.onnx"}, "is reached by a link")]:
            result = await client.call_tool(tool, arguments)
            assert result.is_error, (tool, arguments)
            told = text_of(result)
            assert words in told
            assert "\n" not in told
            assert len(told) < 1100
            assert "Traceback" not in told
        with pytest.raises(MCPError, match="no tool 'rm'"):
            await client.call_tool("rm", {})
        for uri in ("shipfit://runs/x/../../etc/passwd", "file:///etc/passwd", "shipfit://runs/2001/report.json"):
            with pytest.raises(MCPError):
                await client.read_resource(uri)
        assert not (await client.call_tool("runs", {})).is_error

    ask(workspace, work)


def test_a_product_is_named_by_its_own_files_only(workspace: Path):
    run = enter_run(workspace)
    (workspace / "shipfit-out" / "digits-1" / "passwd").symlink_to("/etc/passwd")

    async def work(client: Client) -> None:
        for name in ("passwd", "../digits-1/model.onnx", "%2e%2e/digits-1/model.onnx", "/etc/passwd", "missing"):
            with pytest.raises(MCPError, match="no resource"):
                await client.read_resource(f"shipfit://runs/{run}/product/{name}")

    ask(workspace, work)


def test_a_fault_is_saved_and_told_on_one_line(workspace: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("never meant to happen")

    monkeypatch.setattr("shipfit.interfaces.mcp.tools_past._runs", fail)

    async def work(client: Client) -> None:
        result = await client.call_tool("runs", {})
        assert result.is_error
        assert text_of(result).startswith("this is a fault of shipfit (ZeroDivisionError; traceback: ")
        assert "never meant" not in text_of(result)

    ask(workspace, work)


def test_more_runs_than_are_worked_on_at_once_are_refused(workspace: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shipfit.interfaces.mcp.desk.MAX_RUNS", 0)

    async def work(client: Client) -> None:
        result = await client.call_tool("optimize", {"model": "digits.onnx"})
        assert text_of(result).startswith("0 runs are being worked on; wait for one")

    ask(workspace, work)


def test_products_are_not_written_through_a_link(workspace: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (workspace / "shipfit-out").symlink_to(tmp_path / "elsewhere")

    async def work(client: Client) -> None:
        result = await client.call_tool("optimize", {"model": "digits.onnx"})
        assert "is a link" in text_of(result)

    ask(workspace, work)


def test_a_workspace_must_be_one(tmp_path: Path, shipfit: Callable[..., Any]):
    answer = shipfit("mcp", "--workspace", str(tmp_path / "missing"))
    assert answer.status == 2
    assert "is no folder" in answer.error
    assert shipfit("mcp", "--port", "1").status == 2
    assert "--http" in shipfit("mcp", "--host", "::1").error


def test_without_the_extra_it_is_named(shipfit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    answer = shipfit("mcp")
    assert answer.status == 2
    assert answer.error == 'error: the MCP server needs mcp; install it with: pip install "shipfit[mcp]"'


def test_a_port_in_use_and_a_weak_token_are_told(shipfit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    from shipfit.interfaces.network import listening

    with listening("127.0.0.1", 0) as listener:
        port = str(listener.getsockname()[1])
        answer = shipfit("mcp", "--http", "--port", port)
    assert answer.status == 2
    assert answer.error == f"error: port {port} is in use; give another with --port, or --port 0 for any that is free"
    monkeypatch.setenv("SHIPFIT_MCP_TOKEN", "short")
    assert "SHIPFIT_MCP_TOKEN is no token" in shipfit("mcp", "--http", "--port", "0").error


def test_no_address_is_told():
    from shipfit.interfaces.network import listening

    with pytest.raises(RequestError, match="--host"), listening("no.such.host.invalid", 0):
        pass
