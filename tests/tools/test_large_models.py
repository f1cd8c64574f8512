"""Models beyond protobuf's limit, which is a kilobyte here: the same results, with the weights in files all along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import (
    Limits,
    ModelFileError,
    NoOpError,
    NormalizeStep,
    OptimizeGraphStep,
    PruneStep,
    QuantizedForm,
    QuantizeStep,
    Step,
    ToolError,
)
from shipfit.tools import onnx_model, weight_files
from shipfit.tools.artifact_files import share
from shipfit.tools.graph import _difference
from shipfit.tools.model_files import copy_files, load, save, save_briefly
from shipfit.tools.onnx_model import iter_tensors, load_structure, model_bytes, to_array
from shipfit.tools.quantize.sensitivity import measure_sensitivity
from shipfit.tools.quantize.units import FORMS, Making
from shipfit.tools.registry import transformation
from shipfit.tools.session import open_session

from .. import models

# Passes that are in this process; those of the libraries are in a slow test.
STEPS: tuple[Step, ...] = (
    NormalizeStep(),
    OptimizeGraphStep(
        passes=("ConstantFolding", "ConvBNFusion", "ConvMulFusion", "MatMulAddFusion", "fold_affine_after")
    ),
    PruneStep(threshold=0.1),
    QuantizeStep(storage="int8"),
    QuantizeStep(storage="int4"),
    QuantizeStep(compute={"Conv": "dynamic", "Gemm": "dynamic", "MatMul": "dynamic"}, storage="fp16"),
)


@pytest.fixture
def apart(tmp_path: Path) -> Path:
    """A dense model with its weights in `weights.bin`, which a test may change."""
    return models.save(models.mlp(), tmp_path / "apart" / "model.onnx", external=True)


def _performed(step: Step, source: Path, target: Path) -> str:
    """Perform a step; return what stood in the way, or nothing."""
    try:
        transformation(step.kind)(step, source, target, None, Limits())
    except (NoOpError, ToolError) as error:
        return f"{type(error).__name__} {error}"
    return ""


def _beside(model: onnx.ModelProto, folder: Path) -> Path:
    """Save a model with its weights in a file of their own."""
    path = folder / "model.onnx"
    folder.mkdir()
    onnx.save_model(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=100)
    return path


@given(data=st.data(), step=st.sampled_from(STEPS))
@settings(max_examples=12, deadline=None)
def test_every_step_does_the_same_to_a_large_model(
    data: st.DataObject, step: Step, random_cnns: st.SearchStrategy[onnx.ModelProto]
) -> None:
    _check_same(data.draw(random_cnns), step)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_all_passes_do_the_same_to_a_large_model(
    data: st.DataObject, random_cnns: st.SearchStrategy[onnx.ModelProto]
) -> None:
    _check_same(data.draw(random_cnns), OptimizeGraphStep(passes=OptimizeGraphStep().chosen))


def _check_same(model: onnx.ModelProto, step: Step) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        source = models.save(model, folder / "plain.onnx")
        small = _performed(step, source, folder / "small" / "model.onnx")
        patch.setattr(onnx_model, "LARGE_BYTES", 300)
        patch.setattr(weight_files, "LEAST_BYTES", 100)
        patch.setattr(weight_files, "spilling", weight_files.Spilling())
        large = _performed(step, _beside(model, folder / "given"), folder / "large" / "model.onnx")
        assert small == large
        if not small:
            feed = {"x": np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)}
            first, second = (
                open_session(folder / each / "model.onnx").run(None, feed)[0] for each in ("small", "large")
            )
            np.testing.assert_allclose(np.asarray(first), np.asarray(second), rtol=1e-5, atol=1e-6)
            read = load_structure(folder / "large" / "model.onnx")
            assert {weight_files.extent_of(each) for each in iter_tensors(read)} == {None}
            assert model_bytes(folder / "large" / "model.onnx") == sum(
                each.stat().st_size for each in (folder / "large").iterdir()
            )


@pytest.mark.usefixtures("everything_is_large")
def test_weights_that_only_moved_are_no_change(apart: Path) -> None:
    model, moved = load(apart), onnx.load(str(apart))
    assert any(weight_files.extent_of(each) for each in iter_tensors(model))
    assert not any(weight_files.extent_of(each) for each in iter_tensors(moved))
    with pytest.raises(NoOpError):
        _difference(model, moved)
    moved.graph.initializer[0].raw_data = bytes(len(moved.graph.initializer[0].raw_data))
    assert _difference(model, moved)["nodes"] == len(model.graph.node)


@pytest.mark.usefixtures("everything_is_large")
def test_weights_stay_in_their_file(apart: Path, tmp_path: Path) -> None:
    model = load(apart)
    extents = [extent for each in iter_tensors(model) if (extent := weight_files.extent_of(each)) is not None]
    assert extents
    assert {each.path for each in extents} == {apart.parent / "weights.bin"}
    assert model.ByteSize() < 2000
    values = [to_array(each) for each in iter_tensors(model)]
    values[0][:] = 0  # a reader may work on what it was given
    save(model, tmp_path / "copy" / "model.onnx")
    again = [to_array(each) for each in iter_tensors(load(tmp_path / "copy" / "model.onnx"))]
    plain = [onnx.numpy_helper.to_array(each) for each in iter_tensors(onnx.load(apart))]
    assert all(np.array_equal(first, second) for first, second in zip(plain, again, strict=True))


@pytest.mark.usefixtures("everything_is_large")
def test_only_artifacts_share_their_files(apart: Path, tmp_path: Path) -> None:
    weights = apart.parent / "weights.bin"
    load_and_save: Callable[[str], Path] = lambda name: _saved(apart, tmp_path / name)  # noqa: E731
    weights.chmod(0o444)
    assert not load_and_save("not-shared").samefile(weights)
    share([apart.parent])
    weights.chmod(0o644)
    assert not load_and_save("writable").samefile(weights)
    weights.chmod(0o444)
    assert load_and_save("shared").samefile(weights)
    copy_files(apart, tmp_path / "copied" / "model.onnx")
    assert (tmp_path / "copied" / "weights.bin").samefile(weights)
    assert load(tmp_path / "copied" / "model.onnx") == load(apart)


def _saved(source: Path, folder: Path) -> Path:
    save(load(source), folder / "model.onnx")
    return folder / "model.onnx.data"


@pytest.mark.usefixtures("everything_is_large")
def test_a_file_of_the_users_never_gets_a_second_name(apart: Path, tmp_path: Path) -> None:
    weights = apart.parent / "weights.bin"
    save_briefly(load(apart), tmp_path / "brief" / "model.onnx")
    assert weights.stat().st_nlink == 1


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("location", ["/etc/hostname", "../weights.bin", ""])
def test_a_large_model_reads_nothing_outside_its_folder(apart: Path, location: str) -> None:
    model = load_structure(apart)
    for tensor in iter_tensors(model):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    apart.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match="external data"):
        load(apart)
    assert all(weight_files.extent_of(each) is None for each in iter_tensors(model))


@pytest.mark.usefixtures("everything_is_large")
def test_data_that_are_too_short_are_refused(apart: Path) -> None:
    weights = apart.parent / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelFileError, match="shorter than the model says"):
        load(apart)


@pytest.mark.parametrize("form", FORMS)
def test_damage_is_the_same_in_a_large_model(
    form: QuantizedForm, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    feeds = [{"x": np.random.default_rng(seed).standard_normal((1, 16)).astype(np.float32)} for seed in range(3)]
    plain = models.save(models.mlp(), tmp_path / "plain" / "model.onnx")
    apart = _beside(models.mlp(), tmp_path / "apart")
    small = measure_sensitivity(plain, form, feeds, Making(feeds))
    request.getfixturevalue("everything_is_large")
    large = measure_sensitivity(apart, form, feeds, Making(feeds))
    assert [each.name for each in small.units] == [each.name for each in large.units]
    assert [each.damage_db for each in small.units] == pytest.approx([each.damage_db for each in large.units], abs=0.1)
