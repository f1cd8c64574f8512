import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from shipfit.contracts import NoOpError, NormalizeStep, QuantizeStep, StepReport, ToolError
from shipfit.tools.measure.ensure import ensure_sound

DONE = StepReport(step=QuantizeStep(), changed=True)
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


def test_sound(digits_model: Path, product: Path):
    rewrite(digits_model, product, lambda graph: setattr(graph.node[0], "doc_string", "new"))
    ensure_sound(digits_model, product, DONE)


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
    [(rename_output, "changed the model's outputs"), (fix_batch, "changed 'image'"), (poison, "NaN or infinite")],
)
def test_unsound(change, words: str, digits_model: Path, product: Path):
    rewrite(digits_model, product, change)
    with pytest.raises(ToolError, match=words):
        ensure_sound(digits_model, product, DONE)
