"""What is on the wire, and how a server ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_nothing_but_the_protocol_is_on_stdout(small: Path):
    """Raw lines, as a client reads them: a bad file, a long line, and the end of standard input."""
    calls = [
        ("check", {"model": "mlp.npz"}),
        ("inspect", {"model": "mlp.onnx"}),
        ("understand", {"words": "x" * 2**20}),
    ]
    messages: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ]  # fmt: skip
    messages += [
        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls, start=2)
    ]
    lines = "".join(json.dumps(message) + "\n" for message in messages)
    command = [sys.executable, "-m", "shipfit", "mcp", "--workspace", str(small)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as it:
        assert it.stdin is not None
        assert it.stdout is not None
        it.stdin.write(lines + "this is no JSON\n")
        it.stdin.flush()
        heard = [json.loads(it.stdout.readline()) for _ in range(4)]
        it.stdin.close()
        assert it.stdout.read() == ""
    assert it.returncode == 0
    answers = {message["id"]: message["result"] for message in heard}
    assert answers[2]["isError"]
    assert answers[4]["isError"]
    assert answers[3]["structuredContent"]["parameters"] > 0


@pytest.mark.parametrize("arguments", [(), ("--http", "--port", "0")])
def test_a_signal_ends_the_server(arguments: tuple[str, ...], small: Path):
    command = [sys.executable, "-m", "shipfit", "mcp", "--workspace", str(small), *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as it:
        assert it.stdin is not None
        assert it.stdout is not None
        if not arguments:
            it.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
            it.stdin.flush()
        it.stdout.readline()
        it.terminate()
        assert it.wait(60) == 130
