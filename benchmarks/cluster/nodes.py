"""A Ray cluster of several nodes on this machine, started as a user would start it; for benchmarks and tests."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from shipfit.tools.cluster.link import Link

RAY = str(Path(sys.executable).with_name("ray"))
HOST = "127.0.0.1"
_OBJECT_STORE = 80_000_000
_START_S = 100.0
_END_S = 15.0


class Nodes:
    """A head node without CPUs, and as many others as are added; all end with the context.

    Attributes:
        address: of the head.
        environment: that nodes run in, and that a coordinator needs: the token, and no telemetry.
        place: folder of all that Ray and the nodes write; short, since sockets lie in it.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, *, authenticated: bool = True) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="sf-", dir="/tmp"))
        self.address = f"{HOST}:{_free_port()}"
        auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)} if authenticated else {}
        self.environment = {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DISABLE_IMPORT_WARNING": "1",
            "RAY_worker_niceness": "0",
            "RAY_raylet_start_wait_time_s": str(int(_START_S)),
            **(auth or {"RAY_AUTH_MODE": "disabled"}),
            **(environment or {}),
        }
        self._started: list[subprocess.Popen[bytes]] = []
        self._all: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        try:
            port = self.address.rpartition(":")[2]
            self._start(
                [
                    *("--head", f"--port={port}", f"--temp-dir={self.place / 'r'}", "--num-cpus=0"),
                    *("--include-dashboard=false", f"--ray-client-server-port={_free_port()}"),
                ]
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            self._remember(process)
            process.terminate()
        for each in psutil.wait_procs(self._all, timeout=_END_S)[1]:
            each.kill()
        for process in self._started:
            process.kill()
            process.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    def add(self, cpus: int = 1, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start one more node, and return its process once it has joined; `before` is put before `ray`.

        One after the other: two that start in one moment take each other's sockets.
        """
        return self._start([f"--address={self.address}", f"--num-cpus={cpus}"], before)

    def wait_for(self, count: int) -> None:
        """Wait until so many nodes, the head not counted, have joined and will be found."""
        deadline = time.monotonic() + _START_S
        with Link(self.address, environment=self.environment).wait() as link:
            while sum(node.cpus > 0 for node in link.nodes()) < count:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"fewer than {count} nodes have joined")
                time.sleep(0.2)

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """Kill a node as a machine dies: all at once."""
        self._remember(node)
        below = [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
        for each in below:
            if each.is_running():
                each.send_signal(signal.SIGKILL)
        node.wait()
        self._started.remove(node)
        psutil.wait_procs(below, timeout=_END_S)

    def _start(self, arguments: list[str], before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        common = ["--block", f"--node-ip-address={HOST}", f"--object-store-memory={_OBJECT_STORE}"]
        path = self.place / f"log{len(self._started)}-{time.monotonic_ns()}"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [*before, RAY, "start", *arguments, *common, "--disable-usage-stats"],
                env={**os.environ, "SHIPFIT_HOME": str(self.place / "home"), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        deadline = time.monotonic() + _START_S
        while b"Ray runtime started" not in (said := path.read_bytes()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"a node did not start: {said.decode(errors='replace')[-2000:]}")
            time.sleep(0.05)
        return process

    def _remember(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            self._all.update(psutil.Process(process.pid).children(recursive=True))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])
