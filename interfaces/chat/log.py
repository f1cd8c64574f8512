"""The entries of one conversation on disk: only added to, whole whatever happens, waited for by whoever follows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...contracts import Entry, MachineError
from ..text import clean

_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
# What is lost with the power is told again by the run's own trail; everything else is a person's.
_NOT_FORCED = frozenset({"event"})


class EntryLog:
    """An append-only file with one entry a line.

    Entries are numbered from 1. What a killed process left of a line is cut off when the file is opened; a line that
    is no entry (damaged, or of a newer version) is left where it is and not shown.

    Args:
        path: in a folder that is there; one process at a time writes to it.
        take: is told of every entry, those of before first, before anybody else sees it.

    Attributes:
        damaged: lines that are no entries.

    Raises:
        MachineError: it cannot be read or written.
    """

    def __init__(self, path: Path, take: Callable[[Entry], None]) -> None:
        self._path = path
        self._take = take
        self._changed = threading.Condition(threading.RLock())
        self._entries: list[Entry] = []
        self._closed = False
        self.damaged = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags, 0o600)
            self._size = self._read()
        except OSError as error:
            raise self._fault(error) from error
        self._last = self._entries[-1].number if self._entries else 0

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def add(self, kind: type[Any], **fields: Any) -> Entry:
        """Append an entry of a kind: its number and its time are given to it, the rest are `fields`.

        Raises:
            MachineError: it cannot be written; then nothing of it is.
        """
        with self._changed:
            entry: Entry = kind(number=self._last + 1, at=time.time(), **fields)
            self._write(entry)
            self._last = entry.number
            self._entries.append(entry)
            self._take(entry)
            self._changed.notify_all()
        return entry

    def after(self, number: int) -> list[Entry]:
        """Return the entries with greater numbers, in order."""
        with self._changed:
            return self._entries[self._position(number) :]

    def follow(self, after: int, timeout_s: float | None) -> Iterator[Entry]:
        """Yield the entries with greater numbers, then those that come.

        It ends when none has come for `timeout_s` seconds, or when the log is closed.
        """
        while True:
            with self._changed:
                found = self._entries[self._position(after) :]
                if not found and not self._closed:
                    self._changed.wait(timeout_s)
                    found = self._entries[self._position(after) :]
            if not found:
                return
            for entry in found:
                after = entry.number
                yield entry

    def close(self) -> None:
        """Write no more; followers end."""
        with self._changed:
            if not self._closed:
                os.close(self._file)
            self._closed = True
            self._changed.notify_all()

    def _position(self, number: int) -> int:
        """Return how many entries have no greater number; numbers have gaps only where lines are damaged."""
        low, high = 0, len(self._entries)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._entries[middle].number <= number else (low, middle)
        return low

    def _read(self) -> int:
        """Read what is there, cut off what is no whole line, and return the size in bytes."""
        whole = 0
        with os.fdopen(os.dup(self._file), "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                self._read_line(line)
        if os.fstat(self._file).st_size > whole:
            os.ftruncate(self._file, whole)
        return whole

    def _read_line(self, line: bytes) -> None:
        try:
            entry = _ENTRY.validate_json(line)
        except ValidationError:
            self.damaged += 1
            return
        if self._entries and entry.number <= self._entries[-1].number:
            self.damaged += 1
            return
        self._entries.append(entry)
        self._take(entry)

    def _write(self, entry: Entry) -> None:
        if self._closed:
            raise MachineError("this conversation is closed; open it again")
        line = entry.model_dump_json().encode() + b"\n"
        try:
            left = line
            while left:
                left = left[os.write(self._file, left) :]
            if entry.kind not in _NOT_FORCED:
                os.fdatasync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise self._fault(error) from error
        self._size += len(line)

    def _fault(self, error: OSError) -> MachineError:
        reason = error.strerror or type(error).__name__
        return MachineError(f"the conversation cannot be kept in {clean(self._path, 200)!r}: {reason}; mend that")
