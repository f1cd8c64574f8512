"""What a node does: fetch a job's inputs, run the same child as anywhere, put its products into the store.

Ray calls `run`, `fetch` and `facts` with one JSON text and takes JSON texts from them, one by one. Nothing else
travels.
"""

from __future__ import annotations

import os
import queue
import shutil
import time
import uuid
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ...contracts import (
    Contract,
    Executor,
    JobResult,
    MachineError,
    OptimizationError,
    Progress,
    load_settings,
    to_wire,
)
from ...contracts.sealed import known_digest
from ..hardware import this_machine
from ..worker.local import LocalExecutor
from .cache import Cache
from .exchange import Exchange
from .messages import Blob, FactsRequest, Files, NodeAnswer, NodeFacts, NodeRequest, Said

# What decides, beside the job itself, what it gives.
LIBRARIES = ("shipfit", "onnx", "onnxruntime", "numpy", "torch")
_PROGRESS_EVERY_S = 0.25
_LOCK = ".lock"
_READ_ONLY = 0o444


def facts(text: str) -> Iterator[str]:
    """Say what this node is, and whether it can read and write the store."""
    request = FactsRequest.model_validate_json(text)
    try:
        with _scratch() as folder:
            exchange = Exchange(request.store)
            exchange.get(request.known, folder / "known")
            own = folder / "own"
            own.write_bytes(os.urandom(32))
            exchange.remove(exchange.put(own))
        fault = ""
    except OptimizationError as error:
        fault = error.message
    yield _said("facts", NodeFacts(hardware=this_machine(), versions=versions(), fault=fault))


def versions() -> dict[str, str]:
    """Return the versions of what decides a job's result; what is not installed is missing."""
    found: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def fetch(text: str) -> Iterator[str]:
    """Bring a job's inputs to this node, so that `run` need not while it holds the measuring slot.

    Args:
        text: a `NodeRequest`; the answer is that of a job that makes nothing.
    """
    yield _said("taken")
    try:
        request = NodeRequest.model_validate_json(text)
        with _scratch() as folder:
            _mounted(request, folder, Exchange(request.store))
        answer = NodeAnswer(result=JobResult(report={}), outputs={}, hardware=this_machine().fingerprint)
        yield _said("answer", answer)
    except OptimizationError as error:
        yield _error(error)


def run(text: str, executor: Executor | None = None) -> Iterator[str]:
    """Run a job and tell of it; the last message is its answer or its error.

    Args:
        text: a `NodeRequest`.
        executor: runs the child.
    """
    yield _said("taken")
    try:
        request = NodeRequest.model_validate_json(text)
        with _scratch() as folder:
            exchange = Exchange(request.store)
            inputs = _mounted(request, folder, exchange)
            yield _said("started")
            result = yield from _performed(request, inputs, folder / "work", executor or _executor())
            yield _said("finished")
            outputs = {role: _put(folder / "work" / path, exchange) for role, path in result.outputs.items()}
            answer = NodeAnswer(
                result=result.model_copy(update={"outputs": {}}), outputs=outputs, hardware=this_machine().fingerprint
            )
        yield _said("answer", answer)
    except OptimizationError as error:
        yield _error(error)


def _mounted(request: NodeRequest, folder: Path, exchange: Exchange) -> dict[str, Path]:
    """Lay a job's inputs below its folder, and return where each role's are."""
    inputs = {role: folder / "inputs" / role for role in request.inputs}
    for role, files in request.inputs.items():
        _cache(exchange).mount(files, inputs[role])
    return inputs


def _cache(exchange: Exchange) -> Cache:
    return Cache(_home() / "cache", exchange)


@cache
def _executor() -> LocalExecutor:
    """Return what runs the children of this process, one job after the other; importing is paid once."""
    return LocalExecutor()


def _said(kind: Any, body: Contract | None = None) -> str:
    return Said(kind=kind, body=body.model_dump(mode="json") if body else {}).model_dump_json()


def _error(error: OptimizationError) -> str:
    return Said(kind="error", body=to_wire(error)).model_dump_json()


def _performed(
    request: NodeRequest, inputs: dict[str, Path], work: Path, executor: Executor
) -> Generator[str, None, JobResult]:
    """Run the child in a thread beside, and yield its progress; whoever closes this ends the child."""
    told: queue.Queue[Progress | None] = queue.Queue()
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(executor.run, request.job, inputs, work, _Sink(told))
        future.add_done_callback(lambda _: told.put(None))
        try:
            while (progress := told.get()) is not None:
                yield _said("progress", progress)
        finally:
            _end(future, executor)
    return future.result()


def _end(future: Future[JobResult], executor: Executor) -> None:
    """End a child that still runs; it may just be about to start."""
    while not future.done():
        executor.cancel()
        time.sleep(0.02)


class _Sink:
    """Passes progress on, some of it: each message is an object of the cluster's."""

    def __init__(self, told: queue.Queue[Progress | None]) -> None:
        self._told = told
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_EVERY_S
            self._told.put(progress)


def _put(output: Path, exchange: Exchange) -> Files:
    """Put an output's files into the store; a file for itself is named as it is."""
    whole = sorted(output.rglob("*")) if output.is_dir() else [output]
    base = output if output.is_dir() else output.parent
    files: dict[str, Blob] = {}
    for path in whole:
        if path.is_file():
            _seal(path)
            blob = exchange.put(path)
            _cache(exchange).keep(blob, path)
            files[path.relative_to(base).as_posix()] = blob
    return files


def _seal(path: Path) -> None:
    """Let nobody write to a product; one that has another name is copied, unless we know that name."""
    found = path.stat()
    if found.st_nlink > 1 and known_digest(found) is None:
        own = path.with_name(f".{uuid.uuid4().hex}")
        shutil.copyfile(path, own)
        os.replace(own, path)
    path.chmod(_READ_ONLY)


def _home() -> Path:
    return load_settings().home / "cluster"


@contextmanager
def _scratch() -> Generator[Path]:
    """Yield a folder for one job. What a killed job left is removed by the next one."""
    place = _home() / "work"
    try:
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
    except OSError as error:
        raise MachineError(f"{place} cannot be written on the node {os.uname().nodename}: {error.strerror}") from error
    folder = place / uuid.uuid4().hex
    lock = FileLock(folder.with_suffix(_LOCK))
    with lock:
        try:
            folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(_LOCK).unlink(missing_ok=True)


def _sweep(place: Path) -> None:
    for lock in place.glob(f"*{_LOCK}"):
        try:
            with FileLock(lock, blocking=False):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)
        except Timeout:
            continue
