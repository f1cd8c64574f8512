"""One job on one node, heard out: its answer, or why there is none, within the limits of the job."""

from __future__ import annotations

import time
from typing import Literal, Self

from pydantic import ValidationError

from ...contracts import (
    Job,
    OptimizationError,
    Progress,
    ProgressSink,
    WorkerMalformed,
)
from ..worker.messages import clean_error, clean_line
from .driver import Heard
from .fleet import GONE, Node
from .link import Call, Gone, Link
from .messages import NodeAnswer, Said

_POLL_S = 0.5
_END_S = 10.0
# The node's own executor ends a job in time; it has so much longer to say so.
_GRACE_S = 60.0
# What a job's files may take to come or to go.
TRANSFER_S = 1800.0
_MOST_WAITING_S = 3600.0
_PROGRESS_CHARS = 64 * 2**10
_ENVELOPE_CHARS = 2**16
# Bytes of what a job made, together.
MAX_OUTPUT_BYTES = 64 * 2**30


class Lost(Exception):
    """The node, or Ray's process there, has gone or is silent: nothing is known of the job."""


class Attempt:
    """A call of `node.run`, or of `node.fetch` ahead of it; used as a context, it ends with it."""

    def __init__(
        self,
        link: Link,
        node: Node,
        job: Job,
        request: str,
        progress: ProgressSink | None,
        do: Literal["run", "fetch"] = "run",
    ) -> None:
        self._job = job
        self._node = node
        self._progress = progress
        cpus = min(float(max(job.threads, 1)), node.seen.cpus)
        self._call = Call(link, do, request, node.seen, cpus, do == "run" and job.needs == "bench")
        self._asked = time.monotonic()
        self._taken: float | None = None
        self._deadline = float("inf")
        self._queued_s = 0.0
        self._waited_s = 0.0

    def __enter__(self) -> Self:
        self._call.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._call.__exit__()

    def cancel(self) -> None:
        """End the job on its node, which is waited for for a moment. Any thread may ask, repeatedly."""
        self._deadline = min(self._deadline, time.monotonic() + _END_S)
        self._call.cancel()

    def answer(self) -> NodeAnswer:
        """Return what the job came to.

        Raises:
            Lost: the node did not deliver, so that the job may be run elsewhere.
            OptimizationError: the tool's own, the child's, or a node's that does not speak the language.
        """
        try:
            for heard in self._call.heard(_POLL_S):
                if heard is not None and (outcome := self._taken_in(heard)) is not None:
                    self._call.let_end()
                    break
                if time.monotonic() > self._deadline:
                    raise Lost(f"the node {self._name} does not answer")
            else:
                raise self._malformed("ended without an answer")
        except Gone as error:
            raise Lost(GONE) from error
        if isinstance(outcome, OptimizationError):
            raise outcome
        return outcome

    @property
    def _name(self) -> str:
        return clean_line(self._node.seen.address, 60)

    def _taken_in(self, heard: Heard) -> NodeAnswer | OptimizationError | None:
        if heard.kind == "lost":
            raise Lost(f"the node {self._name} is lost ({clean_line(heard.text, 160)})")
        if heard.kind == "broken":
            raise self._malformed(f"failed: {clean_line(heard.text, 200)}")
        if heard.kind != "said":
            raise self._malformed("ended without an answer")
        said = self._said(heard.text)
        if said.kind == "answer":
            return self._answer(said)
        if said.kind == "error":
            return self._error(said)
        if said.kind == "progress":
            self._forward(said, len(heard.text))
        else:
            self._begin(said.kind)
        return None

    def _said(self, text: str) -> Said:
        if len(text) > self._job.limits.answer_bytes + _ENVELOPE_CHARS:
            raise self._malformed(f"answered with more than {self._job.limits.answer_bytes} bytes")
        try:
            return Said.model_validate_json(text)
        except ValidationError as error:
            raise self._malformed("answered something that is no message") from error

    def _begin(self, stage: str) -> None:
        """Give the next stage its time: files come, the child works, files go."""
        now = time.monotonic()
        if stage == "taken" and self._taken is None:
            self._taken, self._queued_s = now, now - self._asked
        working = self._job.limits.time_s + _GRACE_S if stage == "started" else TRANSFER_S
        self._deadline = now + working

    def _forward(self, said: Said, length: int) -> None:
        try:
            if length > _PROGRESS_CHARS:
                raise ValueError("too long")
            progress = Progress.model_validate(said.body)
        except ValueError as error:
            raise self._malformed("told progress that is none") from error
        waited = min(progress.waited_s, time.monotonic() - self._asked, _MOST_WAITING_S)
        self._deadline += max(waited - self._waited_s, 0.0)
        self._waited_s = max(waited, self._waited_s)
        if self._progress is not None:
            named = {"tool": self._job.tool, "message": clean_line(progress.message), "waited_s": self._waited_s}
            self._progress(progress.model_copy(update=named))

    def _answer(self, said: Said) -> NodeAnswer:
        try:
            answer = NodeAnswer.model_validate(said.body)
        except ValidationError as error:
            raise self._malformed("answered something that is no result") from error
        if self._job.hardware not in (None, answer.hardware):
            raise self._malformed(f"measured on hardware {clean_line(answer.hardware, 20)}, not {self._job.hardware}")
        size = sum(blob.size_bytes for files in answer.outputs.values() for blob in files.values())
        if size > MAX_OUTPUT_BYTES or any(not files for files in answer.outputs.values()):
            raise self._malformed("gave outputs that cannot be")
        waited = min(answer.result.waited_s, time.monotonic() - self._asked, _MOST_WAITING_S)
        # Whoever waits for a node waits for others, as for the end of their measurement.
        result = answer.result.model_copy(update={"waited_s": max(waited, 0.0) + self._queued_s, "outputs": {}})
        return answer.model_copy(update={"result": result})

    def _error(self, said: Said) -> OptimizationError:
        try:
            error = clean_error(said.body)
        except (KeyError, TypeError, ValueError) as fault:
            raise self._malformed("told an error that is none") from fault
        error.details["waited_s"] = self._waited_s + self._queued_s
        return error

    def _malformed(self, what: str) -> WorkerMalformed:
        return WorkerMalformed(f"the node {self._name} {what}", details={"tool": self._job.tool})
