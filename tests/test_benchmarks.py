"""What checks of `benchmarks/` a product can fail."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from shipfit.interfaces.scenarios.case import HeldOut

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[Any]:
    """A function that imports a script of `benchmarks/`, as the scripts import each other."""
    before = set(sys.modules)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module
    sys.path.remove(str(ROOT / "benchmarks"))
    for name in set(sys.modules) - before:
        if str(ROOT / "benchmarks") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def shipfit(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SHIPFIT_HOME": str(home), "COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "shipfit", *arguments]
    return subprocess.run(command, cwd=home.parent, env=environment, capture_output=True, text=True, timeout=300)


def test_model_against_itself_is_proved_equal(benchmarks: Any, digits_model: Path, digits_data: Path):
    proof = benchmarks("verify").verify(digits_model, digits_model, digits_data, seconds=0.2)
    assert (proof.size_ratio, proof.same_signature, proof.foreign_domains) == (1.0, True, [])
    assert proof.samples == 897
    assert (proof.drop.low, proof.drop.value, proof.drop.high) == (0.0, 0.0, 0.0)
    assert proof.accuracy[0] == proof.accuracy[1] > 0.9
    assert proof.fidelity_db.value == 300.0
    assert proof.speedup.low <= proof.speedup.value <= proof.speedup.high


def test_damage_is_seen(benchmarks: Any, digits_model: Path, digits_data: Path, tmp_path: Path):
    model = onnx.load(digits_model)
    weight = next(each for each in model.graph.initializer if each.name == "fc.weight")
    weight.raw_data = (onnx.numpy_helper.to_array(weight) * np.float32(0.9)).tobytes()
    worse = tmp_path / "worse.onnx"
    onnx.save(model, worse)
    proof = benchmarks("verify").verify(digits_model, worse, digits_data, seconds=0.2)
    assert 15 < proof.fidelity_db.value < 25  # an error of a tenth is 20 dB
    assert not benchmarks("onnx_files").same_bytes(digits_model, worse)


def test_external_data_count(benchmarks: Any, external_model: Path):
    files = benchmarks("onnx_files")
    assert [path.name for path in files.files_of(external_model)] == [external_model.name, "weights.bin"]
    assert files.size_of(external_model) > external_model.stat().st_size


def test_bars_can_be_missed(benchmarks: Any, digits_model: Path, digits_data: Path):
    bars = benchmarks("bars")
    proof = benchmarks("verify").verify(digits_model, digits_model, digits_data, seconds=0.2)
    reached = HeldOut(max_size_ratio=1.0, min_speedup=0.5, max_drop=0.0, min_fidelity_db=100.0)
    missed = HeldOut(max_size_ratio=0.5, min_speedup=3.0, min_fidelity_db=301.0)
    unlabelled = proof.model_copy(update={"drop": None})
    assert [bar.reached for bar in bars.held_out_bars(reached, proof)] == [True] * 4
    assert [bar.reached for bar in bars.held_out_bars(missed, proof)] == [False] * 3
    assert [bar.reached for bar in bars.held_out_bars(HeldOut(max_drop=0.1), unlabelled)] == [False]


def test_only_the_own_process_is_counted(benchmarks: Any, tmp_path: Path):
    busy = "import time\nwhile time.process_time() < 0.4: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}]); sys.exit(3)"
    watched = benchmarks("watch").watch([sys.executable, "-c", parent], tmp_path, {})
    assert watched.status == 3
    assert watched.own_cpu_s < 0.3 < watched.children_cpu_s
    assert watched.peak_bytes > 2**20


def test_work_done_twice_is_found(benchmarks: Any):
    kill = benchmarks("kill")
    killed = "[   1.0 s] profile\n[   2.0 s] profile done in 1 s\n[   2.1 s] quantize (attempt 2)\n"
    killed += "[   3.1 s] quantize done in 2 min 5 s (attempt 2)\n[   4.0 s] measure (attempt 2)\n"
    assert kill.begun_again(killed, "[   0.1 s] measure (attempt 2)\n[   9.0 s] quantize (attempt 3)\n") == []
    assert kill.begun_again(killed, "[   0.1 s] quantize (attempt 2)\n") == ["quantize (attempt 2)"]
    assert kill.made_again({"a": ("inspect", 1.0), "b": ("perform", 2.0)}, {"a": ("inspect", 5.0)}) == [
        "inspect",
        "perform",
    ]


def test_missed_bar_is_on_the_page(benchmarks: Any):
    bars, table, machine = benchmarks("bars"), benchmarks("table"), benchmarks("machine")
    row = table.Row(name="some-case", about="It must.", bars=[bars.at_most("wall", 60, 61.5, " s")])
    results = table.Results(machine=machine.describe(), import_cpu_s=1.0, rows=[row])
    assert not results.all_reached
    assert "**missed: wall**" in table.markdown(results)
    assert "| wall | 61.5 s | ≤ 60 s | **missed** |" in table.markdown(results)


@pytest.mark.slow
def test_small_model_is_fitted(benchmarks: Any, digits_model: Path, digits_data: Path, tmp_path: Path):
    out = tmp_path / "out"
    bounds = ["--max-size", "50%", "--max-drop", "3%", "--out", str(out)]
    done = shipfit("optimize", str(digits_model), "--data", str(digits_data), *bounds, home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "report.json").read_text())
    proof = benchmarks("verify").verify(digits_model, out / "model.onnx", digits_data, seconds=1.0)
    assert report["status"] == "met"
    assert proof.size_ratio <= 0.5
    assert proof.drop.low <= 0.03


@pytest.mark.slow
def test_impossible_request_gives_the_original_back(
    benchmarks: Any, digits_model: Path, digits_data: Path, tmp_path: Path
):
    out = tmp_path / "out"
    bounds = ["--max-size", "1%", "--max-drop", "0", "--out", str(out)]
    done = shipfit("optimize", str(digits_model), "--data", str(digits_data), *bounds, home=tmp_path / "home")
    assert done.returncode == 3, done.stderr
    report = json.loads((out / "report.json").read_text())
    assert report["status"] == "rolled_back"
    assert report["offers"]
    assert benchmarks("onnx_files").same_bytes(digits_model, out / report["artifact"]["path"])
