import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from shipfit.contracts import RequestError, RuntimeSettings, ToolError
from shipfit.tools import load


@pytest.fixture
def product(digits_model: Path, tmp_path: Path) -> Path:
    shutil.copy(digits_model, tmp_path / "model.onnx")
    (tmp_path / "runtime.json").write_text(RuntimeSettings(intra_op_num_threads=2).model_dump_json())
    return tmp_path


def test_load(product: Path):
    session = load(product)
    assert session.get_session_options().intra_op_num_threads == 2
    (scores,) = session.run(None, {"image": np.zeros((1, 1, 8, 8), np.float32)})
    assert isinstance(scores, np.ndarray)
    assert scores.shape == (1, 10)


def test_load_without_settings(product: Path):
    (product / "runtime.json").unlink()
    assert load(str(product)).get_session_options().intra_op_num_threads == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"custom_ops": "evil.so"}, "custom_ops"),
        ({"providers": ["TensorrtExecutionProvider"]}, r"provider 'TensorrtExecutionProvider' is not allowed"),
        ({"config_entries": {"session.optimized_model_filepath": "x"}}, r"session\.optimized_model_filepath"),
        ({"config_entries": {"session.disable_prepacking": "yes"}}, "cannot be 'yes'"),
        ({"runtime": "other"}, "runtime"),
        ({"intra_op_num_threads": "many"}, "intra_op_num_threads"),
        ({"intra_op_num_threads": 10**9}, "intra_op_num_threads"),
        ({"inter_op_num_threads": -1}, "inter_op_num_threads"),
    ],
)
def test_only_the_allow_list(change, words: str, product: Path):
    settings = product / "runtime.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), **change}))
    with pytest.raises(RequestError, match=words):
        load(product)


def test_no_product(tmp_path: Path):
    with pytest.raises(RequestError, match=r"holds no model\.onnx"):
        load(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ToolError, match="cannot load"):
        load(tmp_path)
