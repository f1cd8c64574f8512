from pathlib import Path

import numpy as np
import pytest

from shipfit.contracts import DataError
from shipfit.tools.measure.session import open_session
from shipfit.tools.measure.synthesize import synthesize_feeds

HEAD = '<ir_version: 8, opset_import: ["": 17]>\n'


def runs(model: Path, **kwargs) -> list[dict[str, np.ndarray]]:
    feeds = synthesize_feeds(model, 2, 0, **kwargs)
    session = open_session(model)
    for feed in feeds:
        assert all(np.isfinite(output).all() for output in session.run(feed))
    return feeds


def test_repeatable_and_different(digits_model: Path):
    first, again, other = (synthesize_feeds(digits_model, 3, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a["image"], b["image"]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0]["image"], first[1]["image"])
    assert not np.array_equal(first[0]["image"], other[0]["image"])
    assert first[0]["image"].shape == (1, 1, 8, 8)
    assert np.abs(first[0]["image"]).max() <= 4


@pytest.mark.parametrize("fixture", ["old_opset_model", "mlp_model", "lstm_model", "if_model", "external_model"])
def test_models_of_the_zoo(fixture: str, request: pytest.FixtureRequest):
    runs(request.getfixturevalue(fixture))


def test_free_dimension_with_one_right_size(write_model):
    model = write_model(
        HEAD
        + "m (float[n, t] x) => (float[n, 3] y) <float[48, 3] w> "
        "{ shape = Constant<value = int64[2] {48, 3}>() one = Constant<value = float[1] {0.5}>() "
        "  v = Expand(one, shape) y = MatMul(x, v) }".replace("<float[48, 3] w> ", "")
    )
    assert runs(model)[0]["x"].shape == (1, 48)


def test_token_ids_stay_in_the_table(write_model):
    model = write_model(
        HEAD + "m (int64[n, s] ids, int64[n, s] attention_mask) => (float[n, s, 2] y) "
        "<float[2, 2] table = {1, 2, 3, 4}> "
        "{ e = Gather(table, ids) f = Cast<to = 1>(attention_mask) axis = Constant<value = int64[1] {2}>() "
        "g = Unsqueeze(f, axis) y = Mul(e, g) }"
    )
    feed = runs(model)[0]
    assert feed["ids"].max() <= 1
    assert feed["attention_mask"].min() == 1


def test_sample_rate(write_model):
    model = write_model(
        HEAD + "m (float[1, 4] x, int64 sr) => (float[1, 4] y) "
        "{ f = Cast<to = 1>(sr) r = Constant<value = float {16000.0}>() d = Sub(f, r) "
        "one = Constant<value = float {1.0}>() e = Add(d, one) l = Log(e) y = Add(x, l) }"
    )
    assert runs(model)[0]["sr"] == 16000


def test_strings_are_refused_by_name(write_model):
    model = write_model(HEAD + "m (string[n] words) => (string[n] y) { y = Identity(words) }")
    with pytest.raises(DataError, match=r"'words'.*string"):
        synthesize_feeds(model, 1, 0)


def test_shape(digits_model: Path):
    assert runs(digits_model, shape={"image": (4, 1, 8, 8)})[0]["image"].shape == (4, 1, 8, 8)
    with pytest.raises(DataError, match=r"--shape image=1,3,8,8 does not fit"):
        synthesize_feeds(digits_model, 1, 0, {"image": (1, 3, 8, 8)})
    with pytest.raises(DataError, match=r"--shape names 'picture'.*image"):
        synthesize_feeds(digits_model, 1, 0, {"picture": (1, 1, 8, 8)})
    for rows in (10**8, 10**20):
        with pytest.raises(DataError, match=r"--shape image=.*more than .* elements"):
            synthesize_feeds(digits_model, 1, 0, {"image": (rows, 1, 8, 8)})


def test_nothing_runs(write_model):
    model = write_model(
        HEAD + "m (float[n, t] x) => (float[n, 7] y) "
        "{ s = Constant<value = int64[2] {1, 7777}>() r = Reshape(x, s) "
        "a = Constant<value = int64[1] {0}>() b = Constant<value = int64[1] {7}>() c = Constant<value = int64[1] {1}>()"
        " y = Slice(r, a, b, c) }"
    )
    with pytest.raises(DataError, match=r"'x'.*--data or --shape"):
        synthesize_feeds(model, 1, 0)
