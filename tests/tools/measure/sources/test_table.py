from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from shipfit.contracts import DataError
from shipfit.tools.measure.sources import read_source
from shipfit.tools.measure.sources.sample import Wanted
from shipfit.tools.measure.synthesize import InputSpec

WANTED = Wanted((InputSpec("x", np.dtype(np.float32), ("n", 2)),))
ROWS = "\n".join(f"{n / 4},{n},{n % 3},1" for n in range(12))


def table(folder: Path, text: str, name: str = "table.csv") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def read(folder: Path, text: str, wanted: Wanted = WANTED):
    return list(read_source(table(folder, text), wanted))


def test_columns_in_order_feed_the_only_input(scorer: Path, tmp_path: Path, make_data):
    report, data = make_data(scorer, source=table(tmp_path, f"a,b,c,d\n{ROWS}\n"))
    assert report.ref.samples == 12
    assert not report.ref.labelled
    assert data.feeds("final")[0]["x"].shape == (1, 4)


def test_labels_stand_in_a_column(scorer: Path, tmp_path: Path, make_data):
    report, data = make_data(scorer, source=table(tmp_path, f"a,b,label,c,d\n{_labelled()}\n"))
    assert report.ref.labelled
    assert sorted({int(label) for part in report.ref.parts for label in data.labels(part)}) == [0, 1, 2]


def _labelled() -> str:
    return "\n".join(f"{n / 4},{n},{n % 3},{n},1" for n in range(12))


def test_numbered_columns_make_vectors(tmp_path: Path):
    specs = (InputSpec("v", np.dtype(np.float32), ("n", 1, 2)), InputSpec("age", np.dtype(np.int64), ("n",)))
    samples = read(tmp_path, "v_1,age,v_0,target_0,target_1\n2,40,1,7,8\n", Wanted(specs))
    assert samples[0].inputs["v"].tolist() == [[1.0, 2.0]]
    assert samples[0].inputs["age"] == 40
    assert samples[0].inputs["age"].dtype == np.int64
    assert isinstance(samples[0].target, np.ndarray)
    assert samples[0].target.tolist() == [7, 8]


def test_semicolons_and_tabs_separate_where_no_comma_does(tmp_path: Path):
    for separator in ";\t":
        text = f"a{separator}b\n1{separator}2\n"
        assert read(tmp_path, text)[0].inputs["x"].tolist() == [1, 2]


BAD = {
    "word": ("a,b\n1,2\n1,two\n", r"table.csv, line 3, column 'b': 'two' is no number"),
    "empty cell": ("a,b\n1,\n", r"line 2, column 'b': it is empty"),
    "infinite": ("a,b\n1,inf\n", "no finite number"),
    "short row": ("a,b\n1,2\n3\n", "line 3: 1 columns, but the header names 2"),
    "nothing": ("", "is empty"),
    "twice": ("a,a\n1,2\n", "there twice"),
    "too many": ("a,b,c\n1,2,3\n", r"3 columns for 'x', but the model takes \[n, 2\]"),
    "no label": ("a,b,label\n1,2,0.5\n", "no class index"),
    "quote without end": ('a,b\n1,"2\n', "cannot be read as CSV"),
    "endless cell": (f"a,b\n1,{'9' * 200_000}\n", "cannot be read as CSV"),
    "unused": ("x_0,x_1,z\n1,2,3\n", "column 'z', which no input takes"),
}


@pytest.mark.parametrize("name", BAD)
def test_hostile_tables(name: str, tmp_path: Path):
    text, words = BAD[name]
    with pytest.raises(DataError, match=words) as caught:
        read(tmp_path, text)
    assert len(caught.value.message) < 300
    assert "\n" not in caught.value.message


def test_no_text(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="not UTF-8"):
        list(read_source(str(path), WANTED))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=1, max_size=6))
def test_numbers_come_back_as_written(rows: list[tuple[float, float]], tmp_path: Path):
    text = "a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in rows)
    found = [tuple(sample.inputs["x"].tolist()) for sample in read(tmp_path, text)]
    assert found == rows


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_table_or_one_line(content: bytes, tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with suppress(DataError):
        assert all(sample.inputs["x"].shape == (2,) for sample in read_source(str(path), WANTED))
