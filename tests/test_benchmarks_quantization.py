"""The table of `benchmarks/quantization`: what it asks for is what it judges by, and damage is seen at the logits."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from shipfit.interfaces.cli.request import _FIELDS, BOUND_OPTIONS, build_request

from .benchmark_scripts import importing


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[Any]:
    """A function that imports a script of the benchmark, as the scripts import each other."""
    with importing("peers", "quantization", ".", "zoo") as load:
        yield load


@pytest.fixture(scope="module")
def rows(benchmarks: Any) -> Any:
    return benchmarks("asked").load()


def test_every_kind_of_model_has_its_rows(rows: Any):
    found = [row.model for row in rows.values()]
    silero = {f"silero_{each}" for each in ("sequence", "recordings", "vad", "op15", "ifless", "openvino", "half")}
    pp_ocr = {f"pp_ocr_{part}" for part in ("direction", "detection", "recognition")}
    assert {*found} == {"resnet", "lstm", "speaker_lstm", "mini_lm", "transformer", "magika"} | silero | pp_ocr
    assert {name: found.count(name) for name in {*found} if found.count(name) > 1} == {
        "resnet": 3, "lstm": 2, "silero_sequence": 2, "transformer": 2, "magika": 3, **dict.fromkeys(pp_ocr, 2)
    }  # fmt: skip


def test_requests_are_the_bars(rows: Any, digits_model: Path, digits_data: Path, tmp_path: Path):
    for row in rows.values():
        names = {name.replace("-", "_"): value for name, value in row.options.items()}
        assert {*names} <= {*_FIELDS, *BOUND_OPTIONS}
        if "allow_regression" in names:
            names["allow_regression"] = [names["allow_regression"]]
        config = tmp_path / "request.yaml"
        config.write_text(yaml.safe_dump(row.config))
        given = {**names, "model": str(digits_model), "data": str(digits_data)}
        asked = build_request(given, str(config) if row.config else None).constraints
        bars = row.bars
        assert asked.max_size_ratio == bars.size
        assert asked.max_accuracy_drop == bars.drop
        assert asked.min_speedup == bars.speedup
        in_db = 10 * np.log10(1 / (2 * (1 - bars.cosine))) if bars.cosine else bars.output_db
        assert asked.min_fidelity_db == pytest.approx(in_db, abs=0.1)
        assert asked.min_logits_fidelity_db == bars.logits_db


def sigmoid_in_a_body(path: Path, scale: float) -> Path:
    """Write x·scale → If(Sigmoid in one branch, Identity of a sigmoid around it in the other)."""
    shape = ["batch", 4]

    def body(op_type: str, source: str, name: str) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        return helper.make_graph([helper.make_node(op_type, [source], [name])], name, [], [output])

    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["chances"]),
        helper.make_node(
            "If",
            ["yes"],
            ["y"],
            then_branch=body("Sigmoid", "logits", "a"),
            else_branch=body("Identity", "chances", "b"),
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(np.array(scale, np.float32), "scale"),
            numpy_helper.from_array(np.array(True), "yes"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_logits_are_had_from_bodies(benchmarks: Any, tmp_path: Path):
    model = sigmoid_in_a_body(tmp_path / "m.onnx", 3.0)
    content, places = benchmarks("logits").exposed(model)
    rows = np.arange(8, dtype=np.float32).reshape(2, 4)
    answer = benchmarks("sessions").open_model(content).run(None, {"x": rows})
    assert places == [1]
    np.testing.assert_allclose(answer[1], 3 * rows, rtol=1e-6)


def test_written_out_softmax_is_seen_through(benchmarks: Any, tmp_path: Path):
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["top"], axes=[1]),
        helper.make_node("Sub", ["x", "top"], ["d"]),
        helper.make_node("Exp", ["d"], ["e"]),
        helper.make_node("ReduceSum", ["e", "axis"], ["sum"]),
        helper.make_node("Div", ["e", "sum"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "xy"]
    axis = numpy_helper.from_array(np.array([1]), "axis")
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [axis])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    content, places = benchmarks("logits").exposed(path)
    rows = np.array([[1, 2, 3, 4]], np.float32)
    answer = benchmarks("sessions").open_model(content).run(None, {"x": rows})
    np.testing.assert_array_equal(answer[places[0]], rows)


def test_breakage_that_a_sigmoid_hides_shows_at_the_logits(benchmarks: Any, tmp_path: Path):
    """Logits of 30 and of 60 are both a chance of 1."""
    original, half = sigmoid_in_a_body(tmp_path / "a.onnx", 60.0), sigmoid_in_a_body(tmp_path / "b.onnx", 30.0)
    data = tmp_path / "held_out.npz"
    np.savez(data, x=np.random.default_rng(0).choice([-1.0, 1.0], (20, 4)).astype(np.float32))
    measured = benchmarks("measured")
    before, after, by = measured.at_logits(original, half, data, {})
    assert by == "tensor"
    assert benchmarks("verify").fidelity(before, after).value == pytest.approx(6.02, abs=0.01)
    plain = [measured.answers_of(path, data, {}) for path in (original, half)]
    assert benchmarks("verify").fidelity(*plain).value > 100


def test_inverse_gives_logits_back(benchmarks: Any):
    inverse = benchmarks("logits").inverse
    logits = np.array([[-2.0, 0.5, 1.5]])
    softmax = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(inverse(softmax), logits - logits.mean(), atol=1e-9)
    np.testing.assert_allclose(inverse(1 / (1 + np.exp(-logits))), logits, atol=1e-9)


def test_bars_are_held(benchmarks: Any, rows: Any):
    judged, measured, verify = benchmarks("judged"), benchmarks("measured"), benchmarks("verify")

    def figure(value: float, low: float, high: float) -> Any:
        return verify.Figure(value=value, low=low, high=high)

    proof = verify.Proof(
        size_ratio=0.27, same_signature=True, foreign_domains=[], samples=9, accuracy=(0.9, 0.9),
        drop=figure(0.006, 0.002, 0.01), fidelity_db=figure(30, 29, 31), speedup=figure(5.2, 5.1, 5.3),
        same_arm=figure(1, 1, 1), latency_ms=1.0, rounds=9,
    )  # fmt: skip
    db = figure(21, 20.5, 22)
    found = measured.Measured(proof=proof, logits_db=db, logits_by="tensor", cosine=figure(1, 1, 1))
    held = {bar.name: bar for bar in judged.hold(rows["resnet_speed"], found)}
    assert {name: bar.state for name, bar in held.items()} == {
        "size": "missed", "speedup": "reached", "drop": "within noise", "logits_db": "reached"
    }  # fmt: skip
    assert held["speedup"].stretched
    row = judged.Found(name="r", about="a", stock="s", command="c", status="met", measured=found, held=[*held.values()])
    assert (row.state, row.stretched) == ("missed", False)
    results = benchmarks("results")
    table = results.Table(machine=benchmarks("machine").describe(), rows=[row])
    assert "0.27 (0.26) **missed**" in results._page(table)
    assert "0 of 1 rows reach every bar" in benchmarks("gauges").draw([row])


def test_peers_are_given_the_requests(benchmarks: Any, rows: Any):
    bounds = benchmarks("side_by_side").task_bounds
    assert bounds(rows["resnet_speed"]) == {"size": 0.26, "speedup": 4.5, "drop": 0.004, "db": 20.0}
    assert bounds(rows["pp_ocr_recognition"]) == {"size": 0.28, "speedup": 1.8, "db": 18.0}


def test_peer_keeps_the_candidate_nearest_to_the_request(benchmarks: Any, tmp_path: Path):
    task = benchmarks("task")
    given = task.Task(tmp_path, tmp_path, {"size": 0.5, "speedup": 2, "drop": 0.01, "db": 20}, [], [], None, 0.0)
    meets = {"size": 0.4, "speedup": 2.1, "drop": 0.0, "db": 25.0}
    assert given.shortfall(meets) == 0
    assert given.shortfall({**meets, "size": 0.75}) == pytest.approx(0.5)
    assert given.shortfall({**meets, "speedup": 1}) == pytest.approx(1)
    assert given.shortfall({**meets, "drop": 0.06}) == pytest.approx(1)
    assert given.shortfall({**meets, "db": 10.0}) == pytest.approx(1)


def test_peer_is_never_given_what_is_held_out(benchmarks: Any, digits_model: Path, digits_data: Path, tmp_path: Path):
    task = benchmarks("task")
    files = {"model": str(digits_model), "data": str(digits_data), "out": str(tmp_path)}
    given = task.read({**files, "bounds": {}, "seconds": 1})
    assert (len(given.calibration), len(given.validation), len(given.labels)) == (224, 300, 300)
    assert given.quality(task.open_session(digits_model)) == {"db": 100.0, "drop": 0.0}
    assert given.sample_runs == 600


def test_products_are_measured_side_by_side(benchmarks: Any, tmp_path: Path):
    original, half = sigmoid_in_a_body(tmp_path / "a.onnx", 2.0), sigmoid_in_a_body(tmp_path / "b.onnx", 1.0)
    broken, data = tmp_path / "c.onnx", tmp_path / "held_out.npz"
    broken.write_bytes(b"no model")
    np.savez(data, x=np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32))
    found = benchmarks("arms").measure(original, data, {"half": half, "broken": broken}, 0.1)
    assert found["half"].logits_db == pytest.approx(6.02, abs=0.01)
    assert found["half"].speed is not None
    assert found["broken"].error
    assert found["broken"].size is None
    side = benchmarks("side_by_side")
    arms = [side.Arm(peer=name, **dict(found[name])) for name in ("half", "broken")]
    row = side.Compared(model="m", row="r", about="a", bounds={"size": 2.0, "logits_db": 20.0}, arms=arms)
    assert [row.missed(arm) for arm in arms] == [["logits_db"], ["size", "logits_db"]]
    peers = side.Peers(machine=benchmarks("machine").describe(), limit_s=1.0, rows=[row])
    assert "| broken | – | – |" in benchmarks("peers_page")._page(peers)
    assert "misses 1" in benchmarks("peers_picture").draw(peers)


def test_finding_the_mixture_is_compared(benchmarks: Any, tmp_path: Path):
    arm = {"size": 0.4, "speed": {"value": 2.0}, "output_db": 26.0, "sample_runs": 300, "cpu_s": 20.0}
    theirs = {**arm, "size": 0.6, "sample_runs": 1800, "cpu_s": 30.0, "peer": "NNCF accuracy control"}
    path = tmp_path / "peers.json"
    rows = [{"model": "silero_recordings", "arms": [{**arm, "peer": "shipfit"}, theirs]}]
    path.write_text(json.dumps({"rows": rows}))
    found = benchmarks("mixture_row").finding(path)
    assert found.shares() == {"sample runs": pytest.approx(1 / 6), "CPU seconds": pytest.approx(2 / 3)}
    assert found.better
    told = found.told()
    assert "| sample runs | 300 | 1800 | 0.17 (0.20 → 0.10) | reached |" in told
    assert "**missed**" in told


def test_environments_have_pins_and_no_cuda(benchmarks: Any):
    environments = benchmarks("environments")
    for name in environments.NAMES:
        lines = (environments.REQUIREMENTS / f"{name}.txt").read_text().splitlines()
        pins = [line for line in lines if line and not line.startswith("#")]
        assert all("==" in line for line in pins)
        assert not [line for line in pins if "nvidia" in line or "cuda" in line or "triton" in line]
