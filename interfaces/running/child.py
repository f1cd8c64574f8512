"""The side of the process that was started: read the order, do it, tell what happens, and stop when told to."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import NoReturn

from pydantic import ValidationError

from ...contracts import ChildMessage, Event, Interrupted, OptimizationError, to_wire
from ..faults import fault_of
from .orders import ORDER, Order

_STDIN = 0
_MAX_ORDER_BYTES = 4 * 2**20


def main(answers: int) -> NoReturn:
    """Do what standard input orders and leave, without tearing native libraries down."""
    messages = Messages(answers)
    try:
        order = _read_order()
        threading.Thread(target=_listen, args=(threading.get_ident(),), daemon=True).start()
        _work(order, messages)
    except KeyboardInterrupt:  # there was no run to be left in order
        messages.error(Interrupted("stopped"))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class Messages:
    """Writes lines to whoever started this process; who is gone is not told, but needs nothing either."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def event(self, event: Event) -> None:
        """Tell what happened."""
        self._send(ChildMessage(kind="progress", body=event.model_dump(mode="json")))

    def answer(self, body: dict[str, object]) -> None:
        """Tell what came of the order; nothing follows."""
        self._send(ChildMessage(kind="answer", body=body))

    def error(self, error: OptimizationError) -> None:
        """Tell why nothing came of the order; nothing follows."""
        self._send(ChildMessage(kind="error", body=to_wire(error)))

    def _send(self, message: ChildMessage) -> None:
        line = memoryview(message.model_dump_json().encode() + b"\n")
        # Being told to stop in the middle of a line would leave half a message before the last one.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except BrokenPipeError:
            pass
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _work(order: Order, messages: Messages) -> None:
    from .work import perform

    try:
        messages.answer(perform(order, messages.event).model_dump(mode="json"))
    except OptimizationError as error:
        messages.error(error)
    except Exception as error:  # noqa: BLE001 - the border: the traceback is saved, one line crosses it
        messages.error(fault_of(error))


def _read_order() -> Order:
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(_STDIN, 2**16)
        line += piece
        if not piece or len(line) > _MAX_ORDER_BYTES:
            sys.exit("this process is started by another one: it reads one order from standard input")
    try:
        return ORDER.validate_json(bytes(line))
    except ValidationError as error:
        sys.exit(f"this is no order: {error.error_count()} errors")


def _listen(main_thread: int) -> None:
    """Stop the work when told to, and when nobody is left who could tell."""
    os.read(_STDIN, 1)
    signal.pthread_kill(main_thread, signal.SIGINT)
