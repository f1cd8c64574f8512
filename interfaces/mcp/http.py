"""Serve clients over streamable HTTP: loopback by default, and nobody without the token."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from ...contracts import RequestError
from ..cli.console import say
from ..network import address_of, is_loopback, is_own_name, is_same, listening, new_token
from .context import Shop
from .desk import TOKEN_VARIABLE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/mcp"
MAX_BODY_BYTES = 4 * 2**20
_SHORTEST_TOKEN = 16
# Answers on their way; a run that is being worked on is stopped, and can be resumed.
_LAST_WORDS_S = 1


class Guard:
    """Lets in who holds the token and speaks to this server by a name of its own, from no page of another site."""

    def __init__(self, app: ASGIApp, host: str, token: str) -> None:
        self._app = app
        self._host = host
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or have the application answer it."""
        refused = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        if not is_own_name(headers.get("host", ""), self._host):
            return _refused(421, "this server does not answer to that name")
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{headers['host']}":
            return _refused(403, "a page of another site asked for this")
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_same(given.strip(), self._token):
            return _refused(401, "give the token: Authorization: Bearer …")
        return None


def _refused(status: int, text: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": text}, status_code=status, headers=headers)


def serve_http(server: Server[Shop], host: str, port: int) -> int:
    """Serve until stopped; prints address and token as soon as it can be spoken to. Returns the exit status.

    Raises:
        RequestError: the port is in use, the address is none, or the token of the environment is too weak.
    """
    token = _token()
    with listening(host, port) as listener:
        where = address_of(host, listener.getsockname()[1]) + PATH
        if not is_loopback(host):
            say("note: whoever sees the traffic of this address can read along; a tunnel keeps it private")
        sys.stdout.write(f"{where}\n" + (f"token {token}\n" if TOKEN_VARIABLE not in os.environ else ""))
        sys.stdout.flush()
        _run(server, host, token, listener)
    return 0


def _token() -> str:
    given = os.environ.get(TOKEN_VARIABLE)
    if given is None:
        return new_token()
    if len(given) < _SHORTEST_TOKEN or not given.isascii() or not given.isprintable() or " " in given:
        raise RequestError(
            f"{TOKEN_VARIABLE} is no token: give {_SHORTEST_TOKEN} or more ASCII characters without spaces, or unset it"
        )
    return given


def _run(server: Server[Shop], host: str, token: str, listener: socket.socket) -> None:
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=MAX_BODY_BYTES,
        # The guard checks names and origins, for every path and before anything is read.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    # No access log, and what the libraries warn of goes to stderr.
    config = uvicorn.Config(
        Guard(app, host, token),
        ws="none",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        timeout_graceful_shutdown=_LAST_WORDS_S,
    )
    uvicorn.Server(config).run(sockets=[listener])
