"""The coordinator's side of the driver process: started, spoken to by many threads, and ended."""

from __future__ import annotations

import itertools
import os
import queue
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Self

from pydantic import ValidationError

from ...contracts import MachineError, RequestError
from ..worker.messages import clean
from .driver import MAX_TEXT, NODE, Heard, NodeSeen, Order

CONNECT_S = 40.0
_LEAVE_S = 5.0
_END_S = 10.0
_MAX_LINE = 8 * MAX_TEXT
_NOISE_BYTES = 64 * 2**10
# What Ray writes again and again where a token is refused, and what it raises where none is to be found.
_REFUSED = (b"InvalidAuthToken", b"Unauthenticated")
_NO_TOKEN = b"no authentication token was found"
# No telemetry, no warnings for developers of Ray, and a token whatever the version's default.
_FIXED = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1", "RAY_AUTH_MODE": "token"}


class Gone(Exception):
    """The driver has ended, and with it every call."""


class Link:
    """A driver that is connected to a cluster.

    Args:
        address: `host:port`.
        module: what nodes run.
        environment: laid over this process's own.

    Raises:
        RequestError: the token is missing or refused.
        MachineError: the cluster does not answer, or this machine is no part of it.
    """

    def __init__(self, address: str, module: str = NODE, environment: Mapping[str, str] | None = None) -> None:
        self.address = address
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._calls: dict[int, queue.Queue[Heard | None]] = {}
        # Calls that have said all that is waited for → when they must have ended.
        self._ending: dict[int, float] = {}
        self._noise = bytearray()
        self._ready = threading.Event()
        self._gone = threading.Event()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "shipfit.tools.cluster.driver", address, module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the coordinator, which ends the calls first
                env={**os.environ, **_FIXED, **(environment or {})},
            )
        except OSError as error:
            raise MachineError(f"the process that speaks Ray cannot be started: {error.strerror}") from error
        self._threads = [
            threading.Thread(target=work, name=f"ray-{work.__name__}", daemon=True)
            for work in (self._hear, self._hear_noise)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self) -> Self:
        """Wait until it is connected."""
        deadline = time.monotonic() + CONNECT_S
        while not self._ready.wait(0.05):
            if self.refused or self._gone.is_set() or time.monotonic() > deadline:
                self.close()
                raise self._unconnected()
        return self

    @property
    def refused(self) -> bool:
        """Whether the cluster did not take the token."""
        return any(word in self._noise for word in _REFUSED)

    @property
    def connected(self) -> bool:
        """Whether it is connected, and lives."""
        return self._ready.is_set() and not self._gone.is_set()

    @property
    def ended(self) -> bool:
        """Whether nothing more can be expected of it."""
        return self.refused or self._gone.is_set()

    def nodes(self) -> tuple[NodeSeen, ...]:
        """Return the nodes that live.

        Raises:
            Gone: the cluster is.
        """
        with Call(self, "nodes") as call:
            for heard in call.heard(CONNECT_S):
                if heard is not None and heard.kind == "nodes":
                    return heard.nodes
                break
        raise Gone

    def close(self) -> None:
        """End the driver, and wait for it."""
        with self._lock:
            assert self._process.stdin is not None
            with suppress(BrokenPipeError):  # it has ended before it heard all
                self._process.stdin.close()
        try:
            self._process.wait(_LEAVE_S if self.connected else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def enter(self) -> tuple[int, queue.Queue[Heard | None]]:
        """Return the number of a new call, and where what it says arrives; None is the driver's end."""
        number, heard = next(self._numbers), queue.Queue[Heard | None]()
        with self._lock:
            self._calls[number] = heard
        self._cancel_overdue()
        if self._gone.is_set():
            heard.put(None)
        return number, heard

    def leave(self, number: int, *, ends: bool) -> None:
        """Forget a call; whatever it still says is dropped. One that `ends` has a moment for it."""
        with self._lock:
            self._calls.pop(number, None)
            if ends:
                self._ending[number] = time.monotonic() + _END_S

    def _cancel_overdue(self) -> None:
        """Cancel calls that have not ended by themselves, which spares a node its process."""
        now = time.monotonic()
        with self._lock:
            overdue = [number for number, deadline in self._ending.items() if now > deadline]
            for number in overdue:
                del self._ending[number]
        for number in overdue:
            self.order(Order(do="cancel", call=number))

    def order(self, order: Order) -> None:
        """Send an order; one to a driver that has ended goes nowhere."""
        line = order.model_dump_json().encode() + b"\n"
        with self._lock:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except (BrokenPipeError, ValueError):
                return

    def _hear(self) -> None:
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline(_MAX_LINE)).endswith(b"\n"):
            try:
                heard = Heard.model_validate_json(line)
            except ValidationError:
                break
            if heard.kind == "ready":
                self._ready.set()
            with self._lock:
                listener = self._calls.get(heard.call)
                if heard.kind != "said":
                    self._ending.pop(heard.call, None)
            if listener is not None:
                listener.put(heard)
        self._process.kill()
        self._gone.set()
        with self._lock:
            for listener in self._calls.values():
                listener.put(None)

    def _hear_noise(self) -> None:
        assert self._process.stderr is not None
        while piece := os.read(self._process.stderr.fileno(), 2**16):
            self._noise = (self._noise + piece)[-_NOISE_BYTES:]

    def _unconnected(self) -> MachineError | RequestError:
        if self.refused:
            return RequestError(
                f"the cluster at {self.address} refuses the token; give its own in RAY_AUTH_TOKEN(_PATH)"
            )
        if _NO_TOKEN in self._noise:
            return RequestError(
                f"there is no token for the cluster at {self.address}; give it in RAY_AUTH_TOKEN(_PATH)"
            )
        last = (clean(self._noise.decode(errors="replace")).strip().splitlines() or ["it did not answer"])[-1][:200]
        return MachineError(
            f"no connection to a Ray cluster at {self.address}; this machine must be one of its nodes: {last}"
        )


class Call:
    """One call of a function on a node, or a question to the driver; used as a context, it is cancelled at the end."""

    def __init__(
        self,
        link: Link,
        do: str,
        text: str = "",
        node: NodeSeen | None = None,
        cpus: float = 1.0,
        measures: bool = False,
    ) -> None:
        self._link = link
        self._number, self._heard = link.enter()
        self._over = False
        self._ends = False
        link.order(
            Order.model_validate(
                {"do": do, "call": self._number, "text": text, "node": node, "cpus": cpus, "measures": measures}
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._over and not self._ends:
            self.cancel()
        self._link.leave(self._number, ends=self._ends and not self._over)

    def cancel(self) -> None:
        """Have the call end, with all that it started on its node."""
        self._link.order(Order(do="cancel", call=self._number))

    def let_end(self) -> None:
        """Have the call come to its own end, unheard: it has said all that it had to."""
        self._ends = True

    def heard(self, timeout_s: float) -> Iterator[Heard | None]:
        """Yield what the call says, to its end; None where nothing was said for so long.

        Raises:
            Gone: the driver has ended.
        """
        while not self._over:
            try:
                heard = self._heard.get(timeout=timeout_s)
            except queue.Empty:
                yield None
                continue
            if heard is None:
                self._over = True
                raise Gone
            self._over = heard.kind != "said"
            yield heard


def takes_any_token(address: str) -> Link:
    """Return a link with a token that nobody gave out: where it connects, the cluster asks for none."""
    return Link(address, environment={"RAY_AUTH_TOKEN": secrets.token_hex(32)})
