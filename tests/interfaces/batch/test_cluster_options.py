"""Options of a batch on a cluster that make no sense, or lead nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--store", "file:///srv"], 2, "give --ray HOST:PORT too"),
        (["--ray", "10.0.0.1:6379", "--trust-code"], 2, "--trust-code does not go with --ray"),
        (["--ray", "ray://10.0.0.1:10001"], 2, "is no address"),
        (["--ray", "10.0.0.1:6379", "--store", "ftp://a/b"], 2, "s3://bucket/folder"),
        (["--ray", "127.0.0.1:1"], 1, "there is no Ray cluster at 127.0.0.1:1"),
    ],
)
def test_nothing_is_begun(
    options: list[str], status: int, says: str, shipfit: Any, make_zoo: Callable[..., Path], tmp_path: Path
) -> None:
    answer = shipfit("batch", str(make_zoo("a")), *options, "--out", str(tmp_path / "out"))
    assert answer.status == status
    assert says in answer.error
    assert not (tmp_path / "out").exists()
