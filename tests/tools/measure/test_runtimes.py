"""Every runtime and its sessions keep one contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shipfit.contracts import Runtime, RuntimeSettings, Session, TensorSpec, ToolError
from shipfit.tools.measure.product import load
from shipfit.tools.measure.session import open_session, runtime_label, runtime_of
from shipfit.tools.pytorch.export import export_module
from shipfit.tools.pytorch.live import live_model
from shipfit.tools.pytorch.trace import trace_module

from ... import torch_modules


@pytest.fixture(scope="module", params=["onnxruntime", "torch"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same module in the form of each runtime."""
    folder = tmp_path_factory.mktemp(request.param)
    live = live_model("m", *torch_modules.cnn())
    path = folder / ("model.pt2" if request.param == "torch" else "model.onnx")
    (trace_module if request.param == "torch" else export_module)(live, path)
    return path


def test_a_runtime_has_a_name_and_a_version(model: Path):
    runtime: Runtime = runtime_of(model)
    assert runtime.name == ("torch" if model.suffix == ".pt2" else "onnxruntime")
    assert runtime_label(model) == f"{runtime.name} {runtime.version}"
    assert runtime.version[0].isdigit()


def test_a_session_says_what_it_takes_and_gives(model: Path):
    session: Session = open_session(model)
    assert session.input_specs == (TensorSpec(name="image", dtype="float32", shape=("batch", 1, 8, 8)),)
    assert [each.name for each in session.output_specs] == list(session.output_names) == ["output"]
    assert list(session.input_names) == ["image"]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_session_runs_any_batch(batch: int, model: Path):
    (answer,) = open_session(model).run({"image": np.zeros((batch, 1, 8, 8), np.float32)})
    assert isinstance(answer, np.ndarray)
    assert answer.shape == (batch, 10)


def test_runtimes_answer_alike(model: Path):
    module, _ = torch_modules.cnn()
    image = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    (answer,) = open_session(model).run({"image": image})
    live = live_model("m", module, image)
    np.testing.assert_allclose(answer, live.answer()["output"].numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "feed",
    [
        {},
        {"image": np.zeros((1, 1, 8), np.float32)},
        {"image": np.zeros((1, 2, 8, 8), np.float32)},
        {"image": np.zeros((1, 1, 8, 8), np.float64)},
        {"picture": np.zeros((1, 1, 8, 8), np.float32)},
    ],
    ids=["none", "rank", "size", "type", "name"],
)
def test_feeds_that_do_not_fit_are_refused(feed: dict[str, np.ndarray], model: Path):
    with pytest.raises(ToolError, match="does not run") as caught:
        open_session(model).run(feed)
    assert "\n" not in caught.value.message


def test_an_arm_runs_its_feeds(model: Path):
    session = open_session(model)
    arm = session.arm([{"image": np.full((1, 1, 8, 8), value, np.float32)} for value in (0, 1)])
    assert arm(0) is not None
    assert arm(1) is not None


def test_a_broken_file_is_refused(model: Path, tmp_path: Path):
    broken = tmp_path / model.name
    broken.write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    with pytest.raises(ToolError, match="cannot load"):
        open_session(broken)


def test_threads_reach_the_session(model: Path):
    settings = RuntimeSettings(intra_op_num_threads=2)
    open_session(model, settings)
    if model.suffix == ".pt2":
        import torch

        assert torch.get_num_threads() == 2
    open_session(model)


def test_a_product_is_opened(model: Path):
    product = load(model.parent)
    assert callable(product) or product.get_inputs()
