"""A cluster that cannot be used is told in one line, before anything is begun."""

from __future__ import annotations

import http.server
import importlib.util
import threading
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import MachineError, RequestError
from shipfit.tools.cluster import link
from shipfit.tools.cluster.connect import open_cluster


def test_nothing_listens(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"no Ray cluster at 127\.0\.0\.1:1: Connection refused"):
        open_cluster("127.0.0.1:1", None, tmp_path).__enter__()
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr("shipfit.tools.cluster.connect.find_spec", lambda name: None if name == "ray" else real(name))
    with pytest.raises(RequestError, match=r'pip install "shipfit\[ray\]"'):
        open_cluster("127.0.0.1:1", None, tmp_path).__enter__()


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_store_whose_library_is_missing(ray_address: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r'pip install "shipfit\[s3\]"'):
        open_cluster(ray_address, "s3://bucket/folder", tmp_path).__enter__()


@pytest.fixture
def ray_address() -> Any:
    """Something that listens and is no Ray."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_something_else_listens(ray_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CONNECT_S", 3.0)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    with pytest.raises(MachineError, match="no connection to a Ray cluster"):
        open_cluster(ray_address, None, tmp_path).__enter__()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_wrong_token_and_none_at_all(ray_nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "b" * 64)
    with pytest.raises(RequestError, match="refuses the token"):
        open_cluster(ray_nodes.address, None, tmp_path).__enter__()
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    with pytest.raises(RequestError, match="there is no token"):
        open_cluster(ray_nodes.address, None, tmp_path).__enter__()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_store_that_nodes_cannot_use(ray_nodes: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match=r"the store file:.*: Not a directory"):
        open_cluster(ray_nodes.address, f"file://{tmp_path}/file/store", tmp_path).__enter__()
