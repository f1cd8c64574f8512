"""A batch reads words as `optimize` does: the grammar first, then the language model that is set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shipfit.contracts import Interrupted

from ...provider import serve
from ..conftest import Answer
from .conftest import FakeExecutor, Services, rows

Shipfit = Callable[..., Answer]
MakeZoo = Callable[..., Path]
BRISK = {"span": "thrice as briskly", "field": "min_speedup", "value": "3"}
WORDS = "answers within 40 ms and the whole shebang shall purr along thrice as briskly as now"
ENTRY = f"  - {{path: w.onnx, request: {WORDS}}}\n"


def test_what_the_grammar_left_is_read_by_the_model_that_is_set(
    services: Services, shipfit: Shipfit, make_zoo: MakeZoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = make_zoo("a", lines=ENTRY)
    (zoo / "w.onnx").write_bytes(b"w")
    with serve(json.dumps({"said": [BRISK]})) as provider:
        monkeypatch.setenv("SHIPFIT_LLM", "openai/scripted")
        monkeypatch.setenv("SHIPFIT_LLM_API_BASE", provider.openai)
        assert shipfit("batch", str(zoo), "--out", "out", "--workers", "1").status == 0
        assert len(provider.requests) == 1  # the other model has no words
    asked = json.loads((Path("out") / rows(Path("out"))["w"]["report"]).read_text())["request"]
    assert (asked["constraints"]["max_latency_ms"], asked["constraints"]["min_speedup"]) == (40.0, 3.0)
    assert [each["by"] for each in asked["understood"] if each["field"] == "min_speedup"] == ["model"]
    assert services.advised["w"].use.calls == 1  # the run goes on with what the reading left of its budget
    assert services.advised["a"].use is None


def test_without_one_the_grammar_reads_alone(services: Services, shipfit: Shipfit, make_zoo: MakeZoo) -> None:
    zoo = make_zoo(lines=ENTRY)
    (zoo / "w.onnx").write_bytes(b"w")
    assert shipfit("batch", str(zoo), "--out", "out", "--llm", "none").status == 0
    assert services.advised["w"].use is None


def test_a_required_model_that_is_lost_ends_the_batch_resumably(
    services: Services, shipfit: Shipfit, make_zoo: MakeZoo
) -> None:
    def lost(_name: str, _executor: FakeExecutor) -> None:
        raise Interrupted(
            "lost; go on with: shipfit resume r1", details={"why": "the required language model was lost"}
        )

    services.during = lost
    answer = shipfit("batch", str(make_zoo("a", "b")), "--out", "out", "--workers", "1")
    assert answer.status == 130
    assert "language model was lost; go on with: shipfit batch" in answer.err
    assert "--resume" in answer.err
    assert services.started == ["a"]
