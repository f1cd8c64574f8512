import contextlib
import io
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipfit.contracts import DataError, DataReport, Job, ToolError
from shipfit.tools.context import MODEL_FILE, ToolContext
from shipfit.tools.measure.data import open_data
from shipfit.tools.measure.data_tool import data_tool, folder_digest
from shipfit.tools.measure.sources import read_source, sample
from shipfit.tools.measure.sources.sample import Wanted
from shipfit.tools.measure.synthesize import InputSpec

X = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
LABELS = np.argmax(X[:, :3], axis=1)


def npz(folder: Path, **arrays: Any) -> str:
    path = folder / "given.npz"
    np.savez(path, **arrays)
    return str(path)


def test_whole_way(scorer: Path, samples: Path, make_data):
    report, data = make_data(scorer, source=str(samples), needs_accuracy=True)
    assert report.ref.parts == {"calibration": 10, "selection": 10, "final": 20}
    assert (report.ref.output, report.ref.classes, report.ref.labelled) == ("y", 3, True)
    assert not report.ref.synthetic
    seen = [(feed["x"], label) for part in report.ref.parts for feed, label in pairs(data, part)]
    assert len(seen) == 40
    for x, label in seen:
        assert x.shape == (1, 4)
        assert x.dtype == np.float32
        assert label == np.argmax(x[0, :3])
    assert len(data.feeds("final", 3)) == 3
    assert len(data.labels("final", 3)) == 3
    assert [f["x"][0, 0] for f in data.feeds("final")[2:4]] == [data.feeds("final")[i]["x"][0, 0] for i in (2, 3)]


def pairs(data, part: str):
    return zip(data.feeds(part), data.labels(part), strict=True)


def test_as_a_tool(scorer: Path, samples: Path, tmp_path: Path):
    inputs, work = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    work.mkdir()
    (inputs / MODEL_FILE).write_bytes(scorer.read_bytes())
    answer = data_tool(ToolContext(Job(tool="data", params={"source": str(samples)}), {"model": inputs}, work))
    assert isinstance(answer.report, DataReport)
    assert answer.report.ref.id == folder_digest(answer.outputs["data"])
    assert not list(work.glob("spool*"))


def test_same_artifact_whatever_the_order(scorer: Path, tmp_path: Path, make_data):
    first, _ = make_data(scorer, source=npz(tmp_path, x=X, labels=LABELS))
    order = np.random.default_rng(1).permutation(len(X))
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, rows in enumerate(np.array_split(order, 3)):
        np.savez(folder / f"{number}.npz", x=X[rows], labels=LABELS[rows])
    again, _ = make_data(scorer, source=str(folder))
    assert first.ref == again.ref


def test_large_inputs_are_synthesised_sparingly(write_model, make_data):
    model = write_model(
        '<ir_version: 8, opset_import: ["": 17]> m (float[1, 70000] x) => (float[1, 70000] y) { y = Relu(x) }'
    )
    assert make_data(model)[0].ref.samples == 24


def test_synthetic(digits_model: Path, make_data):
    report, data = make_data(digits_model)
    assert report.ref.synthetic
    assert sum(report.ref.parts.values()) == report.ref.samples == 48
    assert data.feeds("final")[0]["image"].shape == (1, 1, 8, 8)
    assert data.labels("final") is None
    with pytest.raises(DataError, match="needs labelled data"):
        make_data(digits_model, needs_accuracy=True)


def test_states_and_scalars_keep_their_axes(write_model, tmp_path: Path, make_data):
    model = write_model(
        """<ir_version: 8, opset_import: ["": 17]>
        m (float[n, 4] x, float[2, 1, 3] state, int64 sr) => (float[n, 4] y, float[2, 1, 3] stateN)
        { f = Cast<to = 1>(sr) y = Mul(x, f) stateN = Identity(state) }"""
    )
    state = np.zeros((12, 2, 1, 3), np.float32)
    source = npz(tmp_path, x=X[:12].astype(np.float64), state=state, sr=np.full(12, 16000, np.int32))
    _, data = make_data(model, source=source)
    feed = data.feeds("selection")[0]
    assert {name: array.shape for name, array in feed.items()} == {"x": (1, 4), "state": (2, 1, 3), "sr": ()}
    assert (feed["x"].dtype, feed["sr"].dtype) == (np.float32, np.int64)


