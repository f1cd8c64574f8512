"""The door of the web chat: every request passes it, and every answer carries its headers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from ..pages import content_digest
from .pages import page_style

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .access import Access, Refusal

TOKEN = "token"
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'sha256-{style}'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
CLOSED = "open the link that `shipfit chat --web` printed; it carries the token"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">{refresh}
<title>shipfit: closed</title></head>
<body><main><h1>This page is closed</h1>
<p>Open the link that <code>shipfit chat --web</code> printed: it carries the token.
A server that was started anew has a new link.</p></main></body></html>
"""
# A link that is clicked on another site brings no strict cookie, also not after our own redirect; asking once more
# from a page of ours does.
_AGAIN = '<meta http-equiv="refresh" content="0;url=/">'


@cache
def headers_of_all() -> dict[str, str]:
    """Return the headers of every answer; the style of the page is the only one that may apply."""
    return {"Content-Security-Policy": _POLICY.format(style=content_digest(page_style())), **_HEADERS}


class Gate:
    """Lets in who has the token and turns away everything that another site may have sent.

    The token in the link is exchanged for a cookie that scripts cannot read and other sites cannot send, and the
    browser is sent on to an address without it, so that it stays in no history and no referrer.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or have the application answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            answer = self._answer(scope) or self._app
            await answer(scope, receive, _with_headers(send))

    def _answer(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        method, path = str(scope["method"]), str(scope["path"])
        carried = self._carried(scope) if method in ("GET", "HEAD") and path == "/" else None
        if not self._access.admits(carried) and not self._access.admits(self._kept(headers)):
            return _closed(path, headers)
        if refusal := self._access.refusal(method, path, headers):
            return refused(refusal)
        return self._welcome() if carried is not None and self._access.admits(carried) else None

    def _carried(self, scope: Scope) -> str | None:
        query = bytes(scope["query_string"]).decode("latin-1")
        return parse_qs(query, max_num_fields=8).get(TOKEN, [None])[-1] if query.count("&") < 8 else None

    def _kept(self, headers: Headers) -> str | None:
        return cookie_parser(headers.get("cookie", "")).get(self._access.cookie)

    def _welcome(self) -> Response:
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(self._access.cookie, self._access.token, httponly=True, samesite="strict", path="/")
        return response


def _closed(path: str, headers: Headers) -> Response:
    if path != "/" or "text/html" not in headers.get("accept", ""):
        return JSONResponse({"error": CLOSED}, status_code=401)
    refresh = _AGAIN if headers.get("sec-fetch-site") in ("cross-site", "same-site") else ""
    return HTMLResponse(_PAGE.format(refresh=refresh), status_code=401)


def refused(refusal: Refusal) -> Response:
    """Return a refusal as a document of one line."""
    return JSONResponse({"error": refusal.text}, status_code=int(refusal.status))


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in headers_of_all().items():
                headers[name] = value
        await send(message)

    return with_headers
