"""A file of ours is read once while nobody could have written to it, and again where somebody could."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipfit.contracts.sealed import is_sealed, known_digest, link, remember

DIGEST = "ab" * 32


def made(path: Path, mode: int = 0o444) -> Path:
    path.write_bytes(b"content")
    path.chmod(mode)
    return path


def test_a_digest_is_known_by_every_name_until_the_file_is_written_to(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one"), tmp_path / "other"
    assert known_digest(one.stat()) is None
    remember(one.stat(), DIGEST)
    assert link(one, other)
    assert known_digest(other.stat()) == DIGEST
    other.chmod(0o644)
    assert known_digest(one.stat()) is None
    other.write_bytes(b"CONTENT!")
    other.chmod(0o444)
    assert known_digest(one.stat()) is None


@pytest.mark.parametrize("mode", [0o644, 0o464, 0o446])
def test_what_may_be_written_to_is_neither_known_nor_linked(tmp_path: Path, mode: int) -> None:
    path = made(tmp_path / "one", mode)
    assert not is_sealed(path.stat())
    remember(path.stat(), DIGEST)
    path.chmod(0o444)
    assert known_digest(path.stat()) is None
    path.chmod(mode)
    assert not link(path, tmp_path / "other")
    assert os.listdir(tmp_path) == ["one"]


def test_another_users_file_is_not_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, uid = made(tmp_path / "one"), os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    assert not link(path, tmp_path / "other")
    assert os.listdir(tmp_path) == ["one"]
