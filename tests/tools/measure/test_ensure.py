import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from shipfit.contracts import NoOpError, NormalizeStep, QuantizeStep, StepReport, ToolError
from shipfit.tools.measure.ensure import ensure_sound

DONE = StepReport(step=QuantizeStep(compute={"Conv": "static"}), changed=True)
IDLE = StepReport(step=NormalizeStep(), changed=False)


@pytest.fixture
def product(digits_model: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "product"
    folder.mkdir()
    return folder / "model.onnx"


def rewrite(source: Path, target: Path, change) -> Path:
    model = onnx.load(source)
    change(model.graph)
    onnx.save(model, target)
    return target


def nudge(graph: onnx.GraphProto) -> None:
    weight = next(each for each in graph.initializer if len(each.dims) > 1)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.01), weight.name))


def remark(graph: onnx.GraphProto) -> None:
    graph.name = graph.doc_string = "quantized"
    for index, node in enumerate(graph.node):
        node.name, node.doc_string = f"quantized{index}", "quantized"


def test_sound(digits_model: Path, product: Path):
    rewrite(digits_model, product, nudge)
    ensure_sound(digits_model, product, DONE)
    with pytest.raises(NoOpError):
        ensure_sound(product, product, DONE)


def test_no_op(digits_model: Path, product: Path):
    shutil.copy(digits_model, product)
    ensure_sound(digits_model, product, IDLE)
    with pytest.raises(NoOpError, match="changed nothing") as caught:
        ensure_sound(digits_model, product, DONE)
    assert caught.value.type == "quantization"


def test_change_in_external_data_is_a_change(external_model: Path, product: Path):
    shutil.copy(external_model, product)
    weights = product.with_name("weights.bin")
    shutil.copy(external_model.with_name("weights.bin"), weights)
    with pytest.raises(NoOpError):
        ensure_sound(external_model, product, DONE)
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(content)
    ensure_sound(external_model, product, DONE)


def test_missing_and_broken_files(digits_model: Path, product: Path):
    with pytest.raises(ToolError, match="wrote no model"):
        ensure_sound(digits_model, product, DONE)
    product.write_bytes(b"not a model")
    with pytest.raises(ToolError, match="cannot load"):
        ensure_sound(digits_model, product, DONE)


def test_remarks_and_names_are_no_change(digits_model: Path, product: Path):
    rewrite(digits_model, product, remark)
    with pytest.raises(NoOpError, match="changed nothing"):
        ensure_sound(digits_model, product, DONE)


def test_only_some_steps_may_leave_a_model_alone(digits_model: Path, product: Path):
    shutil.copy(digits_model, product)
    with pytest.raises(NoOpError, match="changed nothing"):
        ensure_sound(digits_model, product, StepReport(step=QuantizeStep(), changed=False))


def test_stored_weights_that_take_no_less(digits_model: Path, product: Path):
    rewrite(digits_model, product, nudge)
    with pytest.raises(NoOpError, match="made the file no smaller") as caught:
        ensure_sound(digits_model, product, StepReport(step=QuantizeStep(storage="int8"), changed=True))
    assert caught.value.type == "quantization"


def drop_output(graph: onnx.GraphProto) -> None:
    graph.output.append(onnx.helper.make_tensor_value_info("extra", onnx.TensorProto.FLOAT, None))
    graph.node.append(onnx.helper.make_node("Identity", [graph.output[0].name], ["extra"]))


def retype(graph: onnx.GraphProto) -> None:
    name = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["float" if each == name else each for each in node.output]
    graph.node.append(onnx.helper.make_node("Cast", ["float"], [name], to=onnx.TensorProto.FLOAT16))
    graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


def rename_output(graph: onnx.GraphProto) -> None:
    old = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["other" if name == old else name for name in node.output]
    graph.output[0].name = "other"


def fix_batch(graph: onnx.GraphProto) -> None:
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2


def poison(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(np.full_like(array, np.nan), tensor.name))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rename_output, "changed the model's outputs"),
        (drop_output, "changed the model's outputs"),
        (retype, "from float32"),
        (fix_batch, "changed 'image'"),
        (poison, "NaN or infinite"),
    ],
)
def test_unsound(change, words: str, digits_model: Path, product: Path):
    rewrite(digits_model, product, change)
    with pytest.raises(ToolError, match=words):
        ensure_sound(digits_model, product, DONE)
