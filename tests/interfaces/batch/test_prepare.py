"""What may be run of what a zoo names: nothing outside its folder, no code that was not trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import UserError
from shipfit.interfaces.batch.fetch import Fetcher
from shipfit.interfaces.batch.files import content, stamp
from shipfit.interfaces.batch.item import Item, Source
from shipfit.interfaces.batch.prepare import Preparer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / "m.onnx").write_bytes(b"m")
    (folder / "d.npz").write_bytes(b"d")
    (folder / "odd:name.npz").write_bytes(b"d")
    (folder / "away").symlink_to("/")
    (folder / "away.onnx").symlink_to("/etc/passwd")
    (folder / "tokenizer.json").write_text("{}")
    return folder


def item(folder: Path, model: str = "m.onnx", kind: Any = "path", **fields: Any) -> Item:
    text = str(folder / model) if kind == "path" else model
    return Item("m", Source(kind, text), "zoo.yaml, line 1", fields)


def preparer(folder: Path, trust_code: bool = False) -> Preparer:
    return Preparer(folder, trust_code, Fetcher(folder / "cache", 2**20))


def test_paths_become_absolute(folder: Path):
    request = preparer(folder).request(item(folder, data="odd:name.npz"), folder / "out")
    assert (request.model, request.data) == (str(folder / "m.onnx"), str(folder / "odd:name.npz"))
    assert request.out == str(folder / "out")


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "away.onnx"}, {"model": "away/etc/passwd"}, {"model": "../zoo2/m.onnx"}, {"model": "/etc/passwd"},
        {"data": "../d.npz"}, {"data": "/etc/passwd"}, {"data": "away/etc/passwd"}, {"calibration_data": "../d.npz"},
        {"preprocess": {"tokenizer": "/etc/passwd"}}, {"data": "../x:y"}, {"model": "m\0.onnx"},
    ],
)  # fmt: skip
def test_nothing_outside_is_looked_at(asked: dict[str, Any], folder: Path):
    one = item(folder, **asked)
    with pytest.raises(UserError, match=r"leads out of the folder|zero byte"):
        preparer(folder).request(one, folder / "out")
    inside = {folder / "m.onnx"}
    assert set(preparer(folder).sources(one)) <= inside, "nor hashed"


@pytest.mark.parametrize(
    ("model", "kind", "fields"),
    [("package.module:factory", "module", {}), ("m.onnx", "path", {"data": "package:callable"}),
     ("m.onnx", "path", {"metric": "package:function"})],
)  # fmt: skip
def test_code_needs_trust(model: str, kind: str, fields: dict[str, str], folder: Path):
    one = item(folder, model, kind, **fields)
    with pytest.raises(UserError, match="--trust-code"):
        preparer(folder).request(one, folder / "out")
    assert preparer(folder, trust_code=True).request(one, folder / "out").code
    assert one.asked(trust_code=True) != one.asked(trust_code=False)


@pytest.mark.parametrize("module", ["m.onnx", "/etc/passwd", "../m.onnx", "package.module"])
def test_a_module_is_no_way_to_a_path(module: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    for trust_code in (True, False):
        with pytest.raises(UserError, match=r"package\.module:factory"):
            preparer(folder, trust_code).request(item(folder, module, "module"), folder / "out")


def test_resources_are_found_without_importing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "site" / "bomb" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "net.onnx").write_bytes(b"m")
    (package / "away.onnx").symlink_to("/etc/passwd")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    found = preparer(folder).request(item(folder, "bomb:inner/net.onnx", "resource"), folder / "out")
    assert found.model == str(package / "net.onnx")
    for wrong in ("bomb:inner/none.onnx", "bomb:../x.onnx", "bomb:inner/away.onnx", "nobody:net.onnx", "bomb", "a/b:c"):
        with pytest.raises(UserError, match="resource"):
            preparer(folder).request(item(folder, wrong, "resource"), folder / "out")


def test_files_are_known_by_time_and_by_content(folder: Path):
    sources = [folder / "m.onnx", folder / "absent.npz"]
    before = stamp(sources), content(sources)
    assert (stamp(sources), content(sources)) == before
    (folder / "weights.bin").write_bytes(b"external data of a model lie beside it")
    assert stamp(sources) != before[0]
    assert content(sources) != before[1]
    (folder / "weights.bin").unlink()
    (folder / "m.onnx").write_bytes(b"m")  # rewritten, and the same
    assert stamp(sources) != before[0]
    assert content(sources) == before[1]
