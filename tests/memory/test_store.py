from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import ArtifactRef, ArtifactStore, MachineError
from shipfit.memory import store as store_module
from shipfit.memory.store import LocalArtifactStore

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)
FOLDERS = st.dictionaries(
    st.tuples(NAMES) | st.tuples(st.just("folder"), NAMES), st.binary(max_size=64), min_size=1, max_size=4
).filter(lambda files: ("folder",) not in files)

Start = Callable[..., subprocess.Popen[str]]


def write(folder: Path, files: dict[tuple[str, ...], bytes]) -> Path:
    for parts, content in files.items():
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def read(folder: Path) -> dict[tuple[str, ...], bytes]:
    return {path.relative_to(folder).parts: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def left_over(store: LocalArtifactStore) -> list[str]:
    return os.listdir(store.root / "tmp")


def test_is_an_artifact_store(store: LocalArtifactStore) -> None:
    seam: ArtifactStore = store
    assert seam is store


@given(FOLDERS, st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_folder_comes_back_under_the_same_digest(files: dict[tuple[str, ...], bytes], move: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        one, two = (write(Path(place, name), files) for name in ("one", "two"))
        store = LocalArtifactStore(Path(place, "store"))
        first = store.put(one, "data", move=move)
        assert store.put(two, "data") == first
        assert read(LocalArtifactStore(store.root).path(first)) == files
        assert first.size_bytes == sum(map(len, files.values())) == store.size()
        assert one.exists() is not move
        assert store.ids() == [first.id]
        assert not left_over(store)


def test_digest_is_that_of_the_only_file_or_of_sha256sums_lines(store: LocalArtifactStore, tmp_path: Path) -> None:
    source = write(tmp_path / "source", {("b",): b"2"})
    assert store.put(source, "data").id == hashlib.sha256(b"2").hexdigest()
    write(source, {("a",): b"1"})
    lines = subprocess.run("sha256sum a b | LC_ALL=C sort", shell=True, cwd=source, capture_output=True, check=True)
    assert store.put(source, "data").id == hashlib.sha256(lines.stdout).hexdigest()


def test_a_name_cannot_imitate_two_files(store: LocalArtifactStore, tmp_path: Path) -> None:
    two = write(tmp_path / "two", {("a",): b"1", ("b",): b"2"})
    first, second = sorted(f"{hashlib.sha256(text).hexdigest()}  " for text in (b"1", b"2"))
    names = {hashlib.sha256(b"1").hexdigest(): "a", hashlib.sha256(b"2").hexdigest(): "b"}
    forged = f"{names[first.strip()]}\n{second[:20]}"
    other = write(tmp_path / "other", {(forged,): b"1", ("c",): b"2"})
    assert store.put(two, "data").id != store.put(other, "data").id


@pytest.mark.parametrize(("kind", "name"), [("model", "model.onnx"), ("table", "table.json"), ("data", "x.npz")])
def test_a_single_file_takes_the_name_that_tools_expect(
    store: LocalArtifactStore, tmp_path: Path, kind: str, name: str
) -> None:
    source = tmp_path / "x.npz"
    source.write_bytes(b"content")
    reference = store.put(source, kind)
    assert os.listdir(store.path(reference)) == [name]
    assert reference == ArtifactRef(id=hashlib.sha256(b"content").hexdigest(), kind=kind, size_bytes=7)  # type: ignore[arg-type]
    assert source.exists()


def test_a_moved_file_is_gone(store: LocalArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "net.onnx"
    source.write_bytes(b"content")
    store.path(store.put(source, "model", move=True))
    assert not source.exists()


def test_files_are_read_only(store: LocalArtifactStore, tmp_path: Path) -> None:
    folder = store.path(store.put(write(tmp_path / "source", {("a",): b"1", ("s", "b"): b"2"}), "data", move=True))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o444}


def test_moving_leaves_other_names_of_a_file_alone(store: LocalArtifactStore, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"content")
    precious.chmod(0o644)
    source = tmp_path / "source"
    source.mkdir()
    os.link(precious, source / "a")
    folder = store.path(store.put(source, "data", move=True))
    precious.write_bytes(b"changed")
    assert (folder / "a").read_bytes() == b"content"
    assert stat.S_IMODE(precious.stat().st_mode) == 0o644


def test_a_product_may_keep_a_file_of_the_artifact_it_was_made_from(store: LocalArtifactStore, tmp_path: Path) -> None:
    given = store.path(store.put(write(tmp_path / "given", {("m",): b"1", ("weights",): b"large"}), "model", move=True))
    product = write(tmp_path / "product", {("m",): b"2"})
    os.link(given / "weights", product / "weights")
    made = store.put(product, "model", move=True)
    assert (store.path(made) / "weights").samefile(given / "weights")
    plain = write(tmp_path / "plain", {("m",): b"2", ("weights",): b"large"})
    assert store.put(plain, "model").id == made.id
    assert store.remove(given.name)
    assert (store.path(made) / "weights").read_bytes() == b"large"


def test_a_second_name_of_a_file_that_was_written_to_is_copied(store: LocalArtifactStore, tmp_path: Path) -> None:
    given = store.path(store.put(write(tmp_path / "given", {("weights",): b"large"}), "model", move=True))
    product = tmp_path / "product"
    product.mkdir()
    os.link(given / "weights", product / "weights")
    (given / "weights").chmod(0o644)
    (product / "weights").write_bytes(b"other")
    made = store.put(product, "model", move=True)
    assert not (store.path(made) / "weights").samefile(given / "weights")
    assert made.id == hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize("move", [False, True])
@pytest.mark.parametrize(
    "make", [lambda path: path.symlink_to("/etc/passwd"), lambda path: path.symlink_to("/etc"), os.mkfifo]
)
def test_links_and_devices_are_refused(
    store: LocalArtifactStore, tmp_path: Path, make: Callable[[Path], None], move: bool
) -> None:
    source = write(tmp_path / "source", {("a",): b"1"})
    make(source / "b")
    with pytest.raises(MachineError, match="plain file"):
        store.put(source, "data", move=move)
    make(tmp_path / "file")
    with pytest.raises(MachineError, match="plain file"):
        store.put(tmp_path / "file", "model", move=move)
    assert not store.ids()
    assert not left_over(store)


def test_nothing_and_a_missing_source_are_refused(store: LocalArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    with pytest.raises(MachineError, match="holds no file"):
        store.put(tmp_path / "empty", "data")
    with pytest.raises(MachineError, match="No such file"):
        store.put(tmp_path / "missing", "model")


def test_the_same_content_under_another_name_is_refused(store: LocalArtifactStore, tmp_path: Path) -> None:
    store.put(write(tmp_path / "one", {("a",): b"1"}), "data")
    with pytest.raises(MachineError, match="stored already as a, not as b"):
        store.put(write(tmp_path / "two", {("b",): b"1"}), "data")


def test_what_is_missing_or_damaged_is_said(store: LocalArtifactStore, tmp_path: Path) -> None:
    reference = store.put(write(tmp_path / "one", {("a",): b"1"}), "data")
    folder = store.path(reference)
    (folder / "a").chmod(0o644)
    (folder / "a").write_bytes(b"2")
    fresh = LocalArtifactStore(store.root)
    with pytest.raises(MachineError, match="is damaged"):
        fresh.path(reference)
    assert fresh.put(write(tmp_path / "two", {("a",): b"1"}), "data") == reference  # mended
    assert read(fresh.path(reference)) == {("a",): b"1"}
    shutil.rmtree(folder)
    with pytest.raises(MachineError, match="is gone"):
        fresh.path(reference)


def test_an_extra_file_is_damage(store: LocalArtifactStore, tmp_path: Path) -> None:
    reference = store.put(write(tmp_path / "one", {("a",): b"1"}), "data")
    (store.path(reference) / "b").touch()
    with pytest.raises(MachineError, match="is damaged"):
        LocalArtifactStore(store.root).path(reference)


def test_remove(store: LocalArtifactStore, tmp_path: Path) -> None:
    reference = store.put(write(tmp_path / "one", {("a",): b"1"}), "data")
    assert store.exists(reference.id)
    assert store.remove(reference.id)
    assert not store.remove(reference.id)
    assert not store.exists(reference.id)
    assert store.size() == 0
    assert not left_over(store)


@pytest.mark.parametrize(
    ("number", "says"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot be written"), (errno.EIO, "failed")]
)
def test_the_machines_faults_are_one_line_and_leave_nothing(
    store: LocalArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store_module.os, "fsync", fail)
    with pytest.raises(MachineError, match=says) as caught:
        store.put(write(tmp_path / "one", {("a",): b"1", ("b",): b"2"}), "data")
    assert "\n" not in caught.value.message
    assert not store.ids()
    assert not left_over(store)


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = LocalArtifactStore(tmp_path / "file" / "store")
    with pytest.raises(MachineError):
        store.put(write(tmp_path / "one", {("a",): b"1"}), "data")


def test_looking_makes_nothing(store: LocalArtifactStore) -> None:
    assert store.ids() == []
    assert store.size() == 0
    assert not store.exists("a" * 64)
    assert not store.root.exists()


SLOW_PUT = """
import sys, time
from pathlib import Path
from shipfit.memory import store as module

root, source, move = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "True"
def wait(path):
    print("there", flush=True)
    time.sleep(60)
module._sync = wait
module.LocalArtifactStore(root).put(source, "data", move=move)
"""


@pytest.mark.parametrize("move", [False, True])
def test_a_put_that_is_killed_leaves_nothing_half(
    store: LocalArtifactStore, tmp_path: Path, python: Start, move: bool
) -> None:
    source = write(tmp_path / "source", {("a",): b"1", ("b",): b"2"})
    process = python(SLOW_PUT, store.root, source, move)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    assert left_over(store)
    assert store.put(write(tmp_path / "other", {("c",): b"3"}), "data")  # does not clear up behind the living
    assert left_over(store)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(store.ids()) == 1
    store.put(write(tmp_path / "other", {("c",): b"3"}), "data")
    assert not left_over(store)


PUT_MANY = """
import sys
from pathlib import Path
from shipfit.memory.store import LocalArtifactStore

root, source = Path(sys.argv[1]), Path(sys.argv[2])
store = LocalArtifactStore(root)
for _ in range(15):
    reference = store.put(source, "data")
    store.path(reference)
print(reference.id)
"""


def test_several_processes_put_the_same(store: LocalArtifactStore, tmp_path: Path, python: Start) -> None:
    source = write(tmp_path / "source", {(str(n),): os.urandom(1000) for n in range(5)})
    processes = [python(PUT_MANY, store.root, source) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert answers == set(store.ids())
    assert not left_over(store)
