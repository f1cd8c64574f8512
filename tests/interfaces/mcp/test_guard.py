"""The door of the HTTP server: token, names, origins, and how much is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, strategies as st

from shipfit.interfaces.mcp.http import MAX_BODY_BYTES, PATH, Guard
from shipfit.interfaces.mcp.server import build
from shipfit.interfaces.workspace import Workspace

TOKEN = "a-token-of-27-characters-ok"


def asked(app: Any, headers: dict[str, str], path: str = PATH, body: bytes = b"") -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers that an application answers to a POST."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
    }

    async def run() -> None:
        await app(scope, receive, send)

    anyio.run(run)
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]), answered


async def inside(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


GUARD = Guard(inside, "127.0.0.1", TOKEN)
GOOD = {"Host": "127.0.0.1:8766", "Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("path", [PATH, "/", "/other"])
def test_who_holds_the_token_is_let_in(path: str):
    assert asked(GUARD, GOOD, path)[0] == 200
    assert asked(GUARD, {**GOOD, "Authorization": f"bearer {TOKEN}", "Origin": "http://127.0.0.1:8766"}, path)[0] == 200


@pytest.mark.parametrize("path", [PATH, "/", "/other"])
@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Host": "evil.example:8766"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1:8766"}, 403),
    ],
)
def test_everybody_else_is_not(path: str, changed: dict[str, str], status: int):
    answered, body, headers = asked(GUARD, {**GOOD, **changed}, path)
    assert answered == status
    assert body != b"in"
    assert json.loads(body)["error"]
    assert ("www-authenticate" in headers) == (status == 401)


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60))
def test_no_other_token_opens(given: str):
    if given.strip() != TOKEN:
        assert asked(GUARD, {**GOOD, "Authorization": f"Bearer {given}"})[0] == 401


def test_a_body_that_is_too_large_is_refused(home: Path):
    app = build(Workspace(Path.cwd()), {}).streamable_http_app(
        streamable_http_path=PATH, max_request_body_size=MAX_BODY_BYTES
    )
    status, body, _ = asked(app, {**GOOD, "Content-Type": "application/json"}, body=b"x" * (MAX_BODY_BYTES + 1))
    assert (status, body) == (413, b"Request body too large")
