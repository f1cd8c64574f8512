"""Which nodes there are, what each is, and which of them a job goes to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import ValidationError

from ...contracts import Hardware, Interrupted, Job, MachineError, from_wire
from ..worker.messages import clean_line
from .driver import NodeSeen
from .link import Call, Gone, Link
from .messages import FactsRequest, NodeFacts, Said
from .node import versions

# Asking which nodes there are costs as much as the whole way of a job.
_LOOK_EVERY_S = 5.0
# The same when one was lost, or none is there.
_LOOK_AGAIN_S = 0.5
# A process on a node begins with importing this package; a busy node takes its time.
_FACTS_S = 60.0
# A node that was lost may be on its way back.
PATIENCE_S = 20.0
_MAX_FACTS = 2**16
GONE = "the connection to the Ray cluster is lost; go on with --resume once it is there again"


@dataclass
class Node:
    """A node, how many jobs of this process are there, and the digests of files that these have brought to it."""

    seen: NodeSeen
    facts: NodeFacts
    jobs: int = 0
    measuring: int = 0
    held: set[str] = field(default_factory=set[str])

    @property
    def load(self) -> float:
        """Jobs for each of its CPUs."""
        return self.jobs / max(self.seen.cpus, 1.0)


@dataclass
class Fleet:
    """The nodes of a cluster that jobs can run on.

    Attributes:
        question: what each new node is asked.
        left_out: address and reason of nodes that no job goes to.
    """

    link: Link
    question: FactsRequest
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    _nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    _known: set[str] = field(default_factory=set[str])
    _looked: float = float("-inf")
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def slots(self) -> int:
        """How many jobs can run at once."""
        with self._lock:
            self._look(_LOOK_AGAIN_S)
            return int(sum(node.seen.cpus for node in self._nodes.values()))

    def hardware(self) -> Hardware:
        """Return the hardware of the node that is the most idle.

        Raises:
            MachineError: there is no node.
        """
        with self._lock:
            self._look(_LOOK_AGAIN_S)
            found = min(self._nodes.values(), key=lambda node: (node.measuring, node.load), default=None)
        if found is None:
            raise MachineError(self._none(None))
        return found.facts.hardware

    @contextmanager
    def place(self, job: Job, last: str | None, avoid: Collection[str], stopped: Callable[[], bool]) -> Generator[Node]:
        """Yield the node that a job goes to: of its hardware, the most idle, where there is a choice the `last` one.

        Those to avoid are only taken where there is no other.

        Raises:
            MachineError: there is none, and none came for a while.
            Interrupted: `stopped` said so meanwhile.
        """
        node = self._wait_for(job, last, avoid, stopped)
        try:
            yield node
        finally:
            with self._lock:
                node.jobs -= 1
                node.measuring -= job.needs == "bench"

    def _wait_for(self, job: Job, last: str | None, avoid: Collection[str], stopped: Callable[[], bool]) -> Node:
        deadline = time.monotonic() + PATIENCE_S
        look_every_s = _LOOK_AGAIN_S if avoid else _LOOK_EVERY_S
        while True:
            with self._lock:
                self._look(look_every_s)
                if (node := self._choose(job, last, avoid)) is not None:
                    node.jobs += 1
                    node.measuring += job.needs == "bench"
                    return node
            if stopped():
                raise Interrupted("the job was cancelled; the run can be resumed")
            if time.monotonic() > deadline:
                raise MachineError(self._none(job.hardware))
            look_every_s = _LOOK_AGAIN_S
            time.sleep(_LOOK_AGAIN_S)

    def _choose(self, job: Job, last: str | None, avoid: Collection[str]) -> Node | None:
        fits = [node for node in self._nodes.values() if job.hardware in (None, node.facts.hardware.fingerprint)]

        def rank(node: Node) -> tuple[bool, float, float, bool]:
            waits = node.measuring if job.needs == "bench" else 0
            return node.seen.id in avoid, waits, node.load, node.seen.id != last

        return min(fits, key=rank, default=None)

    def _none(self, hardware: str | None) -> str:
        kind = f"of hardware {hardware}, on which this run measures, " if hardware else ""
        left = "; ".join(f"{address} is left out: {reason}" for address, reason in self.left_out.items())
        return f"no node {kind}is in the cluster; start one and go on with --resume{f' ({left})' if left else ''}"

    def _look(self, every_s: float) -> None:
        """Bring the nodes up to date, now and then; a new one is asked what it is."""
        now = time.monotonic()
        if now < self._looked + every_s:
            return
        try:
            seen = {node.id: node for node in self.link.nodes() if node.cpus >= 1}
        except Gone as error:
            raise MachineError(GONE) from error
        for gone in self._nodes.keys() - seen.keys():
            del self._nodes[gone]
        new = [node for node in seen.values() if node.id not in self._known]
        self._known.update(node.id for node in new)
        threads = [threading.Thread(target=self._admit, args=(node,), daemon=True) for node in new]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._looked = time.monotonic()

    def _admit(self, seen: NodeSeen) -> None:
        try:
            facts = self._facts(seen)
        except MachineError as error:
            self.left_out[seen.address] = error.message
            return
        if fault := facts.fault or _mismatch(facts):
            self.left_out[seen.address] = clean_line(fault)
        else:
            self._nodes[seen.id] = Node(seen, facts)

    def _facts(self, seen: NodeSeen) -> NodeFacts:
        with Call(self.link, "facts", self.question.model_dump_json(), seen) as call:
            try:
                heard = next(call.heard(_FACTS_S))
            except Gone as error:
                raise MachineError(GONE) from error
        if heard is not None and heard.kind == "said":
            return _read(heard.text)
        reason = "it did not say what it is" if heard is None else clean_line(heard.text)
        raise MachineError(f"{reason}; is shipfit installed there?")


def _read(text: str) -> NodeFacts:
    try:
        if len(text) > _MAX_FACTS:
            raise ValueError("too long")
        said = Said.model_validate_json(text)
        if said.kind == "error":
            raise from_wire(said.body)
        return NodeFacts.model_validate(said.body)
    except (ValueError, ValidationError) as error:
        raise MachineError("what it says of itself makes no sense") from error


def _mismatch(facts: NodeFacts) -> str:
    """Say which library has another version than here: equal work must give an equal result."""
    here = versions()
    other = [
        f"{name} {clean_line(facts.versions.get(name, 'missing'), 40)} (here {here.get(name, 'missing')})"
        for name in {*here, *facts.versions}
        if here.get(name) != facts.versions.get(name)
    ]
    return f"it has {', '.join(sorted(other))}; install the same" if other else ""
