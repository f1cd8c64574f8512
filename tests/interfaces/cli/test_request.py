"""What options and configuration files mean together, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import Constraints, Request, RequestError, UserError
from shipfit.interfaces.cli.bounds import assert_complete, read_bounds, read_shape
from shipfit.interfaces.cli.request import build_request, data_handling

MODEL = {"model": "digits.onnx"}
DATA = {**MODEL, "data": "digits.npz"}
Shipfit = Callable[..., Any]


def bounds(**given: str) -> Constraints:
    return build_request({**DATA, **given}).constraints


@pytest.mark.parametrize(
    ("option", "text", "field", "value"),
    [
        ("max_size", "10MB", "max_size_bytes", 10_000_000),
        ("max_size", "10 MiB", "max_size_bytes", 10 * 2**20),
        ("max_size", "30%", "max_size_ratio", 0.3),
        ("max_memory", "512MB", "max_memory_bytes", 512_000_000),
        ("max_memory", "80 %", "max_memory_ratio", 0.8),
        ("max_latency", "50ms", "max_latency_ms", 50.0),
        ("max_latency", "0.05 s", "max_latency_ms", 50.0),
        ("min_speedup", "2x", "min_speedup", 2.0),
        ("min_throughput", "100/s", "min_throughput_per_s", 100.0),
        ("min_accuracy", "95%", "min_accuracy", 0.95),
        ("max_drop", "0.01", "max_accuracy_drop", 0.01),
        ("max_drop", "1%", "max_accuracy_drop", 0.01),
        ("min_fidelity", "30 dB", "min_fidelity_db", 30.0),
        ("min_logits_fidelity", "20dB", "min_logits_fidelity_db", 20.0),
        ("latency_statistic", "p50", "latency_statistic", "p50"),
    ],
)
def test_bounds(option: str, text: str, field: str, value: object):
    assert getattr(bounds(**{option: text}), field) == pytest.approx(value)


def test_every_bound_has_a_reader():
    assert_complete()


def test_options_become_a_request(tmp_path: Path):
    request = build_request(
        {
            **DATA, "calibration_data": "digits.npz", "platform": "edge", "runtime": "onnx", "level": "aggressive",
            "output": "scores", "threads": 2, "shape": ["image=1,1,8,8"], "max_attempts": 3, "time_limit": "90 s",
            "objective": "size", "allow_regression": ["latency,memory", "size"], "strict_accuracy": True,
            "no_memory": True, "seed": 7, "out": "fitted", "dry_run": False, "json": True,
        }
    )  # fmt: skip
    work = tmp_path / "work"
    assert request == Request.model_validate(
        {
            "model": str(work / "digits.onnx"), "data": str(work / "digits.npz"),
            "calibration_data": str(work / "digits.npz"), "target": {"platform": "edge"},
            "optimization": {"level": "aggressive"}, "output": "scores", "threads": 2, "shape": {"image": [1, 1, 8, 8]},
            "budget": {"max_attempts": 3, "time_limit_s": 90}, "objective": "size",
            "allow_regression": ["latency", "memory", "size"], "strict_accuracy": True, "memory": False, "seed": 7,
            "out": str(work / "fitted"),
        }
    )  # fmt: skip


WRONG = [
    ({"model": "missing.onnx"}, "there is no model at 'missing.onnx'"),
    ({}, "no model is given"),
    ({**MODEL, "data": "missing.npz"}, "--data 'missing.npz' is not there"),
    ({**MODEL, "max_size": "10 parsecs"}, "--max-size '10 parsecs' has an unknown unit"),
    ({**MODEL, "max_size": "ten"}, "--max-size 'ten' is not a number"),
    ({**MODEL, "max_size": "-3MB"}, "--max-size '-3MB' must be greater than zero"),
    ({**MODEL, "max_size": "0.3"}, "write a share of the original like 30%"),
    ({**MODEL, "max_size": "-5%"}, "--max-size: Input should be greater than 0"),
    ({**MODEL, "min_fidelity": "-3dB"}, "--min-fidelity: Input should be greater than 0"),
    ({**MODEL, "max_latency": "0ms"}, "--max-latency '0ms' must be greater than zero"),
    ({**MODEL, "max_latency": "inf"}, "--max-latency 'inf' is not a number"),
    ({**DATA, "min_accuracy": "95"}, "--min-accuracy '95' is more than 100%"),
    ({**DATA, "max_drop": "100%"}, "less than 1"),
    ({**MODEL, "min_speedup": "0"}, "--min-speedup '0' must be greater than zero"),
    ({**MODEL, "min_accuracy": "0.9"}, "an accuracy bound needs labelled data"),
    ({**MODEL, "platform": "moon"}, "--platform: Input should be"),
    ({**MODEL, "platform": "browser"}, "'browser' is not served"),
    ({**MODEL, "runtime": "webgpu"}, "'webgpu' is not served"),
    ({**MODEL, "level": "extreme"}, "--level: Input should be"),
    ({**MODEL, "objective": "beauty"}, "--objective: Input should be"),
    ({**MODEL, "latency_statistic": "p42"}, "--latency-statistic: Input should be"),
    ({**MODEL, "allow_regression": ["speed"]}, "--allow-regression: Input should be"),
    ({**MODEL, "time_limit": "soon"}, "--time-limit 'soon' is not a number"),
    ({**MODEL, "shape": ["1,3"]}, "--shape '1,3' names no input"),
    ({**MODEL, "shape": ["x=1,,3"]}, "are no dimensions"),
    ({**MODEL, "shape": ["x=1,0"]}, "a dimension of 0"),
    ({**MODEL, "shape": ["x=1", "x=2"]}, "--shape gives 'x' twice"),
    ({**MODEL, "out": "digits.onnx"}, "--out 'digits.onnx' is a file"),
    ({**MODEL, "out": "."}, "--out '.' is not empty"),
    ({**MODEL, "out": ".."}, "--out '..' would hold SHIPFIT_HOME"),
    ({**MODEL, "out": ""}, "--out is empty"),
    ({**MODEL, "data": ""}, "--data is empty"),
    ({"model": "m" * 5000}, "cannot be a path"),
    ({**MODEL, "data": "d" * 5000}, "cannot be a path"),
    ({**MODEL, "out": "~nobody-of-that-name/\0"}, "holds a zero byte"),
    ({**MODEL, "out": "digits.onnx/deeper"}, "nothing can be written in"),
    ({**MODEL, "max_latency": "5ms", "allow_regression": ["latency"]}, "contradict"),
]


@pytest.mark.parametrize(("given", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_request(given: dict[str, Any], message: str, home: Path):
    with pytest.raises(UserError) as caught:
        build_request(given)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_status == 2
    assert not home.exists()
    assert sorted(os.listdir()) == ["digits.npz", "digits.onnx"]


def test_empty_model_file():
    Path("empty.onnx").touch()
    with pytest.raises(UserError, match="is empty"):
        build_request({"model": "empty.onnx"})


def test_link_to_an_empty_folder_is_followed(tmp_path: Path):
    (tmp_path / "real").mkdir()
    Path("link").symlink_to(tmp_path / "real")
    assert build_request({**MODEL, "out": "link"}).out == str(tmp_path / "real")


def test_home_of_an_unknown_user_is_a_missing_file():
    with pytest.raises(UserError, match="there is no model"):
        build_request({"model": "~nobody-of-that-name/model.onnx"})


def test_module_callable_is_left_alone():
    assert build_request({**MODEL, "data": "my.data:samples"}).data == "my.data:samples"


def test_shape_of_a_name_with_an_equals_sign():
    assert read_shape("a=b=1x3x8") == ("a=b", (1, 3, 8))


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30), st.sampled_from(["max_size", "max_latency", "min_throughput", "max_drop", "min_speedup"]))
def test_no_text_breaks_a_bound(text: str, name: str):
    try:
        value = read_bounds({name: text}, str)
    except RequestError as error:
        assert name in error.message  # noqa: PT017 - either outcome is right
    else:
        assert all(isinstance(number, int | float) for number in value.values())


CONFIG = """
data: digits.npz
target:
  platform: edge
  constraints: {max_size: 10MB, max_latency: 50 ms, max_drop: 1%}
