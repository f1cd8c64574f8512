"""URLs: what is fetched, and what no manifest may reach."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shipfit.contracts import ModelFileError
from shipfit.interfaces.batch.addresses import is_public
from shipfit.interfaces.batch.fetch import Fetcher

BODY = b"\x08\x07" + b"model" * 1000
Fetch = Callable[..., Path]


class Handler(BaseHTTPRequestHandler):
    asked: list[str] = []

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        Handler.asked.append(f"{self.command} {self.path}")
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        if self.path == "/missing.onnx":
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            if self.path == "/slow.onnx":
                for _ in range(100):
                    self.wfile.write(b"x" * 10)
                    self.wfile.flush()
                    time.sleep(0.05)
            self.wfile.write(BODY)
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    def call(url: str, sha256: str | None = None, *, max_bytes: int = 2**20, time_s: float = 20.0) -> Path:
        return Fetcher(tmp_path / "cache", max_bytes, time_s, allowed=lambda at: at == "127.0.0.1").fetch(url, sha256)

    return call


def test_a_model_is_fetched_once(site: str, fetch: Fetch):
    Handler.asked.clear()
    digest = hashlib.sha256(BODY).hexdigest()
    path = fetch(f"{site}/nets/m.onnx", digest.upper())
    assert path.name == "m.onnx"
    assert path.read_bytes() == BODY
    many = len(Handler.asked)
    assert fetch(f"{site}/nets/m.onnx", digest) == path
    assert len(Handler.asked) == many
    assert [each.name for each in path.parent.iterdir()] == ["m.onnx"]


def test_another_digest_is_refused_and_not_kept(site: str, fetch: Fetch, tmp_path: Path):
    with pytest.raises(ModelFileError, match="not what was meant"):
        fetch(f"{site}/m.onnx", "0" * 64)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    with pytest.raises(ModelFileError, match="no digest"):
        fetch(f"{site}/m.onnx", "abc")


def test_bounds_of_bytes_and_time(site: str, fetch: Fetch):
    with pytest.raises(ModelFileError, match="more than 1 kB"):
        fetch(f"{site}/m.onnx", max_bytes=1000)
    with pytest.raises(ModelFileError, match=r"longer than|cannot be fetched"):
        fetch(f"{site}/slow.onnx", time_s=1.0)


def test_nothing_there(site: str, fetch: Fetch):
    with pytest.raises(ModelFileError, match="there is nothing at"):
        fetch(f"{site}/missing.onnx")
    with pytest.raises(ModelFileError, match="cannot be fetched"):
        fetch("http://127.0.0.1:9/m.onnx")


def test_addresses_are_refused_by_default(site: str, tmp_path: Path):
    for url in (f"{site}/m.onnx", site.replace("127.0.0.1", "localhost") + "/m.onnx", "http://[::1]:1/m.onnx",
                "http://169.254.169.254/latest/meta-data/m.onnx", "http://10.0.0.1/m.onnx"):  # fmt: skip
        with pytest.raises(ModelFileError, match="not on the public internet"):
            Fetcher(tmp_path, 2**20, 5.0).fetch(url)
    for url in ("http://0/m.onnx", "http://2130706433/m.onnx", "http://0x7f.1/m.onnx"):  # other ways to write them
        with pytest.raises(ModelFileError, match=r"not on the public internet|cannot be fetched"):
            Fetcher(tmp_path, 2**20, 5.0).fetch(url)


def test_a_redirect_leads_no_further_than_its_start(site: str, fetch: Fetch):
    assert fetch(f"{site}/to/{site}/m.onnx").read_bytes() == BODY
    with pytest.raises(ModelFileError, match=r"127\.0\.0\.2, which is not on the public internet"):
        fetch(f"{site}/to/{site.replace('127.0.0.1', '127.0.0.2')}/m.onnx")
    with pytest.raises(ModelFileError, match="cannot be fetched"):
        fetch(f"{site}/to/file:///etc/passwd")


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "local:///x.onnx", "memory://x.onnx", "/etc/passwd", "simplecache::http://x.org/m.onnx",
     "zip://a.onnx::http://x.org/m.zip", "ftp://x.org/m.onnx", "http:///m.onnx", "reference://x", "data:,x"],
)  # fmt: skip
def test_other_places_are_refused_by_name(url: str, fetch: Fetch):
    with pytest.raises(ModelFileError, match=r"are fetched from|names no host"):
        fetch(url)


@pytest.mark.parametrize(
    ("address", "public"),
    [("93.184.216.34", True), ("2606:2800:220:1::", True), ("127.0.0.1", False), ("10.1.2.3", False),
     ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
     ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False),
     ("fe80::1%eth0", False), ("fc00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True),
     ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("name", False)],
)  # fmt: skip
def test_public_addresses(address: str, public: bool):
    assert is_public(address) is public
