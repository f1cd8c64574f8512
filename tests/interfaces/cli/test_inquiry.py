"""`shipfit runs explain` and `what-if`, over the real service."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shipfit.agents.service import Service
from shipfit.contracts import Explanation, PhaseMetrics, Profiled, Request, WhatIf, load_settings

from .. import responses
from ..conftest import Answer

Shipfit = Callable[..., Answer]


@pytest.fixture
def run(home: Path) -> str:
    """A run that was killed after its attempts."""
    service = Service(load_settings())
    response = responses.response()
    run = service.ledger.runs.create(Request.model_validate(response.request.model_dump())).id
    trail = service.ledger.trail
    model, data = {"id": "1" * 64, "size_bytes": 8_400_000}, {"id": "0" * 64, "samples": 9, "parts": {}}
    trail.append(run, "admitted", {"original": model, "data": data})
    trail.append(run, "profiled", Profiled(profile=responses.profile()).model_dump(mode="json"))
    for attempt in response.attempts:
        trail.append(run, "attempt", attempt.model_dump(mode="json", exclude_none=True))
    return run


def test_explain(run: str, shipfit: Shipfit) -> None:
    answer = shipfit("runs", "explain", run)
    assert answer.status == 0
    assert "attempt 1 tried:" in answer.out
    assert "int4 is ruled out by level (basic)" in answer.out
    document = json.loads(shipfit("runs", "explain", run, "why", "not", "int4?", "--json").out)
    found = Explanation.model_validate(document)
    assert [item.topic for item in found.alternatives] == ["int4"]


def test_metrics(run: str, shipfit: Shipfit) -> None:
    assert "nothing was measured yet" in shipfit("runs", "metrics", run).out
    service = Service(load_settings())
    for phase, size in (("baseline", 2e6), ("attempt 1", 1e6)):
        found = {"size": {"value": size, "unit": "bytes"}, "latency": {"p95": {"value": 5.0, "unit": "ms"}}}
        kept = PhaseMetrics(phase=phase, metrics={**found, "accuracy": None}, alerts=("latency: 5 ms is above 4 ms",))
        service.ledger.trail.append(run, "metrics", kept.model_dump(mode="json"), once=phase)
    lines = [" ".join(line.split()) for line in shipfit("runs", "metrics", run).out.splitlines()]
    assert {"metric baseline attempt 1", "size 2 MB 1 MB", "latency, p95 5 ms 5 ms", "accuracy – –"} <= set(lines)
    assert "alert (attempt 1): latency: 5 ms is above 4 ms" in lines
    document = json.loads(shipfit("runs", "metrics", run, "--json").out)
    assert [phase["phase"] for phase in document["phases"]] == ["baseline", "attempt 1"]


def test_what_if(run: str, shipfit: Shipfit) -> None:
    answer = shipfit("runs", "what-if", run, "--max-size", "90%", "--min-speedup", "none")
    assert answer.status == 0
    assert "→ none" in answer.out
    assert "likely to meet everything" in answer.out
    found = WhatIf.model_validate(json.loads(shipfit("runs", "what-if", run, "--max-size", "5MB", "--json").out))
    assert found.request.constraints.max_size_bytes == 5_000_000
    for wrong, words in (((), "nothing is changed"), (("--max-size", "x"), "max_size")):
        refused = shipfit("runs", "what-if", run, *wrong)
        assert (refused.status, words in refused.error) == (2, True)
    assert shipfit("runs", "explain", "nosuchrun").status == 2
