import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shipfit.contracts import MachineError
from shipfit.tools.measure import lock
from shipfit.tools.measure.lock import among_users, lock_folder, measuring_lock, shared_path

HOLD = """
import sys
from pathlib import Path
from shipfit.tools.measure.lock import measuring_lock
with measuring_lock(folder=Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "_PATIENCE_S", 0.1)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        told: list[str] = []
        done = threading.Event()

        def wait() -> None:
            with measuring_lock(lambda each: told.append(each.message), tmp_path):
                done.set()

        thread = threading.Thread(target=wait)
        thread.start()
        assert not done.wait(0.5)
        assert "waiting for another measurement" in told[0]
        holder.stdin.close()
        thread.join(10)
        assert done.is_set()


def test_a_killed_holder_frees_it(tmp_path: Path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
        holder.wait()
        with measuring_lock(folder=tmp_path):
            pass


def test_the_same_place_whatever_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = lock_folder()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert lock_folder() == before


def test_a_folder_that_cannot_be_ours(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(MachineError, match="measuring lock"), measuring_lock(folder=file / "below"):
        pass
    link = tmp_path / "link"
    os.symlink(tmp_path, link)
    with pytest.raises(MachineError, match="belongs to somebody else"), measuring_lock(folder=link):
        pass


def test_users_wait_for_each_other_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "_PATIENCE_S", 0.1)
    path, told = tmp_path / "shared.lock", list[str]()
    with among_users(path=path) as first:
        assert first
        with among_users(lambda each: told.append(each.message), path, limit_s=0.3) as second:
            assert not second
    assert "waiting for another user's measurement" in told[0]
    assert told[-1] == "another user keeps measuring; measuring at the same time"
    with among_users(path=path) as again:
        assert again
    assert path.stat().st_mode & 0o777 == 0o444


def test_what_somebody_put_in_its_place_is_left_alone(tmp_path: Path):
    victim = tmp_path / "victim"
    for make in (
        lambda path: os.symlink(victim, path),
        lambda path: os.mkfifo(path),
        lambda path: path.mkdir(),
        lambda path: path.mkdir() or (path / "inside").touch(),
    ):
        path = tmp_path / f"shared-{len(list(tmp_path.iterdir()))}"
        make(path)
        with among_users(path=path) as held:
            assert not held
    assert not victim.exists()


def test_a_place_that_is_not_everybodys_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "_SHARED_FOLDERS", (tmp_path, tmp_path / "missing"))
    assert shared_path() is None
    with among_users() as held:
        assert not held


def test_measuring_holds_the_lock_of_all_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "shared.lock"
    monkeypatch.setattr(lock, "shared_path", lambda: path)
    monkeypatch.setattr(lock, "lock_folder", lambda: tmp_path)
    with measuring_lock(), among_users(path=path, limit_s=0.0) as held:
        assert not held
