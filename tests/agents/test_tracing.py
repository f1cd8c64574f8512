"""Traces: off by default, in a file of this machine, and never a reason for a run to end."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from shipfit.agents.service import Service
from shipfit.agents.tracing import NoTracer, open_tracer
from shipfit.contracts import Answer, Constraints, MissingExtraError, Request, RequestError, Settings, trace_store

HAS_MLFLOW = find_spec("mlflow") is not None
without = pytest.mark.skipif(HAS_MLFLOW, reason="the extra is installed")
traced = pytest.mark.skipif(not HAS_MLFLOW, reason='needs pip install "shipfit[mlflow]", which make setup leaves out')


def test_traces_stay_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given in ("sqlite:///t.db", "t.db", f"sqlite:///{tmp_path}/t.db", f"{tmp_path}/t.db"):
        assert trace_store(given) == f"sqlite:///{tmp_path}/t.db"
    for wrong in (
        "http://host/x",
        "https://u:p@host",
        "sqlite://host/x",
        "postgresql://h/db",
        "databricks://",
        " ",
        "a\nb",
    ):
        with pytest.raises(RequestError, match="no file of this machine"):
            trace_store(wrong)


def test_nothing_is_traced_unless_asked_for(tmp_path: Path) -> None:
    assert isinstance(open_tracer(Settings(home=tmp_path), "r", Request(model="m")), NoTracer)
    look = "import sys, shipfit.agents.drive, shipfit.agents.graph; print('mlflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


@without
def test_a_missing_extra_is_named_before_anything_is_done(tmp_path: Path, mlp_model: Path) -> None:
    service = Service(Settings(home=tmp_path / "home", trace=f"sqlite:///{tmp_path}/t.db"))
    with pytest.raises(MissingExtraError, match=r"shipfit\[mlflow\]"):
        service.start(Request(model=str(mlp_model)))
    assert service.runs() == []


def stored(uri: str, run: str) -> tuple[Any, list[Any]]:
    """The MLflow run of a run, and its traces, as MLflow itself reads them."""
    mlflow: Any = import_module("mlflow")
    client = mlflow.MlflowClient(tracking_uri=uri)
    (experiment,) = [each for each in client.search_experiments() if each.name == "shipfit"]
    (found,) = client.search_runs([experiment.experiment_id], f"tags.`shipfit.run` = '{run}'")
    return found, list(client.search_traces(locations=[experiment.experiment_id]))


@traced
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_run_is_traced_from_nodes_to_measurements(
    tmp_path: Path, digits_model: Path, digits_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-very-secret-0123456789"
    monkeypatch.setenv("EXAMPLE_API_KEY", secret)
    uri = trace_store(f"{tmp_path}/traces/t.db")
    service = Service(Settings(home=tmp_path / "home", trace=uri))
    request = Request(
        model=str(digits_model), data=str(digits_data), memory=False, allow_regression=("latency", "memory"),
        constraints=Constraints(max_size_ratio=0.4, max_accuracy_drop=0.02), approve=True,
    )  # fmt: skip
    run = service.start(request)
    list(service.events(run))
    while service.question(run) is not None:  # a trace for each stretch of work
        service.answer(run, Answer(action="go", words=secret))
        service.resume(run)
        list(service.events(run))
    response = service.response(run)
    found, traces = stored(uri, run)
    assert found.data.params["max_size_ratio"] == "0.4"
    assert found.data.tags["shipfit.status"] == response.status == "met"
    assert response.comparison is not None
    assert found.data.metrics["size_ratio"] == pytest.approx(response.comparison.size_ratio.value)
    assert len(traces) == 3
    spans = {span.span_id: span for trace in traces for span in trace.data.spans}
    by_name = {span.name: span for span in spans.values()}
    for tool, node in (("perform", "rewrite"), ("benchmark", "measure"), ("inspect", "profile")):
        job = next(span for span in spans.values() if span.name == tool and spans[span.parent_id].name == node)
        assert spans[spans[job.parent_id].parent_id].name == f"run {run}"
    assert by_name["benchmark"].span_type == "MEASUREMENT"
    assert by_name["measure"].span_type == "AGENT"
    assert by_name["measure"].attributes["attempt"] == response.attempts[-1].index
    failed = [span for span in spans.values() if span.status.status_code.value != "OK"]
    assert {span.attributes["error.type"] for span in failed} <= {"NoOpError"}  # passes that found nothing to do
    everything = (tmp_path / "traces" / "t.db").read_bytes()
    assert secret.encode() not in everything


@traced
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_error_is_on_its_span_and_a_broken_store_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_TOKEN", "token-0123456789")
    uri = trace_store(f"{tmp_path}/t.db")
    tracer = open_tracer(Settings(home=tmp_path, trace=uri), "r", Request(model="m"))
    with tracer.session(), pytest.raises(ValueError, match="broke"), tracer.span("rewrite", "AGENT", attempt=1):
        raise ValueError("it broke with token-0123456789")
    _, (trace,) = stored(uri, "r")
    (span,) = [each for each in trace.data.spans if each.name == "rewrite"]
    assert span.status.status_code.value == "ERROR"
    assert (span.attributes["error.type"], span.attributes["error.message"]) == ("ValueError", "it broke with ***")
    (tmp_path / "t.txt").write_text("no database, and longer than a header of one would be" * 9)
    broken = open_tracer(Settings(home=tmp_path, trace=trace_store(f"{tmp_path}/t.txt")), "r", Request(model="m"))
    with broken.session(), broken.span("rewrite", "AGENT") as opened:
        opened.note(cached=False)
    broken.finish("met", "as asked")
