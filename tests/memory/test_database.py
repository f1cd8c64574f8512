"""The databases' files: opened and written by many at once."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shipfit.memory.database import connection

OPENERS, FILES = 6, 250


@pytest.fixture
def restless() -> Iterator[None]:
    """Have threads take turns a thousand times as often, which makes races likely."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("restless")
def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    """The runs of a batch begin together, and each opens the checkpoints, which nobody has made yet."""
    gate = threading.Barrier(OPENERS)

    def open_all(seed: int) -> int:
        rng = random.Random(seed)
        for number in range(FILES):
            gate.wait(timeout=60)
            time.sleep(rng.random() * 0.004)
            opened = connection(tmp_path / f"{number}.sqlite")
            opened.execute("CREATE TABLE IF NOT EXISTS t (x)")
            opened.execute("INSERT INTO t VALUES (?)", (seed,))
            opened.commit()
            opened.close()
        return seed

    with ThreadPoolExecutor(OPENERS) as pool:
        assert sorted(pool.map(open_all, range(OPENERS), timeout=120)) == list(range(OPENERS))
