"""What a conversation keeps: whole entries in order, whatever ends the process that writes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import (
    Draft,
    Entry,
    Happened,
    MachineError,
    Noticed,
    Prompted,
    Refused,
    Said,
    Taken,
    Told,
    Understanding,
)
from shipfit.interfaces.chat.log import EntryLog

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
ENTRIES: st.SearchStrategy[tuple[type[Any], dict[str, Any]]] = st.one_of(
    st.builds(lambda text: (Said, {"text": text}), TEXTS),
    st.builds(lambda text: (Told, {"text": (text, text)}), TEXTS),
    st.builds(lambda text: (Refused, {"text": text, "type": "request"}), TEXTS),
    st.builds(lambda text: (Prompted, {"about": "model", "text": text, "models": (text,)}), TEXTS),
    st.builds(lambda text: (Happened, {"run": "r", "event": Noticed(text=text)}), TEXTS),
    st.builds(
        lambda text: (
            Taken,
            {"understanding": Understanding(not_understood=(text,)), "draft": Draft(model=text), "changed": (text,)},
        ),
        TEXTS,
    ),
)


def nothing(_entry: Entry) -> None:
    return None


@given(kept=st.lists(ENTRIES, max_size=8), cut=st.integers(0, 200), more=ENTRIES)
@settings(deadline=None, max_examples=20)
def test_entries_come_back_as_they_were_and_a_torn_end_is_cut_off(
    kept: list[tuple[type[Any], dict[str, Any]]], cut: int, more: tuple[type[Any], dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        log = EntryLog(path, nothing)
        written = [log.add(kind, **fields) for kind, fields in kept]
        log.close()
        size = path.stat().st_size
        os.truncate(path, max(size - cut, 0))
        whole = path.read_bytes().count(b"\n")
        taken: list[Entry] = []
        again = EntryLog(path, taken.append)
        assert again.after(0) == taken == written[:whole]
        added = again.add(more[0], **more[1])
        assert added.number == whole + 1
        again.close()
        last = EntryLog(path, nothing)
        assert last.after(0) == [*written[:whole], added]
        assert last.after(whole) == [added]
        assert last.damaged == 0
        last.close()


def test_what_is_no_entry_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = EntryLog(path, nothing)
    first = log.add(Said, text="one")
    log.close()
    again_first = first.model_dump_json().encode() + b"\n"
    with path.open("ab") as file:
        file.write(b'{"kind": "of tomorrow"}\n\xff\xfe\n[]\n' + again_first)
    found = EntryLog(path, nothing)
    assert found.after(0) == [first]
    assert found.damaged == 4
    assert found.add(Said, text="two").number == 2
    found.close()


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_whole_entries(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    script = (
        "import sys; from pathlib import Path; from shipfit.contracts import Happened, Noticed\n"
        "from shipfit.interfaces.chat.log import EntryLog\n"
        f"log = EntryLog(Path({str(path)!r}), lambda entry: None)\n"
        "while True: log.add(Happened, run='r', event=Noticed(text='x' * 300))"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    while not path.exists() or path.stat().st_size < 20_000:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    log = EntryLog(path, nothing)
    numbers = [entry.number for entry in log.after(0)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert log.damaged == 0
    log.close()


def test_who_follows_sees_what_was_and_what_comes(tmp_path: Path) -> None:
    log = EntryLog(tmp_path / "log.jsonl", nothing)
    log.add(Said, text="1")
    followed = log.follow(0, None)
    assert next(followed).number == 1
    threading.Timer(0.05, lambda: log.add(Said, text="2")).start()
    assert next(followed).number == 2
    threading.Timer(0.05, log.close).start()
    assert list(followed) == []
    with pytest.raises(MachineError, match="closed"):
        log.add(Said, text="3")


def test_following_ends_where_nothing_comes_in_time(tmp_path: Path) -> None:
    log = EntryLog(tmp_path / "log.jsonl", nothing)
    assert list(log.follow(0, 0.01)) == []
    log.close()


def test_a_link_is_no_conversation(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MachineError, match="cannot be kept"):
        EntryLog(tmp_path / "log.jsonl", nothing)
    assert not (tmp_path / "elsewhere").exists()
