import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import MachineError, OptimizationResponse, Recipe, RuntimeSettings
from shipfit.interfaces.delivery import default_folder, deliver, write_folder
from shipfit.memory.trail import TrailEntry

from . import responses

FILES = ["model.onnx", "recipe.json", "report.html", "report.json", "runtime.json", "trail.jsonl"]


@pytest.fixture
def product(tmp_path: Path) -> Path:
    folder = tmp_path / "store" / "ab12"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"\x00model\xff")
    return folder


def entries() -> list[TrailEntry]:
    return [TrailEntry(1, 0.0, "attempt", {"index": 1, "fidelity": float("inf")}), TrailEntry(2, 1.0, "node", {})]


def test_everything_appears(product: Path, tmp_path: Path):
    out = tmp_path / "new" / "out"
    deliver(responses.response(), product, entries(), out)
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert (out / "model.onnx").read_bytes() == b"\x00model\xff"
    assert OptimizationResponse.model_validate_json((out / "report.json").read_text()).out == str(out)
    assert RuntimeSettings.model_validate_json((out / "runtime.json").read_text()) == RuntimeSettings()
    assert Recipe.model_validate_json((out / "recipe.json").read_text()).steps
    lines = (out / "trail.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["attempt", "node"]
    assert os.listdir(tmp_path / "new") == ["out"]


def test_report_json_is_strict_json(product: Path, tmp_path: Path):
    deliver(responses.rolled_back(), product, entries(), tmp_path / "out")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    json.loads((tmp_path / "out" / "report.json").read_text(), parse_constant=refuse)
    for line in (tmp_path / "out" / "trail.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)


def test_original_gets_a_recipe_without_steps(product: Path, tmp_path: Path):
    deliver(responses.rolled_back(), product, [], tmp_path / "out")
    recipe = Recipe.model_validate_json((tmp_path / "out" / "recipe.json").read_text())
    assert (recipe.model, recipe.steps) == (responses.DIGEST, ())


def test_external_data_keep_their_place(product: Path, tmp_path: Path):
    (product / "weights").mkdir()
    (product / "weights" / "w.bin").write_bytes(b"weights")
    (product / "weights" / "w.bin").chmod(0o444)
    deliver(responses.response(), product, [], tmp_path / "out")
    copied = tmp_path / "out" / "weights" / "w.bin"
    assert copied.read_bytes() == b"weights"
    assert os.access(copied, os.W_OK)


def test_empty_folder_is_taken(product: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    deliver(responses.response(), product, [], tmp_path / "out")
    assert (tmp_path / "out" / "model.onnx").is_file()


@pytest.mark.parametrize("there", ["folder", "file"])
def test_what_is_there_is_not_touched(there: str, product: Path, tmp_path: Path):
    out = tmp_path / "out"
    if there == "folder":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    else:
        out.write_text("mine")
    with pytest.raises(MachineError, match="cannot be written"):
        deliver(responses.response(), product, [], out)
    assert (out / "mine.txt" if there == "folder" else out).read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_full_disk_leaves_nothing(product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(MachineError, match="No space left") as caught:
        deliver(responses.response(), product, [], tmp_path / "deep" / "er" / "out")
    assert caught.value.exit_status == 1
    assert not (tmp_path / "deep").exists()


def test_interruption_leaves_nothing(tmp_path: Path):
    def interrupted(folder: Path) -> None:
        (folder / "model.onnx").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "new" / "out", interrupted)
    assert not (tmp_path / "new").exists()


def test_mount_point_is_filled(product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A mounted volume cannot be renamed over, and its parent may not be ours."""
    out = tmp_path / "volume"
    out.mkdir()

    def busy(source: Path, target: Path) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(os, "rename", busy)
    real = Path.mkdir

    def refused(self: Path, *arguments: Any, **options: Any) -> None:
        if self.parent == tmp_path and self.name.startswith(".volume-"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        real(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refused)
    monkeypatch.setattr(shutil, "move", lambda source, target: Path(source).replace(target))
    deliver(responses.response(), product, [], out)
    assert sorted(path.name for path in out.iterdir()) == FILES


def test_default_folder_is_named_after_model_and_run(tmp_path: Path):
    assert default_folder("/models/my net.onnx", "r1", tmp_path) == tmp_path / "shipfit-out" / "my_net-r1"
    assert default_folder("/models/..", "r1", tmp_path).name == "model-r1"
