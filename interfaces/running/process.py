"""One piece of ordered work: a process of its own, heard by the thread that waits for it, stopped by any other."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...contracts import (
    ChildMessage,
    Event,
    Interrupted,
    OptimizationError,
    RunStarted,
    WorkerCrashed,
    WorkerMalformed,
    from_wire,
)
from ...tools.worker.process import ChildProcess
from ...tools.worker.spawning import Spawner
from ..text import clean
from .orders import Order

# `-P`: a folder that somebody works in must not lend its modules to the child.
_COMMAND = (sys.executable, "-P", "-m", "shipfit.interfaces.running")
# A run that is told to stop ends its job and notes that it can be resumed in a fraction of this; one that does not
# react is killed, which the ledger stands as well.
GRACE_S = 1.2
_MAX_LINE_BYTES = 64 * 2**20
_OUTPUT_BYTES = 4000
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)

Tell = Callable[[Event], None]


class Work:
    """An order that is being done in a process of its own.

    Args:
        order: what to do.
        environment: of the process; it needs what this one was started with, keys of language models included.

    Attributes:
        run: that is worked on, once that is known.
    """

    def __init__(self, order: Order, environment: Mapping[str, str] = os.environ) -> None:
        self._order = order.model_dump_json().encode() + b"\n"
        self._environment = environment
        self._child: ChildProcess | None = None
        self._output = bytearray()
        self._lock = threading.Lock()
        self._stopped = False
        self._over = threading.Event()
        self.run: str | None = None

    def result(self, tell: Tell) -> dict[str, Any]:
        """Do the work, wait until it is done and return what came of it; to be called once.

        Args:
            tell: is told what happens meanwhile, in this thread.

        Raises:
            Interrupted: it was stopped; where it was a run by then, details name it, and it can be resumed.
            OptimizationError: it cannot be done, or its process died.
        """
        try:
            with self._started() as child:
                try:
                    message = self._last_message(child, tell)
                finally:
                    with self._lock:  # nothing is written to its pipe from here on
                        self._child = None
        finally:
            self._over.set()
        if message.kind == "error":
            raise self._error(message.body)
        return message.body

    def stop(self) -> None:
        """Have the work end within `GRACE_S` and a moment, with all that it started; any thread may ask, repeatedly."""
        with self._lock:
            self._stopped = True
            child = self._child
            if child is None:
                return
            with suppress(BrokenPipeError):
                os.write(child.request, b"\n")
        if not self._over.wait(GRACE_S):
            child.kill()

    def _started(self) -> ChildProcess:
        with self._lock:
            if self._stopped:
                raise Interrupted("stopped")
            self._child = ChildProcess(Spawner(_COMMAND), self._environment)
            return self._child

    def _last_message(self, child: ChildProcess, tell: Tell) -> ChildMessage:
        with suppress(BrokenPipeError):  # it has died; the end of its messages says how
            os.write(child.request, self._order)
        for message in self._messages(child):
            if message.kind != "progress":
                return message
            event = _event(message.body)
            if isinstance(event, RunStarted):
                self.run = event.run
            tell(event)
        raise self._silence(child)

    def _messages(self, child: ChildProcess) -> Iterator[ChildMessage]:
        heard = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(child.answers, selectors.EVENT_READ)
            selector.register(child.output, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if child.output in ready and not self._hear_output(child):
                    selector.unregister(child.output)
                if child.answers in ready:
                    piece = os.read(child.answers, 2**16)
                    if not piece:
                        return
                    heard += piece
                    while (end := heard.find(b"\n")) >= 0:
                        yield _message(bytes(heard[:end]))
                        del heard[: end + 1]
                    if len(heard) > _MAX_LINE_BYTES:
                        raise WorkerMalformed("a process of a run told more than can be a message")

    def _hear_output(self, child: ChildProcess) -> bytes:
        piece = os.read(child.output, 2**16)
        self._output = (self._output + piece)[-_OUTPUT_BYTES:]
        return piece

    def _silence(self, child: ChildProcess) -> OptimizationError:
        status = child.leave()
        if self._stopped:
            return Interrupted("stopped", details={"run": self.run} if self.run else None)
        how = f"died of {signal.Signals(-status).name}" if status < 0 else f"left with exit status {status}"
        said = clean(self._output.decode(errors="replace").strip(), _OUTPUT_BYTES)
        return WorkerCrashed(
            f"the process that did this {how}; a run that it worked on can be resumed",
            details={"output": said} | ({"run": self.run} if self.run else {}),
        )

    def _error(self, body: dict[str, Any]) -> OptimizationError:
        error = from_wire(body)
        if self.run and "run" not in error.details:
            error.details["run"] = self.run
        if body.get("error") == Interrupted.__name__:
            return Interrupted(error.message, error.type, error.details)
        return error


def _event(body: dict[str, Any]) -> Event:
    try:
        return _EVENT.validate_python(body)
    except ValidationError as error:
        raise WorkerMalformed("a process of a run told something that is no event") from error


def _message(line: bytes) -> ChildMessage:
    try:
        return ChildMessage.model_validate_json(line)
    except ValidationError as error:
        raise WorkerMalformed("a process of a run told something that is no message") from error
