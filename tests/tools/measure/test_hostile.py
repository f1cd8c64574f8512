"""Candidates that load and run, and are of no use: each must be told from a success."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipfit.contracts import Evaluation, Request, ToolError
from shipfit.tools.judge import Evidence, flaw, judge, without_flaw
from shipfit.tools.measure.evaluate import compare_models
from shipfit.tools.measure.fidelity import OutputError

HEAD = '<ir_version: 8, opset_import: ["": 17]> m (float[n, 4] x) => '
SCORER = (
    "<float[4, 3] w = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1}, float[3] far = {100, 100, 100}, float limit = {2.5}, "
    "int64[2] rows = {-1, 1}, float[3] zero = {0, 0, 0}, int64 one = {1}> "
)


@pytest.fixture
def compared(samples: Path, write_model: Any, make_data: Any):
    """Compare a candidate, given in ONNX's text form, with `plain` on all samples of the final part."""

    def run(
        body: str, outputs: str = "(float[n, 3] y)", plain: str = "{ y = MatMul(x, w) }", part: str = "final"
    ) -> Any:
        original = write_model(HEAD + ("(int64[n] y) " if "ArgMax" in plain else "(float[n, 3] y) ") + SCORER + plain)
        _, data = make_data(original, source=str(samples))
        return compare_models(original, write_model(HEAD + outputs + SCORER + body), data, "final")

    return run


def verdict(evaluation: Evaluation) -> str:
    evidence = Evidence(original_bytes=100, candidate_bytes=50, evaluation=evaluation)
    return judge(Request(model="m.onnx"), evidence).kind


@pytest.mark.parametrize(
    "body",
    [
        "{ p = MatMul(x, w) y = Mul(p, zero) }",
        "{ p = MatMul(x, w) q = Mul(p, zero) y = Add(q, far) }",
    ],
)
def test_constant_answers(compared: Any, body: str) -> None:
    assert verdict(compared(body)) == "failed"


def test_an_answer_far_from_zero_that_no_longer_moves(compared: Any) -> None:
    """Its SQNR is that of a good product: what moves is a hundredth of what there is."""
    plain = "{ p = MatMul(x, w) y = Add(p, far) }"
    evaluation = compared("{ p = MatMul(x, w) q = Mul(p, zero) y = Add(q, far) }", plain=plain)
    assert evaluation.fidelity.value > 30
    assert verdict(evaluation) == "failed"


def test_classes_that_are_always_the_same() -> None:
    broken, sound = OutputError(), OutputError()
    for step, value in enumerate((3, 1, 2, 0, 3, 1)):
        broken.add(np.array([value]), np.array([1]))
        sound.add(np.array([value]), np.array([value if step else 1]))
    assert broken.constant
    assert not sound.constant


def test_not_a_number_in_a_few_samples(compared: Any) -> None:
    evaluation = compared("{ p = MatMul(x, w) l = Sub(limit, p) r = Sqrt(l) s = Sub(r, r) y = Add(p, s) }")
    assert not evaluation.finite
    assert verdict(evaluation) == "failed"
    with pytest.raises(ToolError, match="NaN or infinity"):
        without_flaw(evaluation)


@pytest.mark.parametrize(
    ("body", "outputs", "words"),
    [
        ("{ z = MatMul(x, w) }", "(float[n, 3] z)", "outputs"),
        ("{ y = MatMul(x, w) z = Relu(y) }", "(float[n, 3] y, float[n, 3] z)", "outputs"),
        ("{ p = MatMul(x, w) y = Cast<to = 11>(p) }", "(double[n, 3] y)", "is float64"),
        ("{ p = MatMul(x, w) y = Reshape(p, rows) }", "(float[m, 1] y)", "of shape"),
        ("{ p = MatMul(x, w) y = Concat<axis = 1>(p, p) }", "(float[n, 6] y)", "of shape"),
        ("{ p = MatMul(x, w) a = ReduceMax<keepdims = 0>(p) b = Add(a, a) c = Add(b, b) i = Cast<to = 7>(c) "
         "g = Gather(zero, i) y = Add(p, g) }", "(float[n, 3] y)", "does not run"),
    ],
)  # fmt: skip
def test_another_signature_or_a_crash(compared: Any, body: str, outputs: str, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        compared(body, outputs)


def test_an_honest_candidate(compared: Any) -> None:
    evaluation = compared("{ h = Mul(x, x) i = Sub(h, h) j = Add(x, i) y = MatMul(j, w) }")
    assert flaw(evaluation) is None
    assert without_flaw(evaluation) is evaluation


def test_one_sample_far_from_the_others_is_no_constant() -> None:
    error = OutputError()
    for value in (1.0, 2.0, 1e6, 3.0, 1.0):
        error.add(np.array([value]), np.array([min(value, 4.0)]))
    assert not error.constant


def test_classes_that_hardly_vary_tell_nothing() -> None:
    error = OutputError()
    for value in (1, 1, 1, 2, 1, 1):
        error.add(np.array([value]), np.array([1]))
    assert not error.constant
