"""No path that a user writes leads out of a workspace, and nothing but files and folders is found in it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from shipfit.contracts import MachineError, RequestError
from shipfit.interfaces.workspace import Workspace

SECRET = b"secret"
# Parts that a path may be made of: what is there, what is not, and everything that could lead elsewhere.
PARTS = st.one_of(
    st.sampled_from(["model.onnx", "sub", "deep", "..", ".", "link", "linked", "pipe", ".shipfit", "~", "", "\0"]),
    st.text(max_size=8),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a secret, and in it a workspace `ws` with all kinds of things."""
    folder = tmp_path_factory.mktemp("outer")
    (folder / "secret").write_bytes(SECRET)
    root = folder / "ws"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "sub" / "deep" / "model.onnx").write_bytes(b"m")
    (root / "model.onnx").write_bytes(b"m")
    (root / ".shipfit").mkdir()
    (root / ".shipfit" / "secret").write_bytes(SECRET)
    (root / "link").symlink_to(folder / "secret")
    (root / "sub" / "linked").symlink_to(folder)
    os.mkfifo(root / "pipe")
    return folder


@pytest.fixture(scope="module")
def workspace(place: Path) -> Workspace:
    return Workspace(place / "ws")


def why(error: pytest.ExceptionInfo[RequestError]) -> object:
    assert "\n" not in error.value.message
    return error.value.details["why"]


@pytest.mark.parametrize("path", ["model.onnx", "./model.onnx", "sub/deep/model.onnx", "sub//deep/./model.onnx"])
def test_what_lies_in_the_workspace_is_found_and_opened(workspace: Workspace, path: str) -> None:
    found = workspace.find(path)
    assert found.is_file()
    assert workspace.find(str(found)) == found
    with workspace.open(path) as file:
        assert file.read() == b"m"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "empty"), ("   ", "empty"), ("a\0b", "empty"), ("x" * 5000, "empty"),
        ("../secret", "outside"), ("sub/../../secret", "outside"), ("sub/../model.onnx", "outside"),
        ("/etc/passwd", "outside"), ("//etc/passwd", "outside"),
        ("link", "link"), ("sub/linked", "link"), ("sub/linked/secret", "link"), ("sub", "link"),
        ("pipe", "special"), ("model.onnx/x", "special"),
        ("nothing.onnx", "missing"), ("module:factory", "missing"), ("file:///etc/passwd", "missing"),
        (".shipfit/secret", "own"), (".shipfit", "own"), ("./.shipfit/secret", "own"),
    ],
)  # fmt: skip
def test_everything_else_is_refused_in_one_line(workspace: Workspace, path: str, reason: str) -> None:
    with pytest.raises(RequestError) as found:
        workspace.find(path)
    assert why(found) == reason
    with pytest.raises(RequestError) as opened:
        workspace.open(path)
    assert why(opened) == (reason if path != "sub" else "link")


@given(parts=st.lists(PARTS, max_size=6), absolute=st.booleans())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_reaches_what_lies_outside(workspace: Workspace, parts: list[str], absolute: bool) -> None:
    path = "/".join([str(workspace.root) if absolute else "", *parts] if absolute else parts)
    for look in (workspace.find, workspace.open):
        try:
            found = look(path)
        except RequestError:
            continue
        if isinstance(found, Path):
            real = Path(os.path.realpath(found))
            assert real == found or found == workspace.root
            assert real == workspace.root or workspace.root in real.parents
            assert workspace.own not in (real, *real.parents)
        else:
            with found:
                assert found.read() != SECRET


@given(name=st.text(max_size=300))
@settings(deadline=None, max_examples=100)
def test_whatever_an_upload_is_called_it_becomes_a_plain_file_of_the_workspace(workspace: Workspace, name: str) -> None:
    with workspace.create(name) as file:
        file.write(b"x")
    path = Path(file.name)
    assert path.parent == workspace.root
    assert not path.name.startswith((".", "-"))
    assert path.name.isprintable()
    assert workspace.find(path.name) == path
    path.unlink()


def test_a_second_upload_of_a_name_gets_another_one(workspace: Workspace) -> None:
    for expected in ("up load.onnx", "up load-2.onnx", "up load-3.onnx"):
        with workspace.create("../up load.onnx") as file:
            assert Path(file.name).name == expected


def test_a_socket_is_no_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(RequestError) as found:
            Workspace(tmp_path).find("s")
    assert why(found) == "special"


def test_a_file_is_no_workspace(place: Path) -> None:
    with pytest.raises(MachineError, match="cannot be a workspace"):
        Workspace(place / "secret")
