"""A command line in a folder of its own, over a service whose runs end as the test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shipfit.agents.answers import attempts_of
from shipfit.agents.timeline import timeline
from shipfit.contracts import (
    Attempt,
    AttemptFinished,
    Event,
    NodeFinished,
    NodeStarted,
    NodeTime,
    OptimizationResponse,
    Planned,
    Profiled,
    Progress,
    Question,
    Request,
    RequestError,
    RunFinished,
    RunStarted,
    Settings,
    load_settings,
)
from shipfit.interfaces.cli import main
from shipfit.memory.ledger import Ledger
from shipfit.memory.runs import RunRecord
from shipfit.memory.trail import TrailEntry

from . import responses

MODEL_BYTES = b"the model that would be delivered"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, state beside it, and a model and data that are there."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("SHIPFIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_COLOR", "1")
    (work / "digits.onnx").write_bytes(b"not looked into by the command line")
    (work / "digits.npz").write_bytes(b"neither is this")
    return tmp_path / "home"


@dataclass
class Answer:
    """What a command line came to."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that an error is."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


@pytest.fixture
def shipfit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def run(*arguments: str) -> Answer:
        capsys.readouterr()
        status = main(arguments)
        captured = capsys.readouterr()
        return Answer(status, captured.out, captured.err)

    return run


@dataclass
class FakeService:
    """The service's seam over a real ledger, without any work.

    `finish` turns the request into the response that the run ends with, `during` is called in the middle of it.
    """

    settings: Settings
    finish: Callable[[Request], OptimizationResponse] = lambda request: responses.response(request=request)
    during: Callable[[], None] = lambda: None
    cancelled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.settings.ledger)
        self.product = self.settings.home / "artifacts" / "product"
        self.product.mkdir(parents=True, exist_ok=True)
        (self.product / "model.onnx").write_bytes(MODEL_BYTES)

    def start(self, request: Request, advised: object = None) -> str:
        return self.ledger.runs.create(request, Path(request.out) if request.out else None).id

    def resume(self, run: str | None = None) -> str:
        return self.ledger.runs.claim(run or self.ledger.runs.latest_unfinished().id).id

    def events(self, run: str) -> Iterator[Event]:
        response = self.finish(self.run(run).request).model_copy(update={"run": run})
        yield RunStarted(run=run)
        yield NodeStarted(node="profile")
        yield Progress(tool="inspect", message="timing", fraction=0.5)
        yield Profiled(profile=responses.profile())
        yield NodeFinished(node="profile", seconds=0.4)
        self.during()
        for attempt in response.attempts:
            yield Planned(attempt=attempt.index, plan=attempt.plan)
            measured = NodeFinished(node="measure", attempt=attempt.index, seconds=attempt.wall_s)
            self.ledger.trail.append(run, "node", measured.model_dump(mode="json"))
            self.ledger.trail.append(run, "attempt", attempt.model_dump(mode="json", exclude_none=True))
            yield AttemptFinished(attempt=attempt)
        self.ledger.runs.finish(run, response.status, response, 41.0)
        yield RunFinished(run=run, status=response.status, reason=response.reason)

    def question(self, run: str) -> Question | None:
        return None

    def cancel(self, run: str) -> None:
        self.cancelled.append(run)
        self.ledger.runs.update(run, status="interrupted")

    def response(self, run: str) -> OptimizationResponse:
        found = self.run(run).response
        if found is None:
            raise RequestError(f"run {run} has not finished; go on with: shipfit resume {run}")
        return found

    def product_folder(self, run: str) -> Path:
        return self.product

    def runs(self) -> list[RunRecord]:
        return self.ledger.runs.latest()

    def run(self, run: str) -> RunRecord:
        return self.ledger.runs.get(run)

    def trail(self, run: str) -> list[TrailEntry]:
        return self.ledger.trail.of(run)

    def attempts(self, run: str) -> tuple[Attempt, ...]:
        return attempts_of(self.ledger.trail.of(run))

    def timeline(self, run: str) -> tuple[NodeTime, ...]:
        return timeline(self.ledger.trail.of(run))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    fake = FakeService(load_settings())
    for module in ("run", "resume", "runs", "dry_run"):
        monkeypatch.setattr(f"shipfit.interfaces.cli.{module}.open_service", lambda *_: fake, raising=False)
    monkeypatch.setattr("shipfit.interfaces.cli.seam.open_service", lambda *_: fake)
    yield fake
    fake.ledger.close()
