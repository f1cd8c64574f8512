import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as arrays

from shipfit.contracts import DataError
from shipfit.tools.measure.sources import read_source
from shipfit.tools.measure.sources.sample import Wanted
from shipfit.tools.measure.synthesize import InputSpec

X = np.random.default_rng(0).standard_normal((24, 4)).astype(np.float32)
LABELS = np.argmax(X[:, :3], axis=1)
WANTED = Wanted((InputSpec("x", np.dtype(np.float32), ("n", 4)),))


def folder_of(path: Path, **named: np.ndarray) -> Path:
    path.mkdir()
    for name, array in named.items():
        np.save(path / f"{name}.npy", array, allow_pickle=True)
    return path


def test_a_folder_of_arrays_is_an_archive_unpacked(scorer: Path, tmp_path: Path, make_data):
    np.savez(tmp_path / "all.npz", x=X, labels=LABELS)
    folder = folder_of(tmp_path / "arrays", x=X, labels=LABELS)
    one, _ = make_data(scorer, source=str(tmp_path / "all.npz"))
    other, _ = make_data(scorer, source=str(folder))
    assert one.ref == other.ref


def test_names_that_no_file_can_have(write_model, tmp_path: Path, make_data):
    model = write_model(
        '<ir_version: 8, opset_import: ["": 17]> m (float[n, 4] "a/x:0") => (float[n, 4] y) { y = Relu("a/x:0") }'
    )
    report, data = make_data(model, source=str(folder_of(tmp_path / "arrays", **{"a_x_0": X})))
    assert report.ref.samples == 24
    assert set(data.feeds("final")[0]) == {"a/x:0"}


BAD = {
    "objects": ({"x": np.array([{}, 1], object)}, "never objects"),
    "missing": ({"labels": LABELS}, "lacks 'x'"),
    "unknown": ({"x": X, "z": X}, "holds 'z'"),
    "misaligned": ({"x": X, "labels": LABELS[:5]}, "differ in their number of samples"),
    "text": ({"x": np.array(["a"] * 24)}, "only numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_hostile_arrays(name: str, scorer: Path, tmp_path: Path, make_data):
    named, words = BAD[name]
    with pytest.raises(DataError, match=words) as caught:
        make_data(scorer, source=str(folder_of(tmp_path / "arrays", **named)))
    assert "\n" not in caught.value.message


def test_an_array_that_is_none(scorer: Path, tmp_path: Path, make_data):
    folder = folder_of(tmp_path / "arrays", x=X)
    (folder / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + os.urandom(64))
    with pytest.raises(DataError, match="cannot be read"):
        make_data(scorer, source=str(folder))


def test_a_link_that_leads_out(scorer: Path, tmp_path: Path, make_data):
    np.save(tmp_path / "x.npy", X)
    folder = folder_of(tmp_path / "arrays")
    (folder / "x.npy").symlink_to(tmp_path / "x.npy")
    with pytest.raises(DataError, match="leads out of the folder"):
        make_data(scorer, source=str(folder))


def test_an_empty_folder(scorer: Path, tmp_path: Path, make_data):
    with pytest.raises(DataError, match=r"holds no .npz file, no .npy arrays and no images"):
        make_data(scorer, source=str(folder_of(tmp_path / "arrays")))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    x=arrays.arrays(
        st.sampled_from([np.float32, np.int16, np.uint8, np.bool_]), st.tuples(st.integers(1, 5), st.integers(1, 4))
    ),
    fortran=st.booleans(),
)
def test_rows_are_streamed_as_they_were(x: np.ndarray, fortran: bool, tmp_path: Path):
    folder = tmp_path / "arrays"
    folder.mkdir(exist_ok=True)
    np.save(folder / "x.npy", np.asfortranarray(x) if fortran else x)
    rows = [sample.inputs["x"] for sample in read_source(str(folder), WANTED)]
    assert np.array_equal(np.stack(rows), x, equal_nan=x.dtype.kind == "f")
    assert rows[0].dtype == x.dtype
