"""Hear one child out: its answer, or why there is none, within the limits of its job."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Iterator

from pydantic import ValidationError

from ...contracts import (
    ChildMessage,
    Job,
    OptimizationError,
    Progress,
    ProgressSink,
    WorkerCrashed,
    WorkerMalformed,
    WorkerOutOfMemory,
    WorkerTimeout,
    units,
)
from .messages import clean, clean_line, decode
from .process import ChildProcess

POLL_S = 0.1
_OUTPUT_BYTES = 64 * 2**10
_PROGRESS_BYTES = 64 * 2**10
_PROGRESS_EVERY_S = 0.05
# A worker that lies about its waiting gains this much time and no more; many measurements may be waited for.
_MOST_WAITING_S = 3600.0


class Conversation:
    """The coordinator's side of one job.

    A child may write what it likes: an answer is bounded by the job's limits, progress is forwarded at a bounded
    rate, and of its output only the end is kept.
    """

    def __init__(self, job: Job, child: ChildProcess, progress: ProgressSink | None) -> None:
        self._job = job
        self._child = child
        self._progress = progress
        self._heard = bytearray()
        self._output = bytearray()
        self._next_progress = 0.0
        self._next_look = 0.0
        self._started = time.monotonic()
        self.peak_bytes = 0
        self.waited_s = 0.0

    def answer(self, request: bytes) -> ChildMessage:
        """Send `request` and return the child's answer or error.

        Raises:
            WorkerError: it crashed, took too long or too much memory, or did not speak the language.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.answers, selectors.EVENT_READ)
            selector.register(self._child.output, selectors.EVENT_READ)
            os.set_blocking(self._child.request, False)
            selector.register(self._child.request, selectors.EVENT_WRITE)
            while True:
                ready = {key.fd for key, _ in selector.select(POLL_S)}
                if self._child.request in ready:
                    request = self._send(request, selector)
                if self._child.output in ready:
                    self._hear_output(selector)
                if self._child.answers in ready:
                    for message in self._messages():
                        return message
                self._check_limits()

    def _send(self, request: bytes, selector: selectors.BaseSelector) -> bytes:
        try:
            request = request[os.write(self._child.request, request) :]
        except BrokenPipeError:
            request = b""  # it has died; the answers' end says how
        if not request:
            selector.unregister(self._child.request)
        return request

    def _hear_output(self, selector: selectors.BaseSelector) -> None:
        piece = os.read(self._child.output, _OUTPUT_BYTES)
        if not piece:
            selector.unregister(self._child.output)
        self._output = (self._output + piece)[-_OUTPUT_BYTES:]

    def _messages(self) -> Iterator[ChildMessage]:
        piece = os.read(self._child.answers, 2**16)
        if not piece:
            raise self._silence()
        self._heard += piece
        while (end := self._heard.find(b"\n")) >= 0:
            self._check_length(end)
            message = self._read(bytes(self._heard[:end]))
            del self._heard[: end + 1]
            if message.kind == "progress":
                self._forward(message, end)
            else:
                yield message
        self._check_length(len(self._heard))

    def _read(self, line: bytes) -> ChildMessage:
        try:
            return decode(line)
        except ValidationError as error:
            raise self._error(WorkerMalformed, "answered something that is no message") from error

    def _forward(self, message: ChildMessage, length: int) -> None:
        now = time.monotonic()
        due = self._progress is not None and now >= self._next_progress
        if not due and not message.body.get("waited_s"):
            return
        progress = self._progress_of(message, length)
        self._wait(progress.waited_s)
        if self._progress is None or not due:
            return
        self._next_progress = now + _PROGRESS_EVERY_S
        said = {"tool": self._job.tool, "message": clean_line(progress.message)}
        self._progress(progress.model_copy(update=said))

    def _progress_of(self, message: ChildMessage, length: int) -> Progress:
        try:
            if length > _PROGRESS_BYTES:
                raise ValueError("too long")
            return Progress.model_validate(message.body)
        except ValueError as error:
            raise self._error(WorkerMalformed, "told progress that is none") from error

    def _check_length(self, length: int) -> None:
        limit = self._job.limits.answer_bytes
        if length > limit:
            raise self._error(WorkerMalformed, f"answered with more than {limit} bytes")

    def _wait(self, seconds: float) -> None:
        """Take what the child says it has waited for others to end measuring; its time limit grows by it."""
        elapsed = time.monotonic() - self._started
        self.waited_s = max(self.waited_s, min(seconds, elapsed, _MOST_WAITING_S))

    def _check_limits(self) -> None:
        now = time.monotonic()
        if now > self._started + self._job.limits.time_s + self.waited_s:
            limit = units.format_seconds(self._job.limits.time_s)
            raise self._error(WorkerTimeout, f"took longer than {limit} and was stopped")
        if now < self._next_look:
            return
        self._next_look = now + POLL_S
        resident = self._child.resident_bytes()
        self.peak_bytes = max(self.peak_bytes, resident)
        if resident > self._job.limits.memory_bytes:
            limit = units.format_bytes(self._job.limits.memory_bytes)
            raise self._error(WorkerOutOfMemory, f"used more than {limit} of memory and was stopped")

    def _silence(self) -> OptimizationError:
        status = self._child.leave()
        self._drain()
        if status >= 0:
            return self._error(WorkerCrashed, f"left with exit status {status} and without an answer", status)
        name = signal.Signals(-status).name
        guess = "; memory has probably run out, and the kernel chose it" if name == "SIGKILL" else ""
        return self._error(WorkerCrashed, f"died of {name}{guess}", status)

    def _drain(self) -> None:
        os.set_blocking(self._child.output, False)
        try:
            while piece := os.read(self._child.output, _OUTPUT_BYTES):
                self._output = (self._output + piece)[-_OUTPUT_BYTES:]
        except BlockingIOError:
            pass

    def _error(self, kind: type[OptimizationError], what: str, status: int | None = None) -> OptimizationError:
        details = {
            "tool": self._job.tool,
            "output": clean(self._output.decode(errors="replace")),
            "peak_bytes": self.peak_bytes,
            "waited_s": self.waited_s,
        }
        return kind(
            f"the worker of {self._job.tool} {what}",
            details=details | ({} if status is None else {"exit_status": status}),
        )