optimization:
  level: aggressive
  quantization: {precision: 8bit, calibration: {method: percentile, samples: 200}}
monitoring:
  metrics: [latency, memory]
  alerts: {latency: 5ms, error_rate: 5%, memory_usage: 100MB}
budget: {max_attempts: 2, time_limit: 2m}
shape: {image: "1,1,8,8"}
allow_regression: memory
objective: size
"""


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str | bytes) -> str:
        path = tmp_path / "work" / "request.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return "request.yaml"

    return write


Config = Callable[[Any], str]


def test_config_is_a_request(config: Config, tmp_path: Path):
    request = build_request(MODEL, config(CONFIG))
    assert request.data == str(tmp_path / "work" / "digits.npz")
    assert request.constraints == Constraints(max_size_bytes=10_000_000, max_latency_ms=50, max_accuracy_drop=0.01)
    assert (request.target.platform, request.optimization.level, request.objective) == ("edge", "aggressive", "size")
    assert request.optimization.quantization.calibration.samples == 200
    assert request.monitoring.alerts.model_dump() == {"latency": 5.0, "error_rate": 0.05, "memory_usage": 1e8}
    assert (request.budget.max_attempts, request.budget.time_limit_s) == (2, 120)
    assert (request.shape, request.allow_regression) == ({"image": (1, 1, 8, 8)}, ("memory",))


def test_options_win_over_the_file(config: Config):
    given = {**MODEL, "max_size": "30%", "platform": "server", "max_attempts": 5}
    request = build_request(given, config(CONFIG))
    assert (request.constraints.max_size_ratio, request.constraints.max_size_bytes) == (0.3, None)
    assert request.constraints.max_latency_ms == 50
    assert (request.target.platform, request.budget.max_attempts, request.budget.time_limit_s) == ("server", 5, 120)


def test_file_may_name_the_model_and_contract_names(config: Config, tmp_path: Path):
    text = "model: digits.onnx\nconstraints: {max_size_ratio: 0.3, min_speedup: 2}\nmin_fidelity: 30 dB\nmemory: false"
    request = build_request({}, config(text))
    assert request.model == str(tmp_path / "work" / "digits.onnx")
    assert request.constraints == Constraints(max_size_ratio=0.3, min_speedup=2, min_fidelity_db=30)
    assert not request.memory


WRONG_FILES = [
    ("objektive: size", "unknown key 'objektive'; did you mean 'objective'?"),
    ("constraints: {max_sise: 3MB}", "unknown bound 'constraints.max_sise'; did you mean 'max_size'?"),
    ("target: {platfrom: edge}", "target.platfrom"),
    ("max_size: 3MB\nconstraints: {max_size: 4MB}", "max_size_bytes is given twice"),
    ("max_size: 3MB\nmax_size: 4MB", "the key 'max_size' is there twice"),
    ("max_size: 3 parsecs", "unknown unit"),
    ("max_size: [3]", "must be a number with a unit"),
    ("max_size: yes", "must be a number with a unit"),
    ("constraints: 3", "must be a list of bounds"),
    ("threads: many", "threads"),
    ("budget: {time_limit: soon}", "budget.time_limit_s 'soon'"),
    ("shape: {x: wide}", "shape.x"),
    ("- a\n- b", "holds no settings"),
    ("", "holds no settings"),
    ("a: [", "cannot be read as YAML at line"),
    ("a: !!python/object/apply:os.system [ls]", "cannot be read as YAML"),
    ("a: &x [1]\nb: *x", "aliases"),
    ("a: " + "[" * 50 + "]" * 50, "nested too deeply"),
    ("a: 2024-99-99", "cannot be read as YAML"),
    (b"\xff\xfe\x00", "not UTF-8"),
    (b"a: \x07", "cannot be read as YAML"),
    ("#" * 2**21, "larger than 1 MiB"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_FILES, ids=[message for _, message in WRONG_FILES])
def test_wrong_file(text: str | bytes, message: str, config: Config):
    with pytest.raises(RequestError) as caught:
        build_request(MODEL, config(text))
    assert message in caught.value.message
    assert "request.yaml" in caught.value.message
    assert "\n" not in caught.value.message


def test_missing_file():
    with pytest.raises(RequestError, match=r"there is no configuration at 'none.yaml'"):
        build_request(MODEL, "none.yaml")


def test_values_that_nothing_serves_are_refused_by_name(config: Config):
    text = "optimization: {pruning: {method: fisher}}"
    with pytest.raises(RequestError, match="'fisher' is not served"):
        build_request(MODEL, config(text))


def test_how_data_are_read_stands_in_a_file(tmp_path: Path):
    config = tmp_path / "request.yaml"
    config.write_text(
        "preprocess: {tokenizer: words/tokenizer.json, max_length: 12, scale: 1/255}\n"
        "state: {state: stateN}\nmetric: f1\n"
    )
    request = build_request(DATA, str(config))
    assert request.preprocess is not None
    assert request.preprocess.tokenizer == str(tmp_path / "words" / "tokenizer.json")
    assert request.state == {"state": "stateN"}
    assert request.metric == "f1"
    assert build_request({**DATA, "metric": "top5"}, str(config)).metric == "top5"
    assert data_handling(str(config), "r2", "digits.npz") == {
        "metric": "r2", "state": request.state, "preprocess": {**request.preprocess.model_dump(exclude_unset=True),
                                                               "scale": "1/255"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("preprocess: {size: big}\n", r"request.yaml: preprocess.size"),
        ("preprocess: 3\n", "preprocess"),
        ("state: [a]\n", "state"),
        ("metric: 3\n", "metric"),
    ],
)
def test_handling_that_is_none(text: str, words: str, tmp_path: Path):
    config = tmp_path / "request.yaml"
    config.write_text(text)
    with pytest.raises(RequestError, match=words):
        build_request(DATA, str(config))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({**DATA, "metric": "best"}, "--metric: metric 'best' is not known"),
        ({**DATA, "metric": "mae", "min_accuracy": "0.9"}, "min_accuracy is a fraction"),
        ({**MODEL, "metric": "f1"}, "give --data"),
    ],
)
def test_metrics_that_cannot_be(given: dict[str, str], words: str):
    with pytest.raises(RequestError, match=words):
        build_request(given)
