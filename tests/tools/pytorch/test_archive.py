"""Exported programs that would run code when torch opens or calls them are refused before it does."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from shipfit.contracts import ModelFileError
from shipfit.tools.admit import admit
from shipfit.tools.pytorch.archive import check_archive
from shipfit.tools.pytorch.live import live_model
from shipfit.tools.pytorch.trace import trace_module

from ... import torch_modules

Change = Callable[[dict[str, bytes]], None]


class Evil:
    def __reduce__(self) -> Any:
        return (exec, ("open('owned', 'w').close()",))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "model.pt2"
    trace_module(live_model("m", *torch_modules.cnn()), path)
    return path


def rewritten(program: Path, target: Path, change: Change, compression: int = zipfile.ZIP_STORED) -> Path:
    """Copy an archive with some of its records changed."""
    with zipfile.ZipFile(program) as archive:
        records = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(records)
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in records.items():
            archive.writestr(f"model/{name}", content)
    return target


def in_json(record: str, edit: Callable[[Any], None]) -> Change:
    def change(records: dict[str, bytes]) -> None:
        body = json.loads(records[record])
        edit(body)
        records[record] = json.dumps(body).encode()

    return change


def in_model(edit: Callable[[Any], None]) -> Change:
    return in_json("models/model.json", edit)


def put(name: str, content: bytes) -> Change:
    return lambda records: records.update({name: content})


def graph(body: Any) -> Any:
    return body["graph_module"]["graph"]


def first_weight(body: Any) -> Any:
    return next(iter(body["config"].values()))


def signature(body: Any) -> Any:
    return body["graph_module"]["module_call_graph"][0]["signature"]


def spec_of(kind: str, context: str) -> str:
    return json.dumps([1, {"type": kind, "context": context, "children_spec": []}])


def torch_pickle(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def without_model(records: dict[str, bytes]) -> None:
    del records[MODEL]


WEIGHTS, MODEL = "data/weights/model_weights_config.json", "models/model.json"
HOSTILE: dict[str, tuple[Change, str]] = {
    "pickled weight": (in_json(WEIGHTS, lambda body: first_weight(body).update(use_pickle=True)), "pickled weights"),
    "legacy weights": (put("data/weights/model.pt", pickle.dumps(Evil())), "no part of a plain program"),
    "opaque constant": (put("data/constants/opaque_obj_0", pickle.dumps(Evil())), "pickled objects"),
    "compiled code": (put("data/aotinductor/model/x.so", b"\x7fELF"), "compiled code"),
    "legacy format": (put("serialized_exported_program.json", b"{}"), "older format"),
    "pickled example": (put("data/sample_inputs/model.pt", torch_pickle(Evil())), "more than tensors"),
    "odd example": (put("data/sample_inputs/model.pt", pickle.dumps(Evil())), "no plain archive"),
    "foreign record": (put("extra.bin", b"x"), "no part of a plain program"),
    "target": (
        in_model(lambda body: graph(body)["nodes"][0].update(target="torch.hub.load")),
        r"a call of 'torch.hub.load'",
    ),
    "file operator": (
        in_model(lambda body: graph(body)["nodes"][0].update(target="torch.ops.aten.from_file.default")),
        "from_file",
    ),
    "extension": (in_model(lambda body: graph(body)["nodes"][0].update(target="#x:y")), "a call of"),
    "expression": (
        in_model(
            lambda body: graph(body)["sym_int_values"].update(
                s={"as_expr": {"expr_str": "__import__('os').system('touch owned')", "hint": None}}
            )
        ),
        "more than arithmetic",
    ),
    "huge expression": (
        in_model(
            lambda body: graph(body)["sym_int_values"].update(
                s={"as_expr": {"expr_str": "Integer(9)**Integer(9)**Integer(99)", "hint": None}}
            )
        ),
        "more than arithmetic",
    ),
    "guard": (
        in_model(lambda body: body["guards_code"].append("__import__('os').system('touch owned')")),
        "more than arithmetic",
    ),
    "guard's message": (
        in_model(lambda body: body["guards_code"].append("L['a\") or print(1) #'].size()[0] == 1")),
        "more than arithmetic",
    ),
    "default dictionary": (
        in_model(lambda body: signature(body).update(in_spec=spec_of("collections.defaultdict", '["antigravity"]'))),
        "inputs or outputs of type",
    ),
    "enumeration": (
        in_model(lambda body: signature(body).update(in_spec=spec_of("builtins.dict", '[{"__enum__": true}]'))),
        "other keys than names",
    ),
    "name": (
        in_model(lambda body: graph(body)["inputs"][0]["as_tensor"].update(name="x):\n  import os\n  def f(y")),
        "a name",
    ),
    "parameter": (
        in_json(WEIGHTS, lambda body: body["config"].update({'w"); print("': first_weight(body)})),
        "a name",
    ),
    "script object": (
        in_json(
            "data/constants/model_constants_config.json",
            lambda body: body["config"].update(o={"path_name": "custom_obj_0", "use_pickle": True}),
        ),
        "is not there",
    ),
    "nested": (put(MODEL, b"[" * 100_000), "nested too deeply"),
    "no json": (put(MODEL, b"{"), "no JSON"),
    "no mapping": (put(MODEL, b"[]"), "no mapping"),
    "no program": (without_model, "lacks models/model.json"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(name: str, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    change, words = HOSTILE[name]
    path = rewritten(program, tmp_path / "given.pt2", change)
    with pytest.raises(ModelFileError, match=words) as caught:
        check_archive(path)
    assert "\n" not in caught.value.message
    assert "given.pt2" in caught.value.message
    assert not (tmp_path / "owned").exists()


def test_an_object_of_another_class_is_refused(program: Path, tmp_path: Path):
    def change(records: dict[str, bytes]) -> None:
        in_json(
            "data/constants/model_constants_config.json",
            lambda body: body["config"].update(o={"path_name": "custom_obj_0", "use_pickle": True}),
        )(records)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Evil(), protocol=2))
        records["data/constants/custom_obj_0"] = stream.getvalue()

    with pytest.raises(ModelFileError, match="an object of"):
        check_archive(rewritten(program, tmp_path / "given.pt2", change))


def test_compressed_archives_are_refused(program: Path, tmp_path: Path):
    path = rewritten(program, tmp_path / "given.pt2", lambda _: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="damaged"):
        check_archive(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text"])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path):
    path = tmp_path / "given.pt2"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="no exported program"):
        check_archive(path)


def test_cut_archives_are_refused(program: Path, tmp_path: Path):
    path = tmp_path / "cut.pt2"
    path.write_bytes(program.read_bytes()[:-200])
    with pytest.raises(ModelFileError, match=r"damaged|no part of a plain"):
        check_archive(path)


def test_a_program_is_admitted_by_copy(program: Path, tmp_path: Path):
    other = tmp_path / "renamed.bin"
    shutil.copyfile(program, other)
    for number, source in enumerate((program, other, program.parent)):
        folder = tmp_path / f"admitted-{number}"
        folder.mkdir()
        report = admit(source, folder, 10_000_000)
        assert list(report.files) == ["model.pt2"]
        assert (folder / "model.pt2").read_bytes() == program.read_bytes()


def test_too_large_a_program_is_refused(program: Path, tmp_path: Path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelFileError, match="larger than the limit"):
        admit(program, tmp_path / "folder", 1000)


# torch's announcement that its quantized tensors will go
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_what_torch_packs_itself_is_admitted(tmp_path: Path):
    weight = torch.zeros(4, 4, dtype=torch.int8)
    quantized = torch.quantize_per_tensor(weight.float(), 0.1, 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(quantized, None)
    stored = torch._C._pickle_save(packed)

    def change(records: dict[str, bytes]) -> None:
        in_json(
            "data/constants/model_constants_config.json",
            lambda body: body["config"].update(o={"path_name": "custom_obj_0", "use_pickle": True}),
        )(records)
        records["data/constants/custom_obj_0"] = bytes(stored)

    path = tmp_path / "plain.pt2"
    trace_module(live_model("m", *torch_modules.cnn()), path)
    check_archive(rewritten(path, tmp_path / "given.pt2", change))
