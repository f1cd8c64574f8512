"""`shipfit chat` as a command: lines from a pipe, and a person at a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from shipfit.interfaces.chat.desk import Desk
from shipfit.interfaces.cli.chat_watch import Line

WISH = "make net.onnx half the size"
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def say(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_lines_from_a_pipe_are_answered_on_stdout_and_gone_on_with(
    shipfit: Any, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, WISH, "use ../../secret", "exit", "never read")
    first = shipfit("chat", "--workspace", str(workspace))
    assert first.status == 0
    assert "size ratio ≤ 50 %" in first.out
    assert "error: '../../secret' leads out of the workspace" in first.out
    assert "never read" not in first.err
    name = first.err.split()[-1]
    say(monkeypatch, "status")
    again = shipfit("chat", "--workspace", str(workspace), "--continue", name[:15])
    assert f"> {WISH}" in again.out
    assert again.out.count("net.onnx") > 2
    listed = shipfit("chat", "--workspace", str(workspace), "--list")
    assert listed.out.startswith(name)
    assert WISH in listed.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--continue"], "no conversation to go on with"),
        (["--continue", "2026"], "no conversation begins with '2026'"),
        (["make it small"], "goes with --continue"),
        (["--workspace", ""], "--workspace is empty"),
    ],
)
def test_a_wrong_command_is_one_line_and_status_2(
    shipfit: Any, workspace: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(workspace)
    found = shipfit("chat", *arguments)
    assert found.status == 2
    assert told in found.error


def test_a_workspace_that_is_held_is_refused(shipfit: Any, desk: Desk) -> None:
    found = shipfit("chat", "--workspace", str(desk.workspace.root))
    assert found.status == 2
    assert f"process {os.getpid()}" in found.error


def test_a_line_is_edited_as_it_is_typed() -> None:
    line = Line()
    assert list(line.take(b"helo\x7flo \x1b[A\x1b[3~\xc3")) == []
    assert list(line.take(b"\xa9\rnext\n\x15")) == ["hello é", "next"]
    assert (line.text, line.ended) == ("", False)
    assert list(line.take(b"a\x04")) == []
    assert not line.ended
    assert list(line.take(b"\x15\x04\x07")) == []
    assert line.ended


class Person:
    """Somebody at a terminal of 100 columns who reads what is there and types."""

    def __init__(self, *arguments: str) -> None:
        self._own, end = pty.openpty()
        command = [sys.executable, "-m", "shipfit", "chat", *arguments]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
        self.process = subprocess.Popen(
            command, stdin=end, stdout=end, stderr=end, env=environment, start_new_session=True,
            preexec_fn=_own_terminal,  # so that Ctrl-C of the terminal reaches it
        )  # fmt: skip
        os.close(end)
        self.seen = b""

    def types(self, text: str) -> None:
        os.write(self._own, text.encode())

    def reads(self, text: str) -> None:
        """Wait until `text` is shown after what was read before, and forget everything up to it."""
        until = time.monotonic() + 200
        while (place := self._plain().find(text)) < 0:
            assert time.monotonic() < until, self._plain()[-3000:]
            if select.select([self._own], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self._own, 65536)
                except OSError:  # Linux's way to say that nobody holds the other end any more
                    assert text in self._plain(), self._plain()[-3000:]
        self.seen = self._plain()[place + len(text) :].encode()

    def leaves(self) -> int:
        try:
            return self.process.wait(60)
        finally:
            os.close(self._own)

    def _plain(self) -> str:
        return ESCAPES.sub(b"", self.seen).decode(errors="replace")


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def place(tmp_path: Path, digits_model: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    shutil.copyfile(digits_model, folder / "digits.onnx")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_person_types_while_a_run_is_at_work_stops_it_leaves_and_comes_back(place: Path) -> None:
    person = Person("--workspace", str(place))
    person.reads("'exit' leaves")
    person.types("digits.onnx a third of the size, at least 20 dB\r")
    person.reads("Shall it start?")
    person.types("yes\r")
    person.reads("plan (attempt 1)")
    person.types("why not int4?\r")
    person.reads("int4 is ruled out by level")
    person.types("\x03")
    person.reads("was stopped; say 'go on'")
    person.types("exit\r")
    person.reads("This conversation is kept")
    assert person.leaves() == 0

    person = Person("--workspace", str(place), "--continue")
    person.reads("was stopped; say 'go on'")
    person.reads("> ")
    person.types("\x03")
    person.reads("Ctrl-C again leaves")
    person.reads("> ")
    person.types("\x03")
    person.reads("This conversation is kept")
    assert person.leaves() == 0
