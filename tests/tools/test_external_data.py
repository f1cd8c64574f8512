"""External data come from inside the model's own folder, as ordinary files, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from shipfit.interfaces.delivery import deliver
from shipfit.tools.external_data import PRODUCT_FILES

from .. import models
from ..interfaces import responses


def external_with(tmp_path: Path, external_model: Path, location: str) -> Path:
    """The external model in a folder of its own, its data said to be at `location`."""
    folder = tmp_path / "source"
    shutil.copytree(external_model.parent, folder)
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    return models.save(model, folder / "model.onnx")


@pytest.mark.parametrize(
    "location",
    [
        "/etc/hostname",
        "../outside.bin",
        "a/../../outside.bin",
        "",
        ".",
        "model.onnx",
        "model.onnx/weights.bin",
        "recipe.json",
        "trail.jsonl/weights.bin",
        "C:x.bin",
        "..\\x",
        "a\0b",
        "a//b",
    ],
)
def test_external_data_outside_the_folder(location: str, tmp_path: Path, external_model: Path, door: Callable):
    (tmp_path / "outside.bin").write_bytes(bytes(100_000))
    assert "external data" in door(external_with(tmp_path, external_model, location)).message


def test_no_data_collide_with_what_is_delivered_beside_them(tmp_path: Path):
    response = responses.response()
    (tmp_path / "product").mkdir()
    (tmp_path / "product" / "model.onnx").write_bytes(b"model")
    deliver(response, tmp_path / "product", [], tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.onnx", *PRODUCT_FILES}


def make_symlink(at: Path, to: Path) -> None:
    at.symlink_to(to)


def make_hard_link(at: Path, to: Path) -> None:
    at.hardlink_to(to)


def make_pipe(at: Path, to: Path) -> None:
    os.mkfifo(at)


def make_folder(at: Path, to: Path) -> None:
    at.mkdir()


@pytest.mark.parametrize("make", [make_symlink, make_hard_link, make_pipe, make_folder])
def test_external_data_that_is_no_ordinary_file(make: Callable, tmp_path: Path, external_model: Path, door: Callable):
    path = external_with(tmp_path, external_model, "weights.bin")
    inside, outside = path.parent / "weights.bin", tmp_path / "outside.bin"
    shutil.move(inside, outside)
    make(inside, outside)
    assert "external data 'weights.bin' is" in door(path).message


def test_external_data_behind_a_linked_folder(tmp_path: Path, external_model: Path, door: Callable):
    path = external_with(tmp_path, external_model, "sub/weights.bin")
    (tmp_path / "outside").mkdir()
    shutil.move(path.parent / "weights.bin", tmp_path / "outside")
    (path.parent / "sub").symlink_to(tmp_path / "outside")
    assert "link" in door(path).message


def test_external_data_missing_or_short(tmp_path: Path, external_model: Path, door: Callable):
    path = external_with(tmp_path, external_model, "weights.bin")
    data = path.parent / "weights.bin"
    data.write_bytes(data.read_bytes()[:-100])
    assert "truncated" in door(path).message
    shutil.rmtree(tmp_path / "admitted")
    data.unlink()
    assert "missing" in door(path).message