def test_fixed_batch(write_model, tmp_path: Path, make_data):
    model = write_model(
        '<ir_version: 8, opset_import: ["": 17]> m (float[4, 4] x) => (float[4, 4] y) { y = Softmax(x) }'
    )
    report, data = make_data(model, source=npz(tmp_path, x=X, labels=LABELS))
    assert report.ref.parts == {"calibration": 8, "selection": 8, "final": 20}
    assert len(report.notes) == 2
    assert data.feeds("final")[0]["x"].shape == (4, 4)
    assert data.labels("final").shape == (5, 4)
    with pytest.raises(DataError, match=r"fewer than the batch of 4.*at least 16"):
        make_data(model, source=npz(tmp_path, x=X[:8]))


def test_shape_asks_for_a_batch(scorer: Path, samples: Path, make_data):
    _, data = make_data(scorer, source=str(samples), shape={"x": [2, 4]})
    assert data.feeds("final")[0]["x"].shape == (2, 4)


def test_shape_holds_for_the_data(write_model, tmp_path: Path, make_data):
    model = write_model('<ir_version: 8, opset_import: ["": 17]> m (float[n, t] x) => (float[n, t] y) { y = Relu(x) }')
    with pytest.raises(DataError, match=r"shape \[4\] per sample.*\[1, 5\]"):
        make_data(model, source=npz(tmp_path, x=X), shape={"x": [1, 5]})


def test_samples_of_different_shapes(write_model, tmp_path: Path, make_data):
    model = write_model('<ir_version: 8, opset_import: ["": 17]> m (float[n, t] x) => (float[n, t] y) { y = Relu(x) }')
    (tmp_path / "varied.py").write_text(
        "import numpy as np\ndef load():\n    for i in range(12):\n        yield {'x': np.full((i % 3 + 1,), i, 'f')}\n"
    )
    report, data = make_data(model, source="varied:load", working_directory=str(tmp_path))
    shapes = {feed["x"].shape for part in report.ref.parts for feed in data.feeds(part)}
    assert shapes == {(1, 1), (1, 2), (1, 3)}
    values = sorted(int(feed["x"][0, 0]) for part in report.ref.parts for feed in data.feeds(part))
    assert values == list(range(12))


def test_calibration_data_apart(scorer: Path, tmp_path: Path, make_data):
    folder = tmp_path / "calibration"
    folder.mkdir()
    np.savez(folder / "c.npz", x=np.concatenate([X[:4], X[:20] + 1]))
    source = npz(tmp_path, x=X, labels=LABELS)
    report, data = make_data(scorer, source=source, calibration_source=str(folder))
    assert report.ref.parts == {"calibration": 20, "selection": 13, "final": 27}
    assert report.notes == ("4 calibration samples are also in the data and were left out",)
    assert data.labels("calibration") is None
    assert len(data.labels("final")) == 27
    with pytest.raises(DataError, match="every calibration sample is also in the data"):
        make_data(scorer, source=source, calibration_source=npz(folder, x=X))


