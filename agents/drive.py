"""Drive one run: the state machine in a thread of its own, its events in the caller's hands."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..contracts import (
    ArtifactRef,
    AttemptFinished,
    DataRef,
    Effort,
    Event,
    Executor,
    Interrupted,
    Limits,
    NodeFinished,
    Noticed,
    OptimizationError,
    OptimizationResponse,
    Planned,
    Policy,
    Request,
    RunFinished,
    Settings,
    Timing,
)
from ..memory.database import connection
from ..memory.ledger import Ledger
from ..memory.outcomes import ChromaOutcomeStore, NoOutcomeStore
from ..memory.store import LocalArtifactStore
from ..tools.context import model_file
from ..tools.hardware import fingerprint, peak_resident_bytes
from .cpu import CpuMeter
from .execute import GRACE_S, Execution
from .host import probe_host
from .language.opening import Advised
from .respond import product_of, respond
from .state import RunInput, RunState
from .timeline import timeline

if TYPE_CHECKING:
    from .context import RunContext
    from .language.advisor import Run

# The kind of a trail's entries about what a language model was asked.
LANGUAGE = "language"
NODES_PER_ATTEMPT = 8
NODES_BESIDE_ATTEMPTS = 12


class Drive:
    """One run at work. `events` does the work; `stop` ends it after what is running."""

    def __init__(
        self,
        run: str,
        request: Request,
        settings: Settings,
        ledger: Ledger,
        store: LocalArtifactStore,
        executor: Executor,
        policy: Policy,
        cpu: CpuMeter,
        advised: Advised,
    ) -> None:
        self.run = run
        self.request = request
        self.resumed = False
        self.settings = settings
        self.ledger = ledger
        self.policy = policy
        self._events: queue.Queue[Event | BaseException | None] = queue.Queue()
        self._stopped = threading.Event()
        self.cpu = cpu
        self.advised = advised
        self._elapsed_s = ledger.runs.get(run).elapsed_s
        self.execution = Execution(
            run,
            store,
            ledger,
            executor,
            settings.work,
            self.emit,
            seed=request.seed,
            threads=request.threads,
            limits=Limits(
                time_s=min(settings.job_time_s, request.budget.time_limit_s + GRACE_S),
                memory_bytes=settings.job_memory_bytes,
            ),
        )

    def emit(self, event: Event) -> None:
        """Hand an event to whoever listens; what a later reader needs goes on the trail.

        Raises:
            Interrupted: the run was stopped.
        """
        if self._stopped.is_set():
            raise Interrupted("the run was interrupted and can be resumed")
        if isinstance(event, Planned):
            self._record("planned", event, str(event.attempt))
        elif isinstance(event, AttemptFinished):
            self._record("attempt", event.attempt, str(event.attempt.index))
        elif isinstance(event, NodeFinished):
            self.ledger.trail.append(self.run, "node", event.model_dump(mode="json"))
            self._elapsed_s += event.seconds
            self.ledger.runs.update(self.run, elapsed_s=self._elapsed_s)
        self._events.put(event)

    def _record(self, kind: str, body: Any, once: str) -> None:
        self.ledger.trail.append(self.run, kind, body.model_dump(mode="json", exclude_none=True), once=once)

    def inputs(self) -> RunInput:
        """Return what the run was admitted with."""
        body = self.ledger.trail.of(self.run, "admitted")[0].body
        return RunInput(
            source=ArtifactRef.model_validate(body.get("source", body["original"])),
            original=ArtifactRef.model_validate(body["original"]),
            data=DataRef.model_validate(body["data"]),
            data_source=str(body["data_source"]),
            data_notes=tuple(map(str, body.get("data_notes", ()))),
            effort=Effort.model_validate(body["effort"]),
            elapsed_s=float(body["elapsed_s"]),
        )

    def stop(self) -> None:
        """Have the run end at its next event."""
        self._stopped.set()

    def events(self) -> Iterator[Event]:
        """Yield events until the run ends, then what it ended with is raised if it is an error."""
        if self.advised.unused is not None:
            yield Noticed(text=f"language model {self.advised.unused.model}: {self.advised.unused.note}")
        worker = threading.Thread(target=self._work, name=f"run-{self.run}", daemon=True)
        worker.start()
        try:
            while (event := self._events.get()) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            self.stop()
            self.execution.executor.cancel()
            worker.join(timeout=30.0)
            self.advised.close()

    def _work(self) -> None:
        try:
            with self.cpu.counted():
                final = self._run_graph()
            response = self._finish(final)
            self._events.put(
                RunFinished(run=self.run, status=response.status, reason=response.reason, out=self.request.out)
            )
        except BaseException as error:  # noqa: BLE001 - handed to the thread that listens, which raises it
            self._events.put(error)
            with suppress(OptimizationError):  # a full disk may be what ended the run
                self.ledger.runs.update(self.run, status="interrupted")
        finally:
            self._events.put(None)

    def _run_graph(self) -> RunState:
        with self.cpu.imports():
            from .checkpoints import saver
            from .graph import build
        with saver(connection(self.settings.checkpoints)) as checkpointer:
            return self._invoke(build(checkpointer), self._context())

    def _invoke(self, graph: Any, context: RunContext) -> RunState:
        """Go on from the last checkpoint, or begin; every node is checkpointed before the next one runs."""
        config = {"configurable": {"thread_id": self.run}, "recursion_limit": self._recursion_limit()}
        begun = bool(graph.get_state(config).values)
        given = None if begun else self.inputs()
        graph.invoke(given, config, context=context, durability="sync")
        final: RunState = graph.get_state(config).values
        return final

    def _recursion_limit(self) -> int:
        return NODES_BESIDE_ATTEMPTS + NODES_PER_ATTEMPT * (self.request.budget.max_attempts + 1)

    def _context(self) -> RunContext:
        from .context import RunContext

        with self.cpu.imports():
            outcomes = (
                ChromaOutcomeStore(self.settings.outcomes, self.ledger) if self.request.memory else NoOutcomeStore()
            )
            outcomes.count()
        if self.advised.advisor is not None:
            self.advised.advisor.attach(self._as_advised())
        return RunContext(
            run=self.run,
            request=self.request,
            execute=self.execution,
            policy=self.policy,
            outcomes=outcomes,
            hardware=fingerprint(),
            find_host=lambda: probe_host(self.settings, self.ledger, self.execution),
            emit=self.emit,
            advisor=self.advised.advisor,
        )

    def _as_advised(self) -> Run:
        from .language.advisor import Run

        return Run(
            record=self._keep_question,
            left_s=lambda: self.request.budget.time_limit_s - self._elapsed_s,
            stopped=self._stopped.is_set,
            tell=lambda text: self.emit(Noticed(text=text)),
        )

    def _keep_question(self, body: dict[str, Any]) -> None:
        self.ledger.trail.append(self.run, LANGUAGE, body)

    def _finish(self, state: RunState) -> OptimizationResponse:
        product = model_file(self.execution.store.path(product_of(state)))
        effort = state.get("effort", Effort())
        timing = Timing(
            wall_s=state.get("elapsed_s", 0.0),
            tools_s=max(effort.wall_s, self.execution.tools_s),
            coordinator_cpu_s=self.cpu.own_s,
            import_cpu_s=self.cpu.imports_s,
            coordinator_peak_bytes=peak_resident_bytes(),
        )
        done = timeline(self.ledger.trail.of(self.run))
        response = respond(self.run, self.request, state, product, timing, done, self.advised.use)
        self.ledger.runs.finish(self.run, response.status, response, timing.wall_s)
        return response
