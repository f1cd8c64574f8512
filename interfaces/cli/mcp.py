"""`shipfit mcp`: serve other agents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from . import options as opt


def mcp(
    http: Annotated[
        bool,
        typer.Option(
            "--http", help="Serve over streamable HTTP with a token, instead of over stdio.", show_default=False
        ),
    ] = False,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="ADDRESS", help="With --http. (default: 127.0.0.1)", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=0, max=65535, metavar="N", help="With --http; 0: any. (default: 8766)", show_default=False
        ),
    ] = None,
    workspace: Annotated[
        str,
        typer.Option("--workspace", metavar="DIR", help="All paths are confined to it; products appear in it."),
    ] = ".",
    llm: opt.Llm = None,
    llm_required: opt.LlmRequired = None,
) -> int:
    """Offer optimize, inspect, benchmark and more to other agents over the Model Context Protocol."""
    from ...contracts import LanguageModelSettings, RequestError, validate
    from .paths import absolute

    if not http and (host is not None or port is not None):
        raise RequestError(f"--{'host' if host is not None else 'port'} belongs to --http; give it too, or drop it")
    given: dict[str, Any] = {"name": llm, "required": llm_required}
    asked = {name: value for name, value in given.items() if value is not None}
    validate(LanguageModelSettings, asked, "--llm")
    folder = absolute(workspace, "--workspace")
    if not folder.is_dir():
        raise RequestError(f"--workspace {workspace[:80]!r} is no folder; make it, or give another")
    _check_extra()
    return _serve(folder, asked, (host or "127.0.0.1", 8766 if port is None else port) if http else None)


def _check_extra() -> None:
    from importlib.util import find_spec

    from ...contracts import RequestError

    if find_spec("mcp") is None:
        raise RequestError('the MCP server needs mcp; install it with: pip install "shipfit[mcp]"')


def _serve(folder: Path, llm: dict[str, Any], address: tuple[str, int] | None) -> int:
    from ..mcp.server import build
    from ..workspace import Workspace

    server = build(Workspace(folder), llm)
    if address is None:
        from ..mcp.stdio import serve_stdio

        return serve_stdio(server)
    from ..mcp.http import serve_http

    return serve_http(server, *address)
