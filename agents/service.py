"""The seam that every interface goes through: start, events, answer, response, cancel, resume."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..contracts import (
    Answer,
    ArtifactRef,
    Attempt,
    Changes,
    DataRef,
    Event,
    Executor,
    Explanation,
    Interrupted,
    NodeTime,
    OptimizationResponse,
    PhaseMetrics,
    Policy,
    Question,
    Request,
    RequestError,
    RunStarted,
    Settings,
    UserError,
    WhatIf,
    check_served,
    validate,
)
from ..memory.database import connection
from ..memory.ledger import Ledger
from ..memory.prune import PruneReport, prune_runs, release
from ..memory.runs import RunRecord
from ..memory.store import LocalArtifactStore
from ..memory.trail import TrailEntry
from ..tools.worker.local import LocalExecutor
from .answers import attempts_of, check_answer, phases_of, unanswered
from .cpu import CpuMeter
from .drive import Drive
from .dry_run import DryRun, dry_run
from .host import known_host
from .inquiry.explanation import explain
from .inquiry.past import alike, past_of
from .inquiry.what_if import what_if
from .intake import admit
from .language.opening import Advised, open_advisor
from .monitor import merged
from .recollection import Found, Recollection
from .run_trail import RunTrail
from .search.policy import BuiltInPolicy
from .timeline import timeline
from .tracing import check_tracing


class Service:
    """Runs and their results, for the command line, for Python and for whatever comes later.

    Args:
        settings: where state lives.
        executor: runs the jobs; by default child processes of this machine.
        policy: proposes plans; by default the built-in one.
        alone: this process works on one run at a time and on nothing else, so that its CPU time is the run's.
    """

    def __init__(
        self,
        settings: Settings,
        executor: Executor | None = None,
        policy: Policy | None = None,
        *,
        alone: bool = True,
    ) -> None:
        self.settings = settings
        self.ledger = Ledger(settings.ledger)
        self.store = LocalArtifactStore(settings.artifacts)
        self.executor = executor or LocalExecutor()
        self.policy = policy or BuiltInPolicy()
        self._alone = alone
        self._drives: dict[str, Drive] = {}

    def start(self, request: Request, advised: Advised | None = None) -> str:
        """Enter a run, admit its model and data, and return its id; the work is done by `events`.

        Args:
            request: checked.
            advised: the language model that read its words, if one did; its budget and its trail become the run's.

        Raises:
            UserError: the request, the model or the data are wrong; nothing of the run is kept.
            LanguageModelError: a language model that is required cannot be reached; nothing of the run is kept.
            Interrupted: Ctrl-C came meanwhile; the run can be resumed.
        """
        check_served(request)
        check_tracing(self.settings)
        known_host(self.settings, self.ledger)
        cpu = CpuMeter(alone=self._alone)
        advised = self._advised(request, cpu, given=advised)
        record = self.ledger.runs.create(request, Path(request.out) if request.out else None)
        try:
            self._admit(record.id, self._drive(record.id, request, cpu, advised))
        except UserError:
            self._drives.pop(record.id, None)
            advised.close()
            release(self.ledger, self.store, record.id)
            raise
        except KeyboardInterrupt:
            self.ledger.runs.update(record.id, status="interrupted")
            raise Interrupted(f"interrupted; go on with: shipfit resume {record.id}") from None
        except BaseException:
            self.ledger.runs.update(record.id, status="interrupted")
            raise
        return record.id

    def resume(self, run: str | None = None) -> str:
        """Take over an unfinished run (the latest one without `run`) and return its id.

        Raises:
            RequestError: there is none, or a process still works on it.
            MachineError: its model or data are gone or damaged.
            LanguageModelError: a language model that is required cannot be reached; the run stays resumable.
        """
        check_tracing(self.settings)
        name = run or self.ledger.runs.latest_unfinished().id
        with self.ledger.runs.taken_over(name) as record:
            cpu = CpuMeter(alone=self._alone)
            drive = self._drives.get(record.id)
            if drive is None:
                drive = self._drive(record.id, record.request, cpu, self._advised(record.request, cpu, record.id))
            drive.resumed = True
            drive.execution.clear()
            for ref in self._inputs(record.id, drive):
                self.store.path(ref)
        return record.id

    def events(self, run: str) -> Iterator[Event]:
        """Do the work of a run that was started or resumed, and yield what happens.

        The last is `RunFinished`; or `Waiting`, where a person is asked: then `answer`, `resume` and `events` again.

        Raises:
            Interrupted: it was cancelled and can be resumed.
            OptimizationError: it cannot go on; the ledger keeps it as interrupted.
        """
        drive = self._drives[run]
        try:
            yield RunStarted(run=run, resumed=drive.resumed)
            yield from drive.events()
        finally:
            if not drive.waits:  # its queue and its context are of no more use; hundreds may follow
                self._drives.pop(run, None)
                drive.advised.close()

    def question(self, run: str) -> Question | None:
        """Return what a run waits to be told, None where it waits for nothing."""
        return unanswered(self.ledger.trail.of(self.ledger.runs.get(run).id))

    def answer(self, run: str, answer: Answer) -> None:
        """Record the answer that a run waits for; `resume` goes on with it, here or in another process.

        Raises:
            RequestError: the run waits for none, the answer cannot be, or somebody else was quicker.
        """
        name = self.ledger.runs.get(run).id
        question = self.question(name)
        if question is None:
            raise RequestError(f"run {name} waits for no answer; `shipfit runs show {name}` says how far it is")
        admitted = self.ledger.trail.of(name, "admitted")[0].body
        check_answer(question, answer, validate(DataRef, admitted["data"]))
        body = {"question": question.id, "answer": answer.model_dump(mode="json")}
        if not self.ledger.trail.append(name, "answer", body, once=question.id):
            raise RequestError(f"the question of run {name} was answered meanwhile")

    def explain(self, run: str, question: str = "") -> Explanation:
        """Return why a run went, or goes, as it does: from its trail, by rule, and running nothing.

        Args:
            run: id of the run, or its beginning.
            question: may name attempts, kinds of plans (`int4`, `pruning` …) or bounds; without any, all is told.
        """
        return explain(past_of(self.settings, self.ledger, run), question)

    def what_if(self, run: str | Request, changes: Changes) -> WhatIf:
        """Return what changed bounds would cost, from what a run measured and what is predicted; nothing is run.

        Args:
            run: id of the run, or a request for a model that was worked on before.
            changes: laid over the request as it stands.

        Raises:
            RequestError: the changes cannot be, or nothing is known of the model.
        """
        if isinstance(run, str):
            return what_if(past_of(self.settings, self.ledger, run), changes)
        return what_if(alike(self.settings, self.ledger, run), changes)

    def response(self, run: str) -> OptimizationResponse:
        """Return the response of a finished run.

        Raises:
            RequestError: it has not finished.
        """
        found = self.ledger.runs.get(run).response
        if found is None:
            raise RequestError(f"run {run} has not finished; go on with: shipfit resume {run}")
        return found

    def cancel(self, run: str) -> None:
        """Stop the work on a run; it stays resumable."""
        self.executor.cancel()
        drive = self._drives.get(run)
        if drive is not None:
            drive.stop()
        if self.ledger.runs.get(run).status == "running":
            self.ledger.runs.update(run, status="interrupted")

    def product_folder(self, run: str) -> Path:
        """Return the folder of the model that a finished run delivers; nobody may write to it."""
        response = self.response(run)
        best = next((item for item in response.attempts if item.index == response.delivered), None)
        if best is not None and best.candidate is not None:
            return self.store.path(best.candidate)
        digest = self.ledger.runs.get(run).model_digest
        if digest is None:
            raise RequestError(f"run {run} has no admitted model")
        return self.store.path(ArtifactRef(id=digest))

    def dry_run(self, request: Request) -> DryRun:
        """Return profile, plans, predictions and a time estimate; nothing is kept."""
        return dry_run(check_served(request), self.settings, self.ledger, self.executor, self.policy)

    @property
    def memory(self) -> Recollection:
        """What was remembered of all runs."""
        return Recollection(self.settings, self.ledger)

    def search_memory(self, request: Request, limit: int) -> Found:
        """Return what a run of `request` would recall; nothing is kept."""
        return self.memory.search(check_served(request), self.executor, self.policy, limit)

    def runs(self) -> list[RunRecord]:
        """Return all runs, the latest first."""
        return self.ledger.runs.latest()

    def run(self, run: str) -> RunRecord:
        """Return the run whose id begins with `run`."""
        return self.ledger.runs.get(run)

    def trail(self, run: str) -> list[TrailEntry]:
        """Return everything that a run found out, in order."""
        return self.ledger.trail.of(run)

    def attempts(self, run: str) -> tuple[Attempt, ...]:
        """Return the attempts of a run so far, each with the last verdict it was given."""
        return attempts_of(self.ledger.trail.of(run))

    def metrics(self, run: str) -> tuple[PhaseMetrics, ...]:
        """Return what was collected of a run, phase by phase, with the alerts that each would raise."""
        return tuple(merged(phases_of(self.ledger.trail.of(self.ledger.runs.get(run).id))).values())

    def timeline(self, run: str) -> tuple[NodeTime, ...]:
        """Return what a run did when, so far."""
        return timeline(self.ledger.trail.of(run))

    def prune(self, *, older_than_s: float | None = None, everything: bool = False) -> PruneReport:
        """Remove finished runs and the artifacts that nothing needs any more."""
        report = prune_runs(self.ledger, self.store, older_than_s=older_than_s, everything=everything)
        if report.runs:
            from .checkpoints import forget

            forget(connection(self.settings.checkpoints), report.runs)
        return report

    def _drive(self, run: str, request: Request, cpu: CpuMeter, advised: Advised) -> Drive:
        drive = Drive(run, request, self.settings, self.ledger, self.store, self.executor, self.policy, cpu, advised)
        self._drives[run] = drive
        return drive

    def _advised(
        self, request: Request, cpu: CpuMeter, run: str | None = None, given: Advised | None = None
    ) -> Advised:
        """Return the language model of a run; one that goes on keeps the budget that it had left."""
        earlier = RunTrail(self.ledger.trail, run).language() if run is not None else []
        advised = given if given and given.use else open_advisor(request.llm, self.settings, earlier)
        cpu.add_imports(advised.imports_s)
        return advised

    def _inputs(self, run: str, drive: Drive) -> tuple[ArtifactRef, ArtifactRef]:
        """Return model and data as artifacts; a run that was killed before it was admitted is admitted now."""
        if not drive.trail.admitted:
            self._admit(run, drive)
        inputs = drive.trail.inputs(drive.request)
        return inputs["original"], ArtifactRef(id=inputs["data"].id, kind="data")

    def _admit(self, run: str, drive: Drive) -> None:
        with drive.cpu.counted():
            admitted = admit(drive.request, drive.execution, self.settings.max_model_bytes)
        self.ledger.runs.update(run, model_digest=admitted["source"].id, data_digest=admitted["data"].id)
        drive.trail.keep_admitted(admitted)
