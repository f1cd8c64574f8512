"""A batch on the command line, over services whose runs end at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import Interrupted, ModelFileError, OptimizationResponse, Request, load_settings
from shipfit.interfaces.cli import seam

from .. import responses
from ..conftest import FakeService


class FakeExecutor:
    """Has no children; a run that waits for the end of its batch is woken by `cancel`."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()


class Services:
    """The services of a batch's threads, which share what the test says about their runs.

    Attributes:
        started: names of the models whose runs were started, in order.
        refuse: names that admission refuses.
        advised: what read the words of each, by name.
        during: called in the middle of each run, with the model's name and its service's executor.
    """

    def __init__(self) -> None:
        self.started: list[str] = []
        self.resumed: list[str] = []
        self.refuse: set[str] = set()
        self.advised: dict[str, Any] = {}
        self.during: Callable[[str, FakeExecutor], None] = lambda name, executor: None
        self.finish: Callable[[Request], OptimizationResponse] = lambda request: responses.response(request=request)
        self.opened: list[FakeService] = []

    def open(self) -> FakeService:
        service = BatchService(load_settings(), self)
        self.opened.append(service)
        return service


class BatchService(FakeService):
    def __init__(self, settings: Any, services: Services) -> None:
        super().__init__(settings)
        self.services = services
        self.executor = FakeExecutor()
        self.name = ""
        self.during = lambda: services.during(self.name, self.executor)
        self.finish = lambda request: services.finish(request)

    def start(self, request: Request, advised: Any = None) -> str:
        self.name = Path(request.model).stem
        self.services.started.append(self.name)
        self.services.advised[self.name] = advised
        if self.name in self.services.refuse:
            raise ModelFileError(f"'{self.name}.onnx' is not a model")
        return super().start(request, advised)

    def resume(self, run: str | None = None) -> str:
        found = super().resume(run)
        self.name = Path(self.run(found).request.model).stem
        self.services.resumed.append(self.name)
        return found


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    found = Services()
    monkeypatch.setattr(seam, "open_service_of_many", found.open)
    yield found
    for service in found.opened:
        service.ledger.close()


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """A folder for a zoo, beside the state and the working directory."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    return folder


@pytest.fixture
def make_zoo(zoo: Path) -> Callable[..., Path]:
    """Write models, each with a line of a manifest; `lines` are further ones."""

    def make(*names: str, lines: str = "") -> Path:
        for name in names:
            (zoo / f"{name}.onnx").write_bytes(name.encode())
        entries = "".join(f"  - path: {name}.onnx\n" for name in names)
        (zoo / "zoo.yaml").write_text(f"defaults: {{max_size: 30%}}\nmodels:\n{entries}{lines}")
        return zoo

    return make


def rows(out: Path) -> dict[str, dict[str, Any]]:
    """The rows of a summary by name."""
    return {row["name"]: row for row in json.loads((out / "summary.json").read_text())["models"]}


def wait_for_the_end(name: str, executor: FakeExecutor) -> None:
    """Work until somebody cancels it."""
    if not executor.cancelled.wait(60):
        raise AssertionError("nobody cancelled it")
    raise Interrupted("cancelled")
