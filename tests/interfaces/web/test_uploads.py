"""What is sent to the server: kept where it belongs, bounded, whole or not at all."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import MachineError, OptimizationError, RequestError, Settings
from shipfit.interfaces.web import uploads
from shipfit.interfaces.web.files import Files
from shipfit.interfaces.web.uploads import TooLarge, Uploads
from shipfit.interfaces.workspace import Workspace

BATCH = "0123456789abcdef"


async def in_chunks(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def send(place: Uploads, name: str, content: bytes, declared: int | None = None, batch: str = BATCH) -> Path:
    return asyncio.run(place.take(batch, name, declared, in_chunks(content)))


def everything(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def place(workspace: Workspace) -> Uploads:
    return Uploads(workspace, "uploads", max_bytes=10_000, max_files=3)


def test_a_file_arrives_whole(place: Uploads, workspace: Workspace):
    path = send(place, "net.onnx", b"x" * 9999)
    assert path == workspace.root / "uploads" / BATCH / "net.onnx"
    assert path.read_bytes() == b"x" * 9999
    assert everything(workspace.root) == ["net.onnx"]


@pytest.mark.parametrize("declared", [None, 5, 20_000])
def test_what_is_too_large_is_refused_whatever_was_announced(
    place: Uploads, workspace: Workspace, declared: int | None
):
    with pytest.raises(TooLarge, match="larger than"):
        send(place, "net.onnx", b"x" * 20_000, declared)
    assert everything(workspace.root) == []


@pytest.mark.parametrize(
    ("name", "content", "batch", "why"),
    [
        ("net.onnx", b"", BATCH, "empty"),
        ("net.exe", b"x", BATCH, "neither a model nor data"),
        ("net.pt", b"x", BATCH, "neither a model nor data"),
        ("net", b"x", BATCH, "neither a model nor data"),
        ("net.onnx", b"x", "../../x", "no batch"),
        ("net.onnx", b"x", "", "no batch"),
    ],
)
def test_what_is_of_no_use_is_refused(
    place: Uploads, workspace: Workspace, name: str, content: bytes, batch: str, why: str
):
    with pytest.raises(RequestError, match=why):
        send(place, name, content, batch=batch)
    assert everything(workspace.root) == []


def test_nothing_is_replaced(place: Uploads):
    send(place, "net.onnx", b"first")
    with pytest.raises(RequestError, match="sent with these already"):
        send(place, "net.onnx", b"second")
    other = send(place, "net.onnx", b"second", batch="other012345")
    assert other.read_bytes() == b"second"


def test_files_are_counted(place: Uploads):
    for number in range(3):
        send(place, f"{number}.npz", b"x")
    with pytest.raises(RequestError, match="3 files were sent already"):
        send(place, "more.npz", b"x")


def test_a_full_disk_is_told_before_it_is_full(place: Uploads, workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uploads, "RESERVE_BYTES", 10**18)
    with pytest.raises(MachineError, match="too full"):
        send(place, "net.onnx", b"x")
    assert everything(workspace.root) == []


def test_a_line_that_is_lost_leaves_nothing(place: Uploads, workspace: Workspace):
    async def lost() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionError

    with pytest.raises(OptimizationError):
        asyncio.run(place.take(BATCH, "net.onnx", None, lost()))
    assert everything(workspace.root) == []


def test_a_folder_that_leads_elsewhere_is_not_used(place: Uploads, workspace: Workspace, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (workspace.root / "uploads").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RequestError, match="link"):
        send(place, "net.onnx", b"x")
    assert everything(tmp_path / "elsewhere") == []


@settings(max_examples=25)
@given(st.text(max_size=300), st.sampled_from([".onnx", ".npz", ".ONNX"]))
def test_any_name_stays_in_its_folder(stem: str, suffix: str):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        try:
            path = send(Uploads(Workspace(root), "uploads", 100), f"{stem}{suffix}", b"x")
        except RequestError:
            assert everything(root) == []
            return
        assert path.parent == root / "uploads" / BATCH
        assert path.suffix == suffix
        assert path.name.isprintable()


def test_choices_are_models_and_data_and_nothing_hidden(workspace: Workspace, tmp_path: Path):
    hidden = (".hidden/d.onnx", ".shipfit/e.onnx", "shipfit-out/run/trail.jsonl")
    for name in ("a.onnx", "sub/b.pt2", "c.npz", "notes.md", *hidden):
        (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / name).write_bytes(b"x")
    (tmp_path / "secret.onnx").write_bytes(b"x")
    (workspace.root / "link.onnx").symlink_to(tmp_path / "secret.onnx")
    choices = Files(workspace, Settings(home=tmp_path / "home")).choices()
    assert {item["path"] for item in choices["models"]} == {"a.onnx", "sub/b.pt2"}
    assert [item["path"] for item in choices["data"]] == ["c.npz"]


@pytest.mark.slow
def test_what_is_no_model_is_told_and_not_kept(workspace: Workspace, tmp_path: Path, mlp_model: Path):
    files = Files(workspace, Settings(home=tmp_path / "home"))
    with pytest.raises(OptimizationError, match=r"net\.onnx"):
        asyncio.run(files.receive(BATCH, "net.onnx", None, in_chunks(b"this is no model" * 50)))
    assert everything(workspace.root) == []
    found = asyncio.run(files.receive(BATCH, "net.onnx", None, in_chunks(mlp_model.read_bytes())))
    assert found["kind"] == "model"
    assert "parameters" in found["about"]
