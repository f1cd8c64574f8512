"""A language model's server in the test process: real HTTP, answers by script.

It speaks OpenAI's chat completions (`/v1`), Ollama's chat (`/api/chat`) and Anthropic's messages (`/v1/messages`).
A script is a list of answers, each a text, or a function that does what it likes with the open connection; the last
one is repeated.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Provider:
    """What the server was asked, and what it is to answer."""

    script: list[str | Behaviour]
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    paths: list[str] = field(default_factory=list[str])
    keys: list[str] = field(default_factory=list[str])
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai(self) -> str:
        return f"{self.base}/v1"

    def next(self) -> str | Behaviour:
        with self.lock:
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


def completion(text: str | None, **message: Any) -> dict[str, Any]:
    """An answer of OpenAI's chat completions."""
    return {
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "scripted",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text, **message}}
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }  # fmt: skip


def send(handler: BaseHTTPRequestHandler, status: int, body: Any, **headers: str) -> None:
    """Answer with JSON, or with bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def failing(status: int, message: str = "no", **headers: str) -> Behaviour:
    """An error as OpenAI words it."""
    body = {"error": {"message": message, "type": "scripted", "code": None}}
    return lambda handler: send(handler, status, body, **headers)


def _answer(handler: BaseHTTPRequestHandler, text: str) -> None:
    if handler.path.endswith("/api/chat"):
        message = {"role": "assistant", "content": text}
        send(handler, 200, {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": True,
                            "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7})  # fmt: skip
    elif handler.path.endswith("/messages"):
        usage = {"input_tokens": 11, "output_tokens": 7}
        said = {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": usage}
        send(handler, 200, {"id": "m-1", "type": "message", "role": "assistant", "model": "m", **said})
    else:
        send(handler, 200, completion(text))


@contextmanager
def serve(*script: str | Behaviour, models: Sequence[str] = ("scripted",)) -> Generator[Provider]:
    """Yield a provider that answers by `script`, on a port of its own."""
    provider = Provider(list(script) or ["{}"])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.paths.append(self.path)
            provider.keys.append(self.headers.get("Authorization", ""))
            if self.path.endswith("/api/tags"):
                send(self, 200, {"models": [{"name": name} for name in models]})
            else:
                send(self, 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in models]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.endswith("/api/show"):
                # litellm's logging thread asks for the model's price whenever it gets to it: no part of the script.
                send(self, 404, {"error": "model not found"})
                return
            provider.paths.append(self.path)
            provider.keys.append(self.headers.get("Authorization", "") or self.headers.get("x-api-key", ""))
            provider.requests.append(json.loads(body) if body else {})
            said = provider.next()
            try:
                if callable(said):
                    said(self)
                else:
                    _answer(self, said)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: what was asked is in `requests`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.provider = provider  # type: ignore[attr-defined]
    provider.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# Ways in which a provider fails; each is a behaviour of one answer.


def slow(seconds: float) -> Behaviour:
    """Say nothing for a while, then answer."""

    def wait(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        send(handler, 200, completion("{}"))

    return wait


def dripping(seconds: float) -> Behaviour:
    """Send a byte now and then, so that no single read ever takes long."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)

    return drip


def truncated(handler: BaseHTTPRequestHandler) -> None:
    """Promise more than is sent, and hang up."""
    content = json.dumps(completion('{"word": "hi", "count": 3}')).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Cut the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def body(content: Any, **headers: str) -> Behaviour:
    """Answer 200 with whatever it is."""
    return lambda handler: send(handler, 200, content, **headers)


def packed(handler: BaseHTTPRequestHandler) -> None:
    """Send little that unpacks to much."""
    send(handler, 200, gzip.compress(b" " * 50_000_000), Content_Encoding="gzip")


def moved(to: str) -> Behaviour:
    """Send the client elsewhere."""
    return lambda handler: send(handler, 307, {}, Location=to)


def picky(answer: str) -> Behaviour:
    """Refuse a request with a schema, answer one without."""

    def judge(handler: BaseHTTPRequestHandler) -> None:
        asked: Provider = handler.server.provider  # type: ignore[attr-defined]
        if "response_format" in asked.requests[-1]:
            return send(handler, 400, {"error": {"message": "response_format is not supported", "type": "invalid"}})
        return send(handler, 200, completion(answer))

    return judge
