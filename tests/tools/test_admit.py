"""Whatever is wrong with a model, it gets one line at the door; whatever is right comes in by copy."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import TensorProto, helper

from shipfit.contracts import Job, MachineError, ModelFileError
from shipfit.tools.admit import admit, admit_tool
from shipfit.tools.bounds import check_structure
from shipfit.tools.context import ToolContext

from .. import models

LIMIT = 10_000_000


@pytest.mark.parametrize(
    "name", ["digits_model", "old_opset_model", "mlp_model", "lstm_model", "if_model", "external_model"]
)
def test_sound_models_come_in_unchanged(name: str, request: pytest.FixtureRequest, tmp_path: Path):
    source: Path = request.getfixturevalue(name)
    report = admit(source, tmp_path, LIMIT)
    for file, digest in report.files.items():
        assert hashlib.sha256((tmp_path / file).read_bytes()).hexdigest() == digest
        assert (source.parent / file).read_bytes() == (tmp_path / file).read_bytes()
    assert report.size_bytes == sum((tmp_path / file).stat().st_size for file in report.files)
    assert report.nodes > 0
    assert report.tensors > 0


def test_nodes_need_not_be_sorted(tmp_path: Path):
    model = models.mlp()
    nodes = list(reversed(model.graph.node))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    path = models.save(model, tmp_path / "source" / "model.onnx")
    (tmp_path / "copy").mkdir()
    admit(path, tmp_path / "copy", LIMIT)
    assert [each.name for each in (tmp_path / "copy").iterdir()] == ["model.onnx"]
    assert (tmp_path / "copy" / "model.onnx").read_bytes() == path.read_bytes()


def test_tool_makes_the_artifact(external_model: Path, tmp_path: Path):
    job = Job(tool="admit", params={"source": str(external_model.parent), "max_bytes": LIMIT})
    answer = admit_tool(ToolContext(job=job, inputs={}, work=tmp_path))
    assert {each.name for each in answer.outputs["model"].iterdir()} == {"model.onnx", "weights.bin"}


def test_folder_with_external_data_in_a_subfolder(tmp_path: Path):
    (tmp_path / "source" / "parts").mkdir(parents=True)
    path = tmp_path / "source" / "any.onnx"
    onnx.save_model(models.mlp(), str(path), save_as_external_data=True, location="weights.bin", size_threshold=64)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "parts/weights.bin"
    shutil.move(path.parent / "weights.bin", path.parent / "parts")
    models.save(model, path)
    (tmp_path / "copy").mkdir()
    assert set(admit(path.parent, tmp_path / "copy", LIMIT).files) == {"model.onnx", "parts/weights.bin"}


def torch_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1, 2]))


WRONG_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "empty file"),
    "text": (lambda path: path.write_text("hello, I am a model ∞"), "text file"),
    "html": (lambda path: path.write_text("<html>404</html>"), "HTML"),
    "lfs": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0"), "git lfs pull"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps({"weight": 1})), "pickle"),
    "torch": (torch_archive, "module:function"),
    "hdf5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64)), "HDF5"),
    "tflite": (lambda path: path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(64)), "TensorFlow Lite"),
    "safetensors": (lambda path: path.write_bytes((80).to_bytes(8, "little") + b'{"a":{}}' + bytes(99)), "safetensors"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"model")), "gzip"),
    "noise": (lambda path: path.write_bytes(bytes(range(255, 0, -1))), "does not parse"),
    "array": (lambda path: path.write_bytes(b"\x93NUMPY\x01\0" + bytes(99)), "NumPy"),
    "no graph": (lambda path: path.write_bytes(onnx.ModelProto(ir_version=8).SerializeToString()), "no operators"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_wrong_file_is_named(name: str, tmp_path: Path, door: Callable):
    write, expected = WRONG_FILES[name]
    path = tmp_path / "given.onnx"
    write(path)
    assert expected in door(path).message


def test_missing_model(tmp_path: Path, door: Callable):
    assert "there is no model" in door(tmp_path / "missing.onnx").message


@pytest.mark.parametrize("count", [0, 2])
def test_folder_without_exactly_one_model(count: int, tmp_path: Path, door: Callable, mlp_model: Path):
    source = tmp_path / "source"
    source.mkdir()
    for index in range(count):
        shutil.copyfile(mlp_model, source / f"m{index}.onnx")
    assert "exactly one" in door(source).message


def test_folder_with_a_linked_model(tmp_path: Path, door: Callable, mlp_model: Path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "model.onnx").symlink_to(mlp_model)
    assert "link" in door(tmp_path / "source").message


def test_pipe_does_not_hang(tmp_path: Path, door: Callable):
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "regular file" in door(tmp_path / "pipe.onnx").message


def test_above_the_limit(mlp_model: Path, external_model: Path, door: Callable, tmp_path: Path):
    assert "limit" in door(mlp_model, limit=1000).message
    shutil.rmtree(tmp_path / "admitted")
    # The graph alone would fit.
    assert "limit" in door(external_model, limit=external_model.stat().st_size + 100).message


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_truncated(kept: float, digits_model: Path, tmp_path: Path, door: Callable):
    content = digits_model.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(len(content) * kept)])
    assert "damaged" in door(path).message


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bit_is_one_line_or_harmless(
    position: float, bit: int, if_model: Path, tmp_path_factory: pytest.TempPathFactory
):
    content = bytearray(if_model.read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    work = tmp_path_factory.mktemp("flip")
    (work / "flipped.onnx").write_bytes(content)
    (work / "copy").mkdir()
    with contextlib.suppress(ModelFileError):  # anything else is a traceback
        admit(work / "flipped.onnx", work / "copy", LIMIT)


def test_output_of_unknown_rank_comes_in(tmp_path: Path):
    model = models.mlp()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    (tmp_path / "copy").mkdir()
    assert admit(models.save(model, tmp_path / "m.onnx"), tmp_path / "copy", LIMIT).nodes == 7


def test_custom_operator_is_named(tmp_path: Path, door: Callable):
    node = helper.make_node("Secret\x1b[31m", ["x"], ["y"], domain="my.ops")
    model = models.build([node], [models.spec("x", [1])], [models.spec("y", [1])], {}, domains=["my.ops"])
    message = door(models.save(model, tmp_path / "m.onnx")).message
    assert "custom operator" in message
    assert "'my.ops'" in message


def test_file_optimized_for_one_machine(tmp_path: Path, door: Callable):
    node = helper.make_node("ReorderInput", ["x"], ["y"], domain="com.microsoft.nchwc")
    specs = [models.spec("x", [1, 8, 4, 4])], [models.spec("y", [1, 8, 4, 4])]
    model = models.build([node], *specs, {}, domains=["com.microsoft.nchwc"])
    assert "one machine" in door(models.save(model, tmp_path / "m.onnx")).message


def test_operator_of_a_function_in_the_file(tmp_path: Path):
    body = [helper.make_node("Relu", ["a"], ["b"])]
    function = helper.make_function("own", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    node = helper.make_node("Twice", ["x"], ["y"], domain="own")
    model = models.build([node], [models.spec("x", [1])], [models.spec("y", [1])], {}, domains=["own"])
    model.functions.append(function)
    (tmp_path / "copy").mkdir()
    assert admit(models.save(model, tmp_path / "m.onnx"), tmp_path / "copy", LIMIT).nodes == 2


def test_model_that_the_runtime_cannot_run(tmp_path: Path, door: Callable):
    node = helper.make_node("Det", ["x"], ["y"])
    specs = [models.spec("x", [2, 2], TensorProto.DOUBLE)], [models.spec("y", [], TensorProto.DOUBLE)]
    message = door(models.save(models.build([node], *specs, {}), tmp_path / "m.onnx")).message
    assert "cannot run" in message
    assert "Det" in message


def tensor(**changes: object) -> onnx.ModelProto:
    """The dense model with its first weight changed."""
    model = models.mlp()
    first = model.graph.initializer[0]
    for name, value in changes.items():
        if name == "dims":
            first.ClearField("dims")
            first.dims.extend(value)  # type: ignore[arg-type]
        else:
            setattr(first, name, value)
    return model


@pytest.mark.parametrize(
    "changes",
    [
        {"dims": [1 << 40, 1 << 20]},
        {"dims": [-1, 64]},
        {"dims": [1] * 40},
        {"raw_data": b""},
        {"data_type": 0},
        {"data_type": 99},
        {"data_type": TensorProto.DOUBLE},
        {"data_type": TensorProto.STRING},
    ],
    ids=str,
)
def test_tensor_that_claims_what_it_has_not(changes: dict, tmp_path: Path, door: Callable):
    assert door(models.save(tensor(**changes), tmp_path / "m.onnx")).message.startswith("tensor 'w1'")


def nested(depth: int) -> onnx.ModelProto:
    inner = models.graph([helper.make_node("Identity", ["x"], ["y0"])], [], [models.spec("y0", [1])], {})
    for index in range(1, depth):
        node = helper.make_node("If", ["flag"], [f"y{index}"], then_branch=inner, else_branch=inner)
        inner = models.graph([node], [], [models.spec(f"y{index}", [1])], {})
    inputs = [models.spec("x", [1]), models.spec("flag", [], TensorProto.BOOL)]
    model = helper.make_model(inner, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.graph.input.extend(inputs)
    return model


def test_nesting_is_bounded_without_walking_it_all(tmp_path: Path, door: Callable):
    assert check_structure(nested(6), {})[0] == 2**6 - 1
    deep = models.graph([helper.make_node("Identity", ["x"], ["y"])], [], [models.spec("y", [1])], {})
    for _ in range(20):
        deep = models.graph([helper.make_node("Loop", ["", "flag"], ["y"], body=deep)], [], [models.spec("y", [1])], {})
    model = helper.make_model(deep, opset_imports=[helper.make_opsetid("", 17)])
    assert "nested deeper" in door(models.save(model, tmp_path / "m.onnx")).message


def test_name_that_is_no_text(tmp_path: Path, door: Callable):
    content = models.digits_cnn().SerializeToString()
    path = tmp_path / "m.onnx"
    path.write_bytes(content.replace(b"fc.weight", b"fc.wei\xff\xfet"))
    assert "not readable text" in door(path).message


def test_copy_that_cannot_be_written(mlp_model: Path, tmp_path: Path):
    with pytest.raises(MachineError, match="cannot be copied"):
        admit(mlp_model, tmp_path / "missing", LIMIT)


def test_model_that_cannot_run_may_come_in_to_be_checked(tmp_path: Path):
    node = helper.make_node("Det", ["x"], ["y"])
    specs = [models.spec("x", [2, 2], TensorProto.DOUBLE)], [models.spec("y", [], TensorProto.DOUBLE)]
    source = models.save(models.build([node], *specs, {}), tmp_path / "m.onnx")
    (tmp_path / "work").mkdir()
    job = Job(tool="admit", params={"source": str(source), "max_bytes": LIMIT, "load": False})
    answer = admit_tool(ToolContext(job=job, inputs={}, work=tmp_path / "work"))
    assert (answer.outputs["model"] / "model.onnx").is_file()


def test_original_is_not_touched(external_model: Path, tmp_path: Path):
    before = {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in external_model.parent.iterdir()}
    admit(external_model, tmp_path, LIMIT)
    assert before == {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in external_model.parent.iterdir()}
