"""Requests in words from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipfit import DeploymentConfig, DeploymentOptimizationAgent
from shipfit.agents.service import Service
from shipfit.contracts import Request, RequestError, Settings


class Asked(Exception):
    """Carries the request that a call made."""

    def __init__(self, request: Request) -> None:
        self.request = request


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeploymentOptimizationAgent:
    def start(self: Service, request: Request, advised: object = None) -> str:
        raise Asked(request)

    monkeypatch.setattr(Service, "start", start)
    config = DeploymentConfig().override(optimization={"level": "aggressive"})
    return DeploymentOptimizationAgent(config, settings=Settings(home=tmp_path))


def asked(agent: DeploymentOptimizationAgent, **given: Any) -> Request:
    with pytest.raises(Asked) as caught:
        agent.optimize_for_deployment(model="m.onnx", **given)
    return caught.value.request


def test_words_beside_the_parts_of_a_call(agent: DeploymentOptimizationAgent) -> None:
    request = asked(agent, request="under 10 MB on a phone, at least 90% accuracy, no int4", require_accuracy=0.95)
    assert request.constraints.max_size_bytes == 10_000_000
    assert request.constraints.min_accuracy == 0.95
    assert request.target.platform == "edge"
    assert request.optimization.forbid == ("int4",)
    assert request.optimization.level == "aggressive"
    assert request.words is not None
    assert "min_accuracy" not in [each.field for each in request.understood]


def test_what_a_call_says_wins(agent: DeploymentOptimizationAgent) -> None:
    request = asked(agent, request="as small as possible on a phone", objective="latency", target={"runtime": "torch"})
    assert request.objective == "latency"
    assert request.target.runtime == "torch"
    assert request.target.platform == "edge"


@pytest.mark.parametrize("words", ["hello", "under 10 MB and under 8 MB", ""])
def test_words_that_cannot_be_run_are_refused(words: str, agent: DeploymentOptimizationAgent) -> None:
    with pytest.raises(RequestError):
        agent.optimize_for_deployment(model="m.onnx", request=words)


def test_words_are_never_taken_unread(agent: DeploymentOptimizationAgent) -> None:
    with pytest.raises(RequestError, match="request="):
        agent.optimize_for_deployment(model="m.onnx", words="under 10 MB")
