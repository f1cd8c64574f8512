"""A ledger, a store, and outcomes to remember."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import Constraints, OperatorShare, Outcome, Plan, Profile, Request, Target
from shipfit.memory.ledger import Ledger
from shipfit.memory.runs import RunRecord
from shipfit.memory.store import LocalArtifactStore

MakeProfile = Callable[..., Profile]
MakeOutcome = Callable[..., Outcome]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "home" / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "home" / "artifacts")


@pytest.fixture
def request_() -> Request:
    return Request(model="/models/net.onnx", constraints=Constraints(max_size_ratio=0.3))


@pytest.fixture
def run(ledger: Ledger, request_: Request) -> RunRecord:
    return ledger.runs.create(request_)


@pytest.fixture
def make_profile() -> MakeProfile:
    def make(op_type: str = "Conv", parameters: int = 10**6, **changes: Any) -> Profile:
        size = 4 * parameters
        operator = OperatorShare(op_type=op_type, count=3, weight_bytes=size, time_share=1.0)
        facts: dict[str, Any] = {
            "opset": 17, "ir_version": 8, "parameters": parameters, "nodes": 10, "size_bytes": size,
            "weight_bytes": size, "graph_bytes": 100, "storable_bytes": size, "fixed_bytes": 0, "inputs": (),
            "outputs": (), "operators": (operator,), "quantizable_share": 1.0, "prunable_share": 1.0,
        }  # fmt: skip
        return Profile.model_validate(facts | changes)

    return make


@pytest.fixture
def make_outcome(make_profile: MakeProfile) -> MakeOutcome:
    def make(name: str, op_type: str = "Conv", parameters: int = 10**6, **changes: Any) -> Outcome:
        facts: dict[str, Any] = {
            "id": name, "run": "r", "created": time.time(), "model": "a" * 64,
            "profile": make_profile(op_type, parameters), "target": Target(),
            "constraints": Constraints(max_size_ratio=0.3), "hardware": "here", "plan": Plan(), "verdict": "met",
        }  # fmt: skip
        return Outcome.model_validate(facts | changes)

    return make


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python processes that run a piece of code; what is left of them ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
