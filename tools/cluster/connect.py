"""Open a cluster: check what was typed, connect, and see which nodes can take jobs."""

from __future__ import annotations

import os
import re
import socket
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...contracts import MachineError, OptimizationError, RequestError
from ..worker.messages import clean_line
from .driver import NODE
from .exchange import Exchange, check_store
from .executor import RayExecutor
from .fleet import Fleet
from .link import CONNECT_S, Link, takes_any_token
from .messages import Blob, FactsRequest

_REACH_S = 5.0


@dataclass(frozen=True)
class Cluster:
    """A cluster that jobs can be sent to.

    Attributes:
        slots: how many jobs run at once.
        left_out: a line for each node that no job goes to.
    """

    fleet: Fleet
    exchange: Exchange
    slots: int
    left_out: tuple[str, ...] = ()

    def executor(self) -> RayExecutor:
        """Return an executor for one thread."""
        return RayExecutor(self.fleet, self.exchange)


def check_address(address: str) -> tuple[str, int]:
    """Return host and port.

    Raises:
        RequestError: it is not of this form.
    """
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})", address, re.ASCII)
    if not found or not 0 < int(found[2]) < 2**16:
        raise RequestError(
            f"--ray {clean_line(address, 80)!r} is no address; write it as `ray start` shows it, like 10.0.0.1:6379"
        )
    return found[1].strip("[]"), int(found[2])


@contextmanager
def open_cluster(address: str, store: str | None, home: Path, module: str = NODE) -> Generator[Cluster]:
    """Yield a cluster, and end what was started on it.

    Args:
        address: of the head node, `host:port`.
        home: folder that holds all state of this machine.
        store: where files travel through; by default a folder below `home`, for nodes that all see it.
        module: what nodes run.

    Raises:
        RequestError: address, store or token are wrong, or Ray or what reaches the store is not installed.
        MachineError: the cluster or the store cannot be reached, or no node can take jobs.
    """
    host, port = check_address(address)
    url = check_store(store if store is not None else f"file://{home / 'cluster' / 'store'}")
    if find_spec("ray") is None:
        raise RequestError('--ray needs Ray: pip install "shipfit[ray]"')
    _reach(host, port, address)
    exchange = Exchange(url)
    with _linked(address, module) as link, _known(exchange) as known:
        fleet = Fleet(link, FactsRequest(store=url, known=known))
        slots = fleet.slots
        left_out = tuple(f"node {node} is left out: {reason}" for node, reason in fleet.left_out.items())
        if not slots:
            raise MachineError(
                f"no node of the cluster at {address} can take jobs: {'; '.join(left_out) or 'none offers a CPU'}"
            )
        yield Cluster(fleet, exchange, slots, left_out)


def _reach(host: str, port: int, address: str) -> None:
    try:
        socket.create_connection((host, port), _REACH_S).close()
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise MachineError(f"there is no Ray cluster at {address}: {clean_line(reason)}") from error


@contextmanager
def _known(exchange: Exchange) -> Generator[Blob]:
    """Put something into the store that nodes can look for, so that a store that cannot be used shows at once."""
    with tempfile.TemporaryDirectory(prefix="shipfit-") as folder:
        path = Path(folder, "known")
        path.write_bytes(os.urandom(32))
        blob = exchange.put(path)
    try:
        yield blob
    finally:
        with suppress(OptimizationError):
            exchange.remove(blob)


@contextmanager
def _linked(address: str, module: str) -> Generator[Link]:
    """Yield a link to a cluster that asks for its token.

    Raises:
        RequestError: the token is wrong, or the cluster takes any, so that whoever reaches it could run code on it.
    """
    with takes_any_token(address) as stranger, Link(address, module) as link:
        link.wait()
        deadline = time.monotonic() + CONNECT_S
        while not (stranger.connected or stranger.ended) and time.monotonic() < deadline:
            time.sleep(0.02)
        if stranger.connected:
            raise RequestError(
                f"the cluster at {address} asks for no token: whoever reaches it can run code on its nodes;"
                " start all of them with RAY_AUTH_MODE=token (see docs/cluster.md)"
            )
        stranger.close()
        yield link
