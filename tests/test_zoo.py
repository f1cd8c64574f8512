"""The zoo: its manifest is whole, its makers make models that run, and what judges its products can fail them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import yaml

from shipfit.interfaces.scenarios.case import HeldOut

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = [str(ROOT / "benchmarks" / "zoo"), str(ROOT / "benchmarks")]


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    """A function that imports a script of `benchmarks/zoo`, as the scripts import each other."""
    before = set(sys.modules)
    sys.path[:0] = FOLDERS
    yield import_module
    for folder in FOLDERS:
        sys.path.remove(folder)
    for name in set(sys.modules) - before:
        if str(ROOT / "benchmarks") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def run(path: Path, folder: Path) -> list[Any]:
    with np.load(folder / "data.npz") as archive:
        feed = {name: archive[name][:1] for name in archive.files if name not in ("labels", "targets")}
    return list(ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feed))


def test_manifest_and_expectations_name_the_same_models(scripts: Any):
    names = [
        entry.get("name") or entry["glob"]
        for entry in yaml.safe_load(scripts("expected").MANIFEST.read_text())["models"]
    ]
    assert len(names) == len(set(names))
    folder = {*(maker.__name__ for maker in scripts("hostile").IN_FOLDER), *scripts("hostile").EVIL_NAMES}
    assert {*names, *folder} == set(scripts("expected").load_expected())


def test_every_kind_of_model_is_there(scripts: Any):
    expected = scripts("expected")
    rows = expected.load_expected().values()
    assert {kind for row in rows for kind in row.kinds} == set(expected.KINDS)
    assert sum("hostile" not in row.kinds for row in rows) >= 16
    assert all(row.recipe or row.infeasible or row.status in ("unverified", "failed") for row in rows)


def test_models_come_from_makers(scripts: Any):
    entries = scripts("expected").load_entries().values()
    made = {f"cache/models/{name}" for name in scripts("catalogue").MAKERS}
    paths = {str(Path(entry["path"]).parent) for entry in entries if "cache/models" in entry.get("path", "")}
    assert paths <= made
    hostile = {f"cache/hostile/{maker.__name__}" for maker in scripts("hostile").IN_MANIFEST}
    wanted = [Path(entry["path"]) for entry in entries if "cache/hostile" in entry.get("path", "")]
    assert {"/".join(path.parts[:3]) for path in wanted if path.stem != "never_there"} <= hostile


@pytest.mark.parametrize("name", ["cancer_dense", "control_flow"])
def test_made_models_run(scripts: Any, name: str, tmp_path: Path):
    arrays = scripts("catalogue").MAKERS[name](tmp_path)
    np.savez(tmp_path / "data.npz", **arrays)
    (scores,) = run(tmp_path / "model.onnx", tmp_path)
    assert scores.shape[0] == 1
    assert set(np.unique(arrays["labels"])) == set(range(scores.shape[1]))


def test_bounds_are_read_and_guards_filled_in(scripts: Any, tmp_path: Path):
    np.savez(tmp_path / "held_out.npz", x=np.zeros((2, 4), np.float32))
    entry = {"name": "a", "path": "a.onnx", "data": str(tmp_path / "data.npz")}
    expected = scripts("expected").Expected(kinds=(), status="met", recipe="known")
    asked = scripts("expected").ask({**entry, "constraints": {"max_size": "30%", "min_fidelity": "25dB"}}, expected)
    assert asked.bounds.max_size_ratio == pytest.approx(0.3)
    assert asked.bounds.min_fidelity_db == 25
    assert asked.bounds.min_speedup == pytest.approx(1 / 1.05)
    guarded = scripts("expected").ask(entry, expected).bounds
    assert (guarded.max_size_ratio, guarded.min_fidelity_db, guarded.max_drop) == (1.02, 20, None)


def test_false_met_is_found(scripts: Any, digits_model: Path, digits_data: Path, tmp_path: Path):
    product = tmp_path / "out" / "digits"
    product.mkdir(parents=True)
    shutil.copyfile(digits_model, product / "model.onnx")
    judge, expected = scripts("judge"), scripts("expected")
    bounds = HeldOut(max_size_ratio=0.5, max_drop=0.01)
    asked = expected.Ask(name="digits", original=digits_model, held_out=digits_data, bounds=bounds, state={})
    known = expected.Expected(kinds=("cnn",), status="met", recipe="known")
    scripts("expected").CACHE.mkdir(parents=True, exist_ok=True)
    found = {"name": "digits", "status": "met", "report": "digits/report.json"}
    row = judge.row(known, found, asked, tmp_path / "out")
    assert [bar.name for bar in row.refuted] == ["size ratio"]
    bars = {bar.name: bar.reached for bar in judge.bars([row], 1.0, 1.0)}
    assert bars["false met"] is False
    assert bars["feasible requests met"] is True


def test_original_that_did_not_come_back_is_found(scripts: Any, digits_model: Path, tmp_path: Path):
    product = tmp_path / "digits"
    product.mkdir()
    shutil.copyfile(digits_model, product / "model.onnx")
    judge, expected = scripts("judge"), scripts("expected")
    asked = expected.Ask(name="digits", original=digits_model, held_out=None, bounds=HeldOut(), state={})
    known = expected.Expected(kinds=("cnn",), status="rolled_back", infeasible="it is")
    found = {"name": "digits", "status": "rolled_back", "report": "digits/report.json"}
    assert judge.row(known, found, asked, tmp_path).bars[0].reached
    other = onnx.load(digits_model)
    other.producer_name = "somebody else"
    onnx.save(other, product / "model.onnx")
    row = judge.row(known, found, asked, tmp_path)
    assert not next(bar for bar in judge.bars([row], 1.0, 1.0) if "not the original" in bar.name).reached


def test_page_and_picture_show_hostile_names_as_text(scripts: Any):
    row = scripts("judge").Row(name="<script>|\x1b[31m", kinds=("hostile",), expected="failed", status="failed")
    good = row.model_copy(update={"name": "a<b", "kinds": ("cnn",), "status": "rolled_back"})
    figures = scripts("page").Zoo(
        machine=scripts("machine").describe(), workers=2, build_s=1, batch_s=1, verify_s=1, resume_s=1,
        coordinator_peak_bytes=1, rows=[row, good], bars=[],
    )  # fmt: skip
    page, picture = scripts("page").markdown(figures), scripts("picture").draw(figures.rows)
    assert "&lt;script&gt;\\|?[31m" in page
    assert "a&lt;b" in picture
    assert "<script" not in page + picture


@pytest.mark.slow
def test_some_of_the_zoo_goes_through_a_batch(scripts: Any, tmp_path: Path):
    names = {"control_flow": "control-flow", "cancer_dense": "cancer-dense"}
    for name in names:
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "data.npz", **scripts("catalogue").MAKERS[name](tmp_path / name))
    scripts("hostile").build(tmp_path / "hostile", tmp_path / "folder")
    entries = scripts("expected").load_entries()
    untimed = {"allow_regression": "latency, memory"}  # a loaded machine must not turn this red
    chosen = [
        {**entries[names[name]], "path": f"{name}/model.onnx", "data": f"{name}/data.npz", **untimed} for name in names
    ] + [{"name": "cyclic", "path": "hostile/cyclic/model.onnx"}]
    (tmp_path / "zoo.yaml").write_text(yaml.safe_dump({"models": chosen}))
    environment = {**os.environ, "SHIPFIT_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "shipfit", "batch", str(tmp_path / "zoo.yaml"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 3, done.stderr
    rows = {row["name"]: row for row in json.loads((tmp_path / "out" / "summary.json").read_text())["models"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        "control-flow": "met",
        "cancer-dense": "met",
        "cyclic": "failed",
    }
    assert "cycle" in rows["cyclic"]["reason"]
