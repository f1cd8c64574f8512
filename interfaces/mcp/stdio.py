"""Serve one client over standard input and output, which carry nothing but the protocol."""

from __future__ import annotations

import os
import signal
import sys

import anyio
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server

from .context import Shop

_INTERRUPTED = 130


def serve_stdio(server: Server[Shop]) -> int:
    """Serve until the client closes standard input, or a signal comes; returns the exit status."""
    anyio.run(_serve, server)
    return 0


async def _serve(server: Server[Shop]) -> None:
    # The library points descriptor 1 at stderr while it serves: what anything prints, in C too, misses the protocol.
    async with stdio_server() as (read, write), anyio.create_task_group() as group:
        group.start_soon(_end_on_signal, group.cancel_scope)
        try:
            await server.run(read, write, server.create_initialization_options())
        finally:
            if group.cancel_scope.cancel_called:
                _leave()
        group.cancel_scope.cancel()


async def _end_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


def _leave() -> None:
    """Leave at once, all work being stopped: a thread waits for standard input, and for nothing less than its end."""
    sys.stderr.flush()
    os._exit(_INTERRUPTED)
