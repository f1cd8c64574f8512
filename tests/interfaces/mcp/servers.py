"""Real MCP servers, and the protocol's own client to speak to them with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

MODES = ("2026-07-28", "legacy")
_COMMAND = ("-m", "shipfit", "mcp")


def stdio(workspace: Path, mode: str = "2026-07-28", **options: Any) -> Client:
    """A client of a child process that serves `workspace`."""
    environment = {name: value for name, value in os.environ.items() if name.startswith(("SHIPFIT", "PYTHON"))}
    command = StdioServerParameters(
        command=sys.executable, args=[*_COMMAND, "--workspace", str(workspace)], env=environment
    )
    return Client(command, mode=mode, **options)


@contextmanager
def http_server(
    workspace: Path, *arguments: str, **environment: str
) -> Generator[tuple[str, str, subprocess.Popen[str]]]:
    """A server over HTTP on a port of its own: address, token and process."""
    command = [sys.executable, *_COMMAND, "--http", "--port", "0", "--workspace", str(workspace), *arguments]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            token = environment.get("SHIPFIT_MCP_TOKEN") or process.stdout.readline().split()[-1]
            yield address, token, process
        finally:
            process.terminate()


@asynccontextmanager
async def over_http(address: str, token: str, mode: str = "2026-07-28", **options: Any) -> AsyncGenerator[Client]:
    """A client with a token."""
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(address, http_client=http), mode=mode, **options) as client,
    ):
        yield client


def text_of(result: Any) -> str:
    """The text that the client's language model would read."""
    return str(result.content[0].text)