BAD = {
    "missing input": ({"y": X}, r"lacks 'x'.*'x'"),
    "unknown array": ({"x": X, "extra": X}, r"holds 'extra'.*inputs: 'x'"),
    "rank": ({"x": X[:, :, np.newaxis, np.newaxis]}, r"shape \[4, 1, 1\] per sample.*\[n, 4\]"),
    "fixed dimension": ({"x": X[:, :3]}, r"shape \[3\] per sample.*\[n, 4\]"),
    "type": ({"x": (X * 9).astype(np.int32)}, r"type int32.*float32"),
    "objects": ({"x": np.array([{}] * 40)}, r"type object.*never objects"),
    "strings": ({"x": np.array(["a"] * 40)}, "only numbers"),
    "NaN": ({"x": np.where(np.arange(4) == 2, np.nan, X)}, r"sample 0 of given.npz: 'x' holds NaN"),
    "infinity": ({"x": np.where(np.arange(4) == 2, np.inf, X)}, "NaN or infinity"),
    "too large for float32": ({"x": X.astype(float) * 1e300}, "float32 cannot hold"),
    "label too high": ({"x": X, "labels": LABELS + 1}, r"label 3 is out of range.*0 to 2"),
    "label below zero": ({"x": X, "labels": LABELS - 1}, "label -1 is out of range"),
    "float labels": ({"x": X, "labels": LABELS / 2}, "class indices, one integer"),
    "label matrix": ({"x": X, "labels": np.eye(40, dtype=int)}, "one integer per sample"),
    "misaligned labels": ({"x": X, "labels": LABELS[:9]}, r"differ in their number of samples.*'labels' 9"),
    "targets": ({"x": X, "targets": X}, "needs a metric.*`labels`"),
    "empty": ({"x": X[:0]}, "holds no sample"),
    "scalar": ({"x": np.float32(1)}, "first axis must be the sample"),
    "too few": ({"x": X[:2]}, "2 different samples"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays(case: str, scorer: Path, tmp_path: Path, make_data):
    arrays, words = BAD[case]
    with pytest.raises(DataError, match=words) as caught:
        make_data(scorer, source=npz(tmp_path, **arrays))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"source": "nowhere.npz"}, "no data at 'nowhere.npz'"),
        ({"output": "z"}, r"'z' is no output; the outputs are 'y'"),
        ({"shape": {"q": [1]}}, "'q', which is no input"),
        ({"shape": {"x": [1, 7]}}, "--shape x=1,7 does not fit"),
        ({"source": "no_such_module:load"}, "cannot import 'no_such_module'"),
    ],
)
def test_bad_params(params, words: str, scorer: Path, samples: Path, make_data):
    with pytest.raises(DataError, match=words):
        make_data(scorer, **{"source": str(samples), **params})


def test_accuracy_needs_labels_and_samples(scorer: Path, tmp_path: Path, make_data):
    with pytest.raises(DataError, match=r"class indices.*labels.*--min-fidelity"):
        make_data(scorer, source=npz(tmp_path, x=X), needs_accuracy=True)
    with pytest.raises(DataError, match="at least 8 samples"):
        make_data(scorer, source=npz(tmp_path, x=X[:7], labels=LABELS[:7]), needs_accuracy=True)


def test_labels_without_a_scoring_output(write_model, samples: Path, make_data):
    model = write_model(
        """<ir_version: 8, opset_import: ["": 17]>
        m (float[n, 4] x) => (float[n, 1] y) { y = ReduceSum<keepdims = 1>(x, axis) }""".replace(
            "{ y", "{ axis = Constant<value = int64[1] {1}>() y"
        )
    )
    with pytest.raises(DataError, match="no output carries class scores"):
        make_data(model, source=str(samples))
    with pytest.raises(DataError, match=r"'y' carries no class scores; choose from none"):
        make_data(model, source=str(samples), output="y")


def test_pickle_is_never_loaded(scorer: Path, tmp_path: Path, make_data):
    path = tmp_path / "evil.npz"
    path.write_bytes(pickle.dumps({"x": [1]}))
    with pytest.raises(DataError, match=r"evil.npz is no readable .npz archive"):
        make_data(scorer, source=str(path))


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_archive(share: float, scorer: Path, samples: Path, make_data):
    content = samples.read_bytes()
    samples.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match="no readable"):
        make_data(scorer, source=str(samples))


def test_flipped_bit(scorer: Path, samples: Path, make_data):
    content = bytearray(samples.read_bytes())
    content[300] ^= 4
    samples.write_bytes(content)
    with pytest.raises(DataError, match=r"samples\.npz"):
        make_data(scorer, source=str(samples))


def test_zip_bomb(scorer: Path, tmp_path: Path, make_data, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sample, "MAX_BYTES", 2**20)
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((2**18, 4), np.float32))
    assert path.stat().st_size < 2**16
    with pytest.raises(DataError, match="more than the limit"):
        make_data(scorer, source=str(path))


def test_header_that_lies(scorer: Path, tmp_path: Path, make_data):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**40, 4)})
    path = tmp_path / "liar.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"\0" * 64)
    with pytest.raises(DataError, match="shorter than its header"):
        make_data(scorer, source=str(path))


def test_column_order(scorer: Path, tmp_path: Path, make_data):
    rows, _ = make_data(scorer, source=npz(tmp_path, x=X))
    columns, _ = make_data(scorer, source=npz(tmp_path, x=np.asfortranarray(X)))
    assert rows.ref == columns.ref


