"""SIGKILL in the middle of a node: the run goes on elsewhere and ends as it would have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shipfit.agents.service import Service
from shipfit.contracts import Constraints, Request, Settings

WORKER = """
import sys
from pathlib import Path
from shipfit.agents.service import Service
from shipfit.contracts import Request, Settings
service = Service(Settings(home=Path(sys.argv[1])))
run = service.start(Request.model_validate_json(sys.argv[2]))
for event in service.events(run):
    if event.event == "node_started":
        print(event.node, flush=True)
"""


def start_and_kill(home: Path, request: Request, node: str) -> None:
    """Run in another process, and kill it without warning a moment after it entered `node`."""
    command = [sys.executable, "-c", WORKER, str(home), request.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == node:
                time.sleep(0.2)
                os.kill(process.pid, signal.SIGKILL)
                break
        else:
            pytest.fail(f"the run ended before {node}")


@pytest.mark.parametrize(
    "node",
    [
        "quantize",
        pytest.param("profile", marks=pytest.mark.slow),
        pytest.param("measure", marks=pytest.mark.slow),
        pytest.param("validate", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_ends_with_the_same_verdict(
    node: str, tmp_path: Path, digits_model: Path, digits_data: Path
) -> None:
    request = Request(
        model=str(digits_model), data=str(digits_data), memory=False, allow_regression=("latency", "memory"),
        constraints=Constraints(max_size_ratio=0.4, max_accuracy_drop=0.02),
    )  # fmt: skip
    settings = Settings(home=tmp_path / "home")
    start_and_kill(settings.home, request, node)
    service = Service(settings)
    run = service.resume()
    finished = [entry.body["node"] for entry in service.trail(run) if entry.kind == "node"]
    before = set(finished[:-1]) - {"plan"}  # the checkpoint of the last may not be on the disk yet, and plan loops
    events = list(service.events(run))
    again = {event.node for event in events if event.event == "node_finished"}
    assert not before & again, "finished nodes were repeated"
    assert service.response(run).status == "met"
    assert service.response(run).first_met == 1
    assert not list(settings.work.glob(f"{run}-*"))
