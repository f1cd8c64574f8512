"""`RayExecutor`: runs each job in a child process on a node of a Ray cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ...contracts import (
    Hardware,
    Interrupted,
    Job,
    JobResult,
    MachineError,
    OptimizationError,
    Progress,
    ProgressSink,
    RequestError,
)
from ..registry import TOOLS
from ..worker.local import LocalExecutor, prepare
from ..worker.messages import TOOL_FOLDER
from ..worker.sandbox import MAX_REQUEST_BYTES
from .attempt import Attempt, Lost
from .exchange import Exchange
from .fleet import Fleet
from .messages import Blob, Files, NodeAnswer, NodeRequest

# How often a job is begun, before it is given up with its last node.
TRIES = 5


class _Request(NamedTuple):
    """A `NodeRequest` as it is sent, and the digests of all that it needs."""

    text: str
    digests: frozenset[str]


def _digests(files: Mapping[str, Files]) -> Iterator[str]:
    return (blob.sha256 for each in files.values() for blob in each.values())


class RayExecutor:
    """Implements `contracts.Executor` over the nodes of a cluster.

    What reads files of this machine, such as admitting a model, runs here. Each thread has an executor of its own; they
    share the fleet.
    """

    def __init__(self, fleet: Fleet, exchange: Exchange) -> None:
        self._fleet = fleet
        self._exchange = exchange
        self._here = LocalExecutor()
        self._lock = threading.Lock()
        self._running: set[Attempt] = set()
        self._cancels = 0
        self._last: str | None = None

    def run(self, job: Job, inputs: Mapping[str, Path], work: Path, progress: ProgressSink | None = None) -> JobResult:
        """Run `job` in a child on a node, and bring what it made to `work`.

        A job whose node is lost is run on another one.

        Raises:
            WorkerError: crash, time-out, out of memory or a malformed answer.
            OptimizationError: what the tool itself raised.
            MachineError: no node of the job's hardware is there, or the store cannot be used.
            Interrupted: `cancel` was called.
        """
        if job.tool in TOOLS and TOOLS[job.tool].cached == "run":
            return self._here.run(job, inputs, work, progress)
        cancels = self._cancels
        request = self._requested(job, inputs)
        avoid: set[str] = set()
        for left in reversed(range(TRIES)):
            try:
                return self._brought(self._attempt(job, request, avoid, progress, cancels), work)
            except Lost as error:
                if not left:
                    raise MachineError(f"{job.tool} was lost with its node {TRIES} times: {error}") from error
                if progress is not None:
                    progress(Progress(tool=job.tool, message=f"{error}; trying elsewhere"))
        raise AssertionError("unreachable")

    def hardware(self) -> Hardware:
        """Return the hardware of the node that is the most idle."""
        return self._fleet.hardware()

    def cancel(self) -> None:
        """End the jobs that are running, here and on nodes; their `run` raises `Interrupted`."""
        self._here.cancel()
        with self._lock:
            self._cancels += 1
            attempts = set(self._running)
        for attempt in attempts:
            attempt.cancel()

    def _requested(self, job: Job, inputs: Mapping[str, Path]) -> _Request:
        files = {role: self._put(folder) for role, folder in inputs.items()}
        text = NodeRequest(job=job, inputs=files, store=self._exchange.url).model_dump_json()
        if len(text) > MAX_REQUEST_BYTES:
            raise RequestError(f"the request to {job.tool} is too long to be sent")
        return _Request(text, frozenset(_digests(files)))

    def _put(self, folder: Path) -> dict[str, Blob]:
        """Put an artifact's files into the store; returns what they are there."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): self._exchange.put(path) for path in files}

    def _attempt(
        self, job: Job, request: _Request, avoid: set[str], progress: ProgressSink | None, cancels: int
    ) -> NodeAnswer:
        """Run a job on one node; what one that measures needs is brought there before.

        Raises:
            Lost: the node was, and is one to avoid.
        """

        def stopped() -> bool:
            return self._cancels != cancels

        with self._fleet.place(job, self._last, avoid, stopped) as node:
            self._last = node.seen.id
            waited_s = 0.0
            try:
                if job.needs == "bench" and not request.digests <= node.held:
                    fetch = Attempt(self._fleet.link, node, job, request.text, progress, "fetch")
                    waited_s = self._heard_out(fetch, stopped).result.waited_s
                answer = self._heard_out(Attempt(self._fleet.link, node, job, request.text, progress), stopped)
            except (Lost, OptimizationError) as error:
                avoid.add(node.seen.id)
                if stopped():
                    raise Interrupted("the job was cancelled; the run can be resumed") from error
                raise
            node.held |= request.digests.union(_digests(answer.outputs))
        waited_s += answer.result.waited_s
        return answer.model_copy(update={"result": answer.result.model_copy(update={"waited_s": waited_s})})

    def _heard_out(self, attempt: Attempt, stopped: Callable[[], bool]) -> NodeAnswer:
        with attempt:
            with self._lock:
                self._running.add(attempt)
            try:
                if stopped():
                    raise Interrupted("the job was cancelled; the run can be resumed")
                return attempt.answer()
            finally:
                with self._lock:
                    self._running.discard(attempt)

    def _brought(self, answer: NodeAnswer, work: Path) -> JobResult:
        prepare(work)
        outputs: dict[str, str] = {}
        for role, files in answer.outputs.items():
            place = work / TOOL_FOLDER / role
            for name, blob in files.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                self._exchange.get(blob, place / name)
            outputs[role] = f"{TOOL_FOLDER}/{role}"
        return answer.result.model_copy(update={"outputs": outputs})
