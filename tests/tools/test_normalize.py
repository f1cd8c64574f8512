"""Normalizing changes how a model is written, never what it computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

from shipfit.contracts import Limits, NormalizeStep, StepReport
from shipfit.tools.normalize import normalize
from shipfit.tools.normalize.constants import lift_constants
from shipfit.tools.normalize.domains import unify_domains
from shipfit.tools.normalize.folding import fold_movements
from shipfit.tools.normalize.inputs import fix_initializers
from shipfit.tools.normalize.names import name_nodes
from shipfit.tools.normalize.order import sort_nodes
from shipfit.tools.normalize.remarks import drop_remarks
from shipfit.tools.normalize.shapes import infer_shapes
from shipfit.tools.normalize.sharing import share_equal
from shipfit.tools.normalize.unused import drop_unused
from shipfit.tools.onnx_model import iter_graphs, iter_nodes, model_bytes, opset

from .. import models

X = models.spec("x", [2, 4])
Y = models.spec("y", [2, 4])


def normalized(source: Path, target: Path) -> tuple[onnx.ModelProto, StepReport]:
    report = normalize(NormalizeStep(), source, target, None, Limits())
    assert report.size_bytes == model_bytes(target)
    return onnx.load(target), report


def signature(path: Path) -> list[tuple]:
    graph = onnx.load(path).graph
    return [(each.name, each.type.SerializeToString()) for each in (*graph.input, *graph.output)]


FEEDS = {
    "digits_model": {"image": (2, 1, 8, 8)},
    "old_opset_model": {"x": (1, 3, 16, 16)},
    "mlp_model": {"x": (1, 16)},
    "external_model": {"x": (1, 16)},
    "lstm_model": {"x": (7, 1, 12)},
    "if_model": {"x": (1, 48)},
}


@pytest.mark.parametrize("name", FEEDS)
def test_same_answers_and_signature(name: str, request: pytest.FixtureRequest, tmp_path: Path):
    source: Path = request.getfixturevalue(name)
    normalized(source, tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    feed = {key: rng.standard_normal(shape).astype(np.float32) for key, shape in FEEDS[name].items()}
    for flag in (True, False):
        feeds = feed | ({"flag": np.array(flag)} if name == "if_model" else {})
        for expected, answer in zip(models.run(source, feeds), models.run(tmp_path / "model.onnx", feeds), strict=True):
            assert models.decibels(expected, answer) > 100
    assert signature(source) == signature(tmp_path / "model.onnx")


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_models_stay_equivalent(data: st.DataObject, random_cnns, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("random")
    source = models.save(data.draw(random_cnns), folder / "source.onnx")
    model, _ = normalized(source, folder / "model.onnx")
    feeds = {"x": np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)}
    assert models.decibels(models.run(source, feeds)[0], models.run(folder / "model.onnx", feeds)[0]) > 100
    assert signature(source) == signature(folder / "model.onnx")
    assert opset(model) >= 13
    names = [node.name for node in iter_nodes(model)]
    assert all(names)
    assert len(set(names)) == len(names)
    assert not {node.op_type for node in iter_nodes(model)} & {"Constant", "Transpose", "Slice"}
    # What is normal stays as it is, to the byte.
    again = normalize(NormalizeStep(), folder / "model.onnx", folder / "again.onnx", None, Limits())
    assert again.changed is False
    assert again.notes
    assert (folder / "again.onnx").read_bytes() == (folder / "model.onnx").read_bytes()


def test_old_opset_is_lifted(old_opset_model: Path, tmp_path: Path):
    model, report = normalized(old_opset_model, tmp_path / "model.onnx")
    assert report.details == {"opset_before": 11, "opset": 17}
    assert "Constant" not in {node.op_type for node in model.graph.node}
    assert {each.name for each in model.graph.initializer} >= {"w1", "w2", "w3", "half", "fc"}
    assert report.size_bytes < model_bytes(old_opset_model)


def test_opset_that_cannot_be_lifted_is_kept(tmp_path: Path):
    scaler = helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[0.0], scale=[2.0])
    nodes = [scaler, models.constant("unused", np.zeros(3))]
    source = models.save(models.build(nodes, [X], [Y], {}, 11, ["ai.onnx.ml"]), tmp_path / "source.onnx")
    model, report = normalized(source, tmp_path / "model.onnx")
    assert opset(model) == 11
    assert any("opset 11 is kept" in note for note in report.notes)


def test_operators_of_the_runtime_do_not_keep_an_opset(tmp_path: Path):
    nodes = [helper.make_node("Gelu", ["x"], ["g"], domain="com.microsoft"), helper.make_node("Relu", ["g"], ["y"])]
    source = models.save(models.build(nodes, [X], [Y], {}, 11, ["com.microsoft"]), tmp_path / "source.onnx")
    model, _ = normalized(source, tmp_path / "model.onnx")
    assert opset(model) == 17
    assert [(node.op_type, node.domain) for node in model.graph.node] == [("Gelu", "com.microsoft"), ("Relu", "")]


def test_conversion_that_breaks_the_model_is_undone(tmp_path: Path):
    # The converter leaves subgraphs alone: an attribute that moved to an input breaks there.
    inner = models.graph(
        [helper.make_node("Unsqueeze", ["x"], ["a"], axes=[0]), helper.make_node("Squeeze", ["a"], ["b"], axes=[0])],
        [],
        [models.spec("b", [2, 4])],
        {},
    )
    nodes = [helper.make_node("If", ["flag"], ["y"], then_branch=inner, else_branch=inner)]
    inputs = [X, models.spec("flag", [], TensorProto.BOOL)]
    source = models.save(models.build(nodes, inputs, [Y], {}, 11), tmp_path / "source.onnx")
    normalized(source, tmp_path / "model.onnx")
    feeds = {"x": np.ones((2, 4), np.float32), "flag": np.array(True)}
    assert np.array_equal(models.run(tmp_path / "model.onnx", feeds)[0], feeds["x"])


def test_lstm_weights_become_initializers(lstm_model: Path, tmp_path: Path):
    model, report = normalized(lstm_model, tmp_path / "model.onnx")
    lstm = next(node for node in model.graph.node if node.op_type == "LSTM")
    assert set(lstm.input[1:4]) <= {each.name for each in model.graph.initializer}
    assert report.size_bytes < model_bytes(lstm_model)


def test_external_model_becomes_whole(external_model: Path, tmp_path: Path):
    source = models.save(models.mlp(opset=11), tmp_path / "source" / "model.onnx", external=True)
    _, report = normalized(source, tmp_path / "target" / "model.onnx")
    assert report.changed
    assert [each.name for each in (tmp_path / "target").iterdir()] == ["model.onnx"]


def test_unchanged_external_model_is_copied_with_its_data(external_model: Path, tmp_path: Path):
    _, report = normalized(external_model, tmp_path / "model.onnx")
    assert report.changed is False
    for each in external_model.parent.iterdir():
        assert (tmp_path / each.name).read_bytes() == each.read_bytes()


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("value", numpy_helper.from_array(np.array(2.5, np.float32)), np.array(2.5, np.float32)),
        ("value_float", 2.5, np.array(2.5, np.float32)),
        ("value_floats", [1.0, 2.0], np.array([1, 2], np.float32)),
        ("value_int", 3, np.array(3, np.int64)),
        ("value_ints", [3, 4], np.array([3, 4], np.int64)),
        ("value_string", "a", np.array("a", object)),
        ("value_strings", ["a", "b"], np.array(["a", "b"], object)),
    ],
)
def test_every_kind_of_constant(attribute: str, value: Any, expected: np.ndarray):
    nodes = [
        helper.make_node("Constant", [], ["c"], **{attribute: value}),
        helper.make_node("Identity", ["c"], ["y"]),
    ]
    kind = helper.np_dtype_to_tensor_dtype(expected.dtype) if expected.dtype != object else TensorProto.STRING
    model = models.build(nodes, [], [models.spec("y", expected.shape, kind)], {})
    assert lift_constants(model) is not None
    assert [node.op_type for node in model.graph.node] == ["Identity"]
    answer = models.run(model, {})[0]
    assert np.shape(answer) == expected.shape
    assert np.array_equal(answer, expected)


def test_constant_that_is_an_output_stays():
    model = models.build([models.constant("y", np.ones(2, np.float32))], [], [models.spec("y", [2])], {})
    assert lift_constants(model) is None
    assert np.array_equal(models.run(model, {})[0], np.ones(2))


def test_initializers_that_are_inputs_become_constant():
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    model = models.build(nodes, [X, models.spec("w", [4])], [Y], {"w": np.ones(4, np.float32)})
    model.ir_version = 3
    assert fix_initializers(model) is not None
    assert [each.name for each in model.graph.input] == ["x"]
    assert model.ir_version >= 4
    onnx.checker.check_model(model)


@pytest.mark.parametrize("imports", [[("ai.onnx", 17)], [("", 17), ("com.microsoft", 1)], []])
def test_domains(imports: list[tuple[str, int]]):
    model = models.build([helper.make_node("Relu", ["x"], ["y"])], [X], [Y], {})
    model.graph.node[0].domain = "ai.onnx"
    model.ClearField("opset_import")
    model.opset_import.extend(helper.make_opsetid(*each) for each in imports)
    assert unify_domains(model, 17) is not None
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    assert unify_domains(model, 17) is None
    onnx.checker.check_model(model)


def test_arithmetic_on_weights_is_not_folded():
    weight = np.arange(4000, dtype=np.int8).reshape(1000, 4)
    nodes = [
        helper.make_node("Cast", ["q"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "scale"], ["w"]),
        helper.make_node("Add", ["x", "w"], ["y"]),
    ]
    specs = [models.spec("x", [1000, 4])], [models.spec("y", [1000, 4])]
    model = models.build(nodes, *specs, {"q": weight, "scale": np.array(0.1, np.float32)})
    assert fold_movements(model) is None


@pytest.mark.parametrize(
    ("kind", "to", "folded"),
    [
        (np.float64, TensorProto.FLOAT, True),
        (np.int64, TensorProto.INT32, True),
        (np.int8, TensorProto.FLOAT, False),
        (np.float16, TensorProto.FLOAT, False),
        (np.int64, TensorProto.FLOAT, False),
    ],
)
def test_a_cast_of_a_weight_is_folded_where_it_unfolds_nothing(kind: type, to: int, folded: bool):
    nodes = [
        helper.make_node("Cast", ["w"], ["c"], to=to),
        helper.make_node("Cast", ["c"], ["d"], to=TensorProto.FLOAT),
    ]
    nodes.append(helper.make_node("Add", ["x", "d"], ["y"]))
    model = models.build(nodes, [models.spec("x", [4])], [models.spec("y", [4])], {"w": np.arange(4).astype(kind)})
    expected = models.run(model, {"x": np.ones(4, np.float32)})
    assert (fold_movements(model) is not None) == folded
    assert np.array_equal(models.run(model, {"x": np.ones(4, np.float32)})[0], expected[0])


def test_folding_that_would_grow_the_model_is_left():
    nodes = [
        helper.make_node("Gather", ["w", "twice"], ["big"], axis=0),
        helper.make_node("Add", ["x", "big"], ["y"]),
    ]
    weights = {"w": np.ones((1, 4096), np.float32), "twice": np.zeros(8, np.int64)}
    model = models.build(nodes, [models.spec("x", [8, 4096])], [models.spec("y", [8, 4096])], weights)
    note = fold_movements(model)
    assert note is not None
    assert "grow" in note
    assert len(model.graph.node) == 2


def test_equal_weights_of_two_branches_are_stored_once():
    weight = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)

    def branch(name: str) -> onnx.GraphProto:
        nodes = [helper.make_node("MatMul", ["x", f"w_{name}"], [name])]
        return models.graph(nodes, [], [models.spec(name, [1, 32])], {f"w_{name}": weight})

    nodes = [
        helper.make_node("If", ["flag"], ["mid"], then_branch=branch("a"), else_branch=branch("b")),
        helper.make_node("MatMul", ["mid", "w_main"], ["half"]),
        helper.make_node("MatMul", ["half", "w_again"], ["y"]),
    ]
    inputs = [models.spec("x", [1, 32]), models.spec("flag", [], TensorProto.BOOL)]
    model = models.build(nodes, inputs, [models.spec("y", [1, 32])], {"w_main": weight, "w_again": weight})
    feeds = {"x": np.ones((1, 32), np.float32), "flag": np.array(True)}
    before = models.run(model, feeds)[0]
    assert share_equal(model) is not None
    assert sum(len(graph.initializer) for graph in iter_graphs(model)) == 1
    onnx.checker.check_model(model)
    assert np.array_equal(models.run(model, feeds)[0], before)
    assert share_equal(model) is None


def test_unused_initializers_are_dropped_and_captured_ones_kept(if_model: Path):
    model = onnx.load(if_model)
    inner = next(graph for graph in iter_graphs(model) if graph.name == "then")
    captured = inner.initializer.pop()
    model.graph.initializer.extend([captured, numpy_helper.from_array(np.zeros(3), "idle")])
    assert drop_unused(model) is not None
    assert {each.name for each in model.graph.initializer} == {captured.name, "head"}


def test_names_are_unique_across_subgraphs(if_model: Path):
    model = onnx.load(if_model)
    first = next(node.name for node in model.graph.node)
    assert name_nodes(model) is not None
    names = [node.name for node in iter_nodes(model)]
    assert len(names) == len(set(names))
    assert first in names
    assert name_nodes(model) is None


def test_remarks_of_the_exporter_go_and_those_of_the_model_stay():
    model = models.mlp()
    before = model.ByteSize()
    for node in model.graph.node:
        node.doc_string = "stack trace\n" * 10
        helper.set_model_props(model, {"names": "a,b"})
        node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="File x.py" * 9)
    assert drop_remarks(model) is not None
    assert [(each.key, each.value) for each in model.metadata_props] == [("names", "a,b")]
    assert model.ByteSize() < before + 32
    assert drop_remarks(model) is None


def test_shapes_that_contradict_are_survived():
    model = models.build([helper.make_node("Relu", ["x"], ["y"])], [X], [models.spec("y", [3, 3])], {})
    inferred, _ = infer_shapes(model)
    assert [each.name for each in inferred.graph.output] == ["y"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_shuffled_nodes_are_sorted(if_model: Path, seed: int):
    model = onnx.load(if_model)
    rng = np.random.default_rng(seed)
    for graph in iter_graphs(model):
        nodes = [graph.node[int(index)] for index in rng.permutation(len(graph.node))]
        del graph.node[:]
        graph.node.extend(nodes)
    sort_nodes(model)
    onnx.checker.check_model(model)
    assert sort_nodes(model) is None


def test_sorted_nodes_stay_where_they_are(digits_model: Path):
    assert sort_nodes(onnx.load(digits_model)) is None


def test_unsorted_file_is_normalized(tmp_path: Path):
    normalized(unsorted(tmp_path), tmp_path / "target" / "model.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "target" / "model.onnx"))


def unsorted(folder: Path) -> Path:
    model = models.mlp()
    nodes = list(reversed(model.graph.node))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return models.save(model, folder / "unsorted.onnx")
