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
    Effort,
    Event,
    Executor,
    Interrupted,
    Limits,
    NodeFinished,
    Noticed,
    OptimizationError,
    OptimizationResponse,
    Policy,
    Question,
    Request,
    RunFinished,
    Settings,
    Timing,
    Waiting,
)
from ..memory.database import connection
from ..memory.ledger import Ledger
from ..memory.outcomes import ChromaOutcomeStore, NoOutcomeStore
from ..memory.store import LocalArtifactStore
from ..tools.context import model_file
from ..tools.hardware import peak_resident_bytes
from .consultations import Consultations
from .cpu import CpuMeter
from .execute import GRACE_S, Execution
from .host import probe_host
from .language.opening import Advised
from .monitor import OptimizationMonitor
from .respond import product_of, respond
from .run_trail import RunTrail
from .search.language_policy import counts
from .state import RunState
from .timeline import timeline
from .tracing import open_tracer

if TYPE_CHECKING:
    from .context import Damage, RunContext
    from .language.advisor import Run

NODES_PER_ATTEMPT = 8
NODES_BESIDE_ATTEMPTS = 12


def _recursion_limit(request: Request) -> int:
    return NODES_BESIDE_ATTEMPTS + NODES_PER_ATTEMPT * (request.budget.max_attempts + 1)


class Drive:
    """One run at work. `events` does the work; `stop` ends it after what is running.

    Attributes:
        waits: its last event was a question; once that is answered, `events` goes on.
    """

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
        self.waits = False
        self.answers: dict[tuple[str, str], ArtifactRef] = {}
        self.tables: dict[tuple[str, str, str], Damage] = {}
        self.settings = settings
        self.ledger = ledger
        self.policy = policy
        self._events: queue.Queue[Event | BaseException | None] = queue.Queue()
        self._stopped = threading.Event()
        self.cpu = cpu
        self.advised = advised
        self.trail = RunTrail(ledger.trail, run)
        self._consultations = Consultations(ledger.trail, run)
        self.monitor = OptimizationMonitor(request.monitoring, self.trail.keep_metrics, self.trail.phases())
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
        self.trail.keep(event)
        if isinstance(event, AttemptFinished):
            self.monitor.collect_attempt(event.attempt)
            self.execution.tracer.attempt(event.attempt)
        elif isinstance(event, NodeFinished):
            self._elapsed_s += event.seconds
            self.ledger.runs.update(self.run, elapsed_s=self._elapsed_s)
        self._events.put(event)

    def stop(self) -> None:
        """Have the run end at its next event."""
        self._stopped.set()

    def events(self) -> Iterator[Event]:
        """Yield events until the run ends, then what it ended with is raised if it is an error."""
        self.waits = False
        self._stopped.clear()
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

    def _work(self) -> None:
        try:
            with self.cpu.counted():
                with self.cpu.imports():
                    tracer = self.execution.tracer = open_tracer(self.settings, self.run, self.request)
                with tracer.session():
                    final, question = self._run_graph()
            self._events.put(self._finished(final) if question is None else self._waiting(question))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that listens, which raises it
            self._events.put(error)
            with suppress(OptimizationError):  # a full disk may be what ended the run
                self.ledger.runs.update(self.run, status="interrupted")
        finally:
            self._events.put(None)

    def _finished(self, final: RunState) -> RunFinished:
        response = self._finish(final)
        self.execution.tracer.finish(response.status, response.reason)
        return RunFinished(run=self.run, status=response.status, reason=response.reason, out=self.request.out)

    def _waiting(self, question: Question) -> Waiting:
        self.trail.keep_question(question)
        self.ledger.runs.update(self.run, status="waiting")
        self.waits = True
        return Waiting(run=self.run, question=question)

    def _run_graph(self) -> tuple[RunState, Question | None]:
        with self.cpu.imports():
            from .checkpoints import saver
            from .graph import build
        with saver(connection(self.settings.checkpoints)) as checkpointer:
            return self._invoke(build(checkpointer), self._context())

    def _invoke(self, graph: Any, context: RunContext) -> tuple[RunState, Question | None]:
        """Go on from the last checkpoint, or begin; every node is checkpointed before the next one runs.

        Returns:
            The state at the end, or where a person's answer is needed, with the question.
        """
        from langgraph.types import Command

        from .approval import pending

        config: dict[str, Any] = {"configurable": {"thread_id": self.run}}
        before = graph.get_state(config)
        state: RunState = before.values
        given: Any = None if state else self.trail.inputs(self.request)
        if (question := pending(before)) is not None:
            answer = self.trail.answer_to(question)
            if answer is None:
                return state, question
            given = Command(resume=answer.model_dump(mode="json"))
        config["recursion_limit"] = _recursion_limit(state.get("request", self.request))
        graph.invoke(given, config, context=context, durability="sync")
        after = graph.get_state(config)
        return after.values, pending(after)

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
            policy=self._consultations.policy(self.policy, self.advised.advisor, self.settings.agents),
            outcomes=outcomes,
            find_host=lambda: probe_host(self.settings, self.ledger, self.execution),
            emit=self.emit,
            advisor=self.advised.advisor,
            answers=self.answers,
            tables=self.tables,
        )

    def _as_advised(self) -> Run:
        from .language.advisor import Run

        return Run(
            record=self.trail.keep_language,
            left_s=lambda: self.request.budget.time_limit_s - self._elapsed_s,
            stopped=self._stopped.is_set,
            tell=lambda text: self.emit(Noticed(text=text)),
            name=self.run,
        )

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
        proposals = counts(self._consultations.all(), state.get("attempts", ()))
        request = state.get("request", self.request)
        response = respond(
            self.run, request, state, product, timing, self.execution.hardware,
            done, self.advised.use, proposals, self.monitor,
        )  # fmt: skip
        self.ledger.runs.finish(self.run, response.status, response, timing.wall_s)
        return response
