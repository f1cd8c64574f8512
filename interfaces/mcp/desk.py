"""What this server works on: each order in a process of its own, heard whether anybody waits for it or not."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.to_thread

from ...contracts import AttemptFinished, Event, OptimizationError, Progress, RequestError, RunStarted
from ..cli.board import describe
from ..running.orders import OptimizeOrder, Order, ResumeOrder
from ..running.process import Work
from ..text import clean

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from .call import Call

TOKEN_VARIABLE = "SHIPFIT_MCP_TOKEN"
# Each run holds a process of about 300 MB; on one machine they take turns in measuring anyway.
MAX_RUNS = 8
MAX_TOOLS = 4
_LINES = 500
_PROGRESS_EVERY_S = 0.5
# Others may measure for minutes; who waits wants to hear that it is so, not each second of it.
_WAITING_EVERY_S = 10.0
_DEFAULT_ATTEMPTS = 6


@dataclass(frozen=True)
class Line:
    """Something that happened, in words; `done` of `total` steps, for a progress bar."""

    number: int
    done: float
    total: float
    text: str


class Running:
    """One order that is being worked on; what it tells is kept for whoever waits for it.

    Attributes:
        run: once it is known.
        owner: the call that the work is done for; it stops when that is cancelled. None: it goes on by itself.
    """

    def __init__(self, order: Order, attempts_of: Callable[[str], int]) -> None:
        environment = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
        self.work = Work(order, environment)
        self.is_run = isinstance(order, OptimizeOrder | ResumeOrder)
        self.run = order.run if isinstance(order, ResumeOrder) else None
        self.owner: Call | None = None
        self._attempts_of = attempts_of
        self._meter = Meter()
        self._lines: deque[Line] = deque(maxlen=_LINES)
        self._changed = anyio.Event()
        self._body: dict[str, Any] | None = None
        self._error: OptimizationError | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has come to something."""
        return self._body is not None or self._error is not None

    async def do(self) -> None:
        """Do the work."""
        body: dict[str, Any] | None = None
        error: OptimizationError | None = None
        try:
            body = await anyio.to_thread.run_sync(self.work.result, self._hear, limiter=anyio.CapacityLimiter(1))
        except OptimizationError as raised:
            error = raised
        self._body, self._error = body, error
        self._tell_change()

    async def outcome(self, call: Call) -> dict[str, Any]:
        """Tell `call` what happens until the work is over, and return what it came to.

        Raises:
            OptimizationError: it came to nothing.
        """
        told = 0
        while True:
            changed = self._changed
            for line in [line for line in self._lines if line.number > told]:
                told = line.number
                await call.tell(line.done, line.total, line.text)
            if self._error is not None:
                raise self._error
            if self._body is not None:
                return self._body
            await changed.wait()

    async def stop(self) -> None:
        """End it, with all that it started."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.work.stop, limiter=anyio.CapacityLimiter(1))
            while not self.is_over:
                await self._changed.wait()

    def _hear(self, event: Event) -> None:
        """Take an event in, in the thread that waits for the process."""
        if isinstance(event, RunStarted):
            self._meter.total = self._attempts_of(event.run) + 1
        text = self._meter.text(event)
        anyio.from_thread.run_sync(self._take, event, text)

    def _take(self, event: Event, text: str) -> None:
        if isinstance(event, RunStarted):
            self.run = event.run
        if text:
            number = self._lines[-1].number + 1 if self._lines else 1
            self._lines.append(Line(number, self._meter.done, self._meter.total, text))
        self._tell_change()

    def _tell_change(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


class Meter:
    """How far a run is: the attempts that have ended, and a part of the next step that grows with each event.

    Attributes:
        total: of the attempts that may be made, and concluding.
    """

    def __init__(self) -> None:
        self.total: float = _DEFAULT_ATTEMPTS + 1
        self._ended = 0
        self._since = 0
        # Whether it waits → when progress inside a job is told again.
        self._next = {True: 0.0, False: 0.0}

    @property
    def done(self) -> float:
        """Grows with every event that is counted; less than `total`."""
        return self._ended + self._since / (self._since + 20)

    def text(self, event: Event) -> str:
        """Count an event, and return it in words; nothing where it is not worth telling."""
        if isinstance(event, AttemptFinished):
            self._ended, self._since = self._ended + 1, 0
        self._since += 1
        if isinstance(event, Progress) and not self._is_due(event):
            return ""
        return clean(describe(event).strip(), 300)

    def _is_due(self, event: Progress) -> bool:
        waits, now = event.waited_s > 0, time.monotonic()
        if now < self._next[waits]:
            return False
        self._next[waits] = now + (_WAITING_EVERY_S if waits else _PROGRESS_EVERY_S)
        return True


class Desk:
    """Everything that is being worked on."""

    def __init__(self, group: TaskGroup, attempts_of: Callable[[str], int]) -> None:
        self._group = group
        self._attempts_of = attempts_of
        self._all: set[Running] = set()
        self._tools = anyio.CapacityLimiter(MAX_TOOLS)

    def begin(self, order: Order) -> Running:
        """Start on a run; it goes on whether anybody waits for it or not.

        Raises:
            RequestError: too many are being worked on.
        """
        if sum(each.is_run for each in self._all) >= MAX_RUNS:
            raise RequestError(f"{MAX_RUNS} runs are being worked on; wait for one, or stop one by the tool `cancel`")
        return self._start(order)

    def find(self, run: str) -> Running | None:
        """Return the work on a run that this server is doing."""
        return next((each for each in self._all if each.run == run and not each.is_over), None)

    async def attend(self, running: Running, call: Call, wait_s: float | None = None) -> dict[str, Any] | None:
        """Tell `call` what happens, and return what the work came to; None where `wait_s` passed before.

        The work stops when the call that it is done for is cancelled.

        Raises:
            OptimizationError: it came to nothing.
        """
        owns = running.owner is None
        if owns:
            running.owner = call
        try:
            with anyio.move_on_after(math.inf if wait_s is None else wait_s):
                return await running.outcome(call)
        except anyio.get_cancelled_exc_class():
            if owns:
                await running.stop()
            raise
        finally:
            if owns:
                running.owner = None
        return None

    async def use_tool(self, order: Order, call: Call) -> Mapping[str, Any]:
        """Do what needs no run, a few at a time, and return what came of it.

        Raises:
            OptimizationError: it cannot be done.
        """
        async with self._tools:
            found = await self.attend(self._start(order), call)
        assert found is not None  # nothing limits the waiting
        return found

    async def close(self) -> None:
        """Stop everything; runs stay resumable."""
        async with anyio.create_task_group() as group:
            for each in list(self._all):
                group.start_soon(each.stop)

    def _start(self, order: Order) -> Running:
        running = Running(order, self._attempts_of)
        self._all.add(running)
        self._group.start_soon(self._do, running)
        return running

    async def _do(self, running: Running) -> None:
        try:
            await running.do()
        finally:
            self._all.discard(running)


@asynccontextmanager
async def open_desk(attempts_of: Callable[[str], int]) -> AsyncGenerator[Desk]:
    """Yield a desk; at the end, everything on it is stopped.

    Args:
        attempts_of: tells how many attempts a run may make.
    """
    async with anyio.create_task_group() as group:
        desk = Desk(group, attempts_of)
        try:
            yield desk
        finally:
            with anyio.CancelScope(shield=True):
                await desk.close()