CALLABLES = {
    "fails": ("def load():\n    raise ValueError('boom')\n", r"failed.*boom"),
    "fails_late": ("def load():\n    yield {'x': [1, 2, 3, 4]}\n    raise KeyError('boom')\n", "sample|type int"),
    "not_callable": ("load = 3\n", "is not callable"),
    "no_name": ("other = 3\n", "has no 'load'"),
    "half_labelled": (
        "import numpy as np\ndef load():\n    yield np.zeros(4, 'f'), 1\n    yield np.zeros(4, 'f'), None\n",
        "has no label although others have",
    ),
    "leaves": ("import sys\ndef load():\n    sys.exit(3)\n", "failed: SystemExit: 3"),
    "leaves_late": ("import sys\ndef load():\n    yield [0.0] * 4\n    sys.exit(3)\n", "type float64|SystemExit: 3"),
    "objects": ("def load():\n    yield {'x': [object()] * 4}\n", "only numbers"),
}


@pytest.mark.parametrize(("name", "limit"), [("MAX_SAMPLES", 50), ("MAX_BYTES", 2**10)])
def test_callable_without_an_end(
    name: str, limit: int, scorer: Path, tmp_path: Path, make_data, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sample, name, limit)
    (tmp_path / "endless.py").write_text(
        "import itertools, numpy as np\ndef load():\n    for n in itertools.count():\n"
        "        yield np.full(4, n, np.float32), 0\n"
    )
    with pytest.raises(DataError, match="endless:load does not end"):
        make_data(scorer, source="endless:load", working_directory=str(tmp_path))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_any_compression(method: int, tmp_path: Path):
    path = tmp_path / "damaged.npz"
    array = io.BytesIO()
    np.save(array, X)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.npy", array.getvalue())
    sound = path.read_bytes()
    wanted = Wanted((InputSpec("x", np.dtype(np.float32), ("n", 4)),))
    for position in range(30, len(sound), 7):
        path.write_bytes(sound[:position] + bytes([sound[position] ^ 0x55]) + sound[position + 1 :])
        with contextlib.suppress(DataError):
            list(read_source(str(path), wanted))


def test_model_that_answers_only_nan(write_model, make_data):
    model = write_model(
        '<ir_version: 8, opset_import: ["": 17]> m (float[n, 4] x) => (float[n, 4] y) '
        "{ a = Abs(x) b = Neg(a) c = Constant<value = float[1] {1.0}>() d = Sub(b, c) y = Log(d) }"
    )
    with pytest.raises(DataError, match="nothing but NaN"):
        make_data(model)


@pytest.mark.parametrize(("inputs", "words"), [("", "has no inputs"), ("bool[4] m", "nothing to vary; give --data")])
def test_inputs_that_are_always_alike(inputs: str, words: str, write_model, make_data):
    model = write_model(
        f'<ir_version: 8, opset_import: ["": 17]> m ({inputs}) => (float[4] y, bool[4] z) '
        "<float[4] a = {1, 2, 3, 4}, bool[4] c = {1, 0, 1, 0}> "
        f"{{ y = Neg(a) z = Not({'m' if inputs else 'c'}) }}"
    )
    with pytest.raises(DataError, match=words):
        make_data(model)


@pytest.mark.parametrize("name", CALLABLES)
def test_bad_callables(name: str, scorer: Path, tmp_path: Path, make_data):
    code, words = CALLABLES[name]
    (tmp_path / f"user_{name}.py").write_text(code)
    with pytest.raises(DataError, match=words):
        make_data(scorer, source=f"user_{name}:load", working_directory=str(tmp_path))
    sys.modules.pop(f"user_{name}", None)


def test_damaged_canonical_data(scorer: Path, samples: Path, make_data, tmp_path: Path):
    report, _ = make_data(scorer, source=str(samples))
    folder = tmp_path / "work" / "data"
    with pytest.raises(ToolError, match="as their reference says"):
        open_data(folder, report.ref.model_copy(update={"parts": {"selection": 40}}))
    (folder / "data.json").write_text("{}")
    with pytest.raises(ToolError, match="are damaged"):
        open_data(folder, report.ref)
