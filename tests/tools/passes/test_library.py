"""Named passes of onnxoptimizer and onnxslim do what they are called, and a bad one costs only itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from shipfit.contracts import GRAPH_PASSES, Limits, NoOpError, OptimizeGraphStep, StepReport, ToolError
from shipfit.tools.graph import optimize_graph
from shipfit.tools.passes import library
from shipfit.tools.passes.child import _STAGES
from shipfit.tools.passes.library import CARRIERS, apply_passes
from shipfit.tools.passes.relevance import relevant

from ... import models


def weight(*shape: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(len(shape)).standard_normal(shape), np.float32)


def padded() -> onnx.ModelProto:
    """Pad → Conv → ConvTranspose → BatchNormalization."""
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["p"]),
        helper.make_node("Conv", ["p", "w"], ["c"]),
        helper.make_node("ConvTranspose", ["c", "w2"], ["t"]),
        helper.make_node("BatchNormalization", ["t", "s", "b", "m", "v"], ["y"]),
    ]
    weights = {"w": weight(4, 3, 3, 3), "w2": weight(4, 2, 2, 2), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)}
    weights |= {"s": weight(2), "b": weight(2), "m": weight(2), "v": np.ones(2, np.float32)}
    return models.build(nodes, [models.spec("x", ["N", 3, 6, 6])], [models.spec("y", ["N", 2, 7, 7])], weights)


def wasteful() -> onnx.ModelProto:
    """A MatMul with its bias, beside a dead end, an unused weight and two that are equal."""
    nodes = [
        helper.make_node("Exp", ["x"], ["nowhere"]),
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["a"]),
        helper.make_node("Transpose", ["a"], ["t1"], perm=[1, 0]),
        helper.make_node("Transpose", ["t1"], ["t2"], perm=[1, 0]),
        helper.make_node("MatMul", ["t2", "w2"], ["y"]),
    ]
    weights = {"w": weight(32, 32), "w2": weight(32, 32), "b": weight(32), "unused": weight(40, 40)}
    return models.build(nodes, [models.spec("x", [2, 32])], [models.spec("y", [2, 32])], weights)


def run(model: onnx.ModelProto, folder: Path, *names: str) -> tuple[onnx.ModelProto, StepReport]:
    source = models.save(model, folder / "source.onnx")
    report = optimize_graph(OptimizeGraphStep(passes=names), source, folder / "m.onnx", None, Limits())
    return onnx.load(folder / "m.onnx"), report


@pytest.mark.parametrize(
    ("make", "name", "change"),
    [
        (wasteful, "eliminate_deadend", {"Exp": -1}),
        (wasteful, "eliminate_unused_initializer", {"initializer": -1}),
        (wasteful, "eliminate_duplicate_initializer", {"initializer": -1}),
        (wasteful, "fuse_matmul_add_bias_into_gemm", {"Add": -1, "Gemm": 1, "MatMul": -1}),
        (wasteful, "fuse_consecutive_transposes", {"Transpose": -1}),
        (padded, "fuse_pad_into_conv", {"Pad": -1}),
        (padded, "FusionConvTransposeBN", {"BatchNormalization": -1}),
    ],
)
def test_a_named_pass_does_that_alone(
    make: Callable[[], onnx.ModelProto], name: str, change: dict[str, int], tmp_path: Path
) -> None:
    model, report = run(make(), tmp_path, name)
    assert list(report.details["passes"]) == [name]
    assert change.items() <= report.details["passes"][name].items()
    assert any(note.startswith(f"{name}: ") for note in report.notes)
    feeds = {
        each.name: weight(*(dim.dim_value or 1 for dim in each.type.tensor_type.shape.dim))
        for each in model.graph.input
    }
    assert models.decibels(models.run(make(), feeds)[0], models.run(model, feeds)[0]) > 100


def test_passes_run_in_the_order_of_the_catalogue_and_every_one_is_listed(tmp_path: Path) -> None:
    _, report = run(wasteful(), tmp_path, "eliminate_unused_initializer", "fuse_matmul_add_bias_into_gemm")
    assert list(report.details["passes"]) == ["fuse_matmul_add_bias_into_gemm", "eliminate_unused_initializer"]
    with pytest.raises(NoOpError):
        run(wasteful(), tmp_path, "fuse_pad_into_conv")


def test_the_interface_stays_where_a_library_drops_an_input(tmp_path: Path) -> None:
    model = wasteful()
    model.graph.input.append(models.spec("idle", [1]))
    made, _ = run(model, tmp_path, "dead_node_elimination", "eliminate_deadend")
    assert [each.name for each in made.graph.input] == ["x", "idle"]


@pytest.mark.parametrize(
    ("crash", "words"),
    [
        ("__import__('os').abort()", "signal 6"),
        ("1 / 0", "ZeroDivisionError"),
        pytest.param("__import__('time').sleep(60)", "took over", marks=pytest.mark.slow),
    ],
)
def test_a_pass_that_breaks_its_process_costs_only_itself(
    crash: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, place = tmp_path / "child.py", "    idle = _unread(model.graph)"
    text = library._CHILD.read_text()
    assert place in text
    script.write_text(text.replace(place, f"    name == 'fuse_consecutive_transposes' and {crash}\n{place}"))
    monkeypatch.setattr(library, "_CHILD", script)
    names = ["fuse_matmul_add_bias_into_gemm", "fuse_consecutive_transposes", "eliminate_unused_initializer"]
    applied = apply_passes(wasteful(), names, lambda _: None, seconds=12)
    assert words in applied.left_out["fuse_consecutive_transposes"]
    assert list(applied.changes) == [names[0], names[2]]
    assert "unused" not in {each.name for each in applied.model.graph.initializer}


def test_a_library_that_is_missing_leaves_the_model_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "child.py"
    script.write_text("import onnxoptimizer_that_is_not_there")
    monkeypatch.setattr(library, "_CHILD", script)
    model = wasteful()
    applied = apply_passes(model, ["eliminate_deadend", "eliminate_unused_initializer"], lambda _: None, seconds=30)
    assert applied.model is model
    assert len(applied.left_out) == 2
    assert all("ModuleNotFoundError" in reason for reason in applied.left_out.values())


def test_a_result_that_is_not_sound_is_left_out_and_the_rest_goes_on() -> None:
    def check(model: onnx.ModelProto) -> None:
        if sum(node.op_type == "Transpose" for node in model.graph.node) < 2:
            raise ToolError("it answers differently")

    names = ["fuse_matmul_add_bias_into_gemm", "fuse_consecutive_transposes", "eliminate_unused_initializer"]
    applied = apply_passes(wasteful(), names, check, seconds=30)
    assert applied.left_out == {"fuse_consecutive_transposes": "it answers differently"}
    assert list(applied.changes) == [names[0], names[2]]


@pytest.mark.parametrize(("amount", "looked_at"), [(0, True), (1, False)])
def test_only_a_pad_that_pads_nothing_is_looked_at(amount: int, looked_at: bool) -> None:
    model = padded()
    next(each for each in model.graph.initializer if each.name == "pads").CopyFrom(
        onnx.numpy_helper.from_array(np.full(8, amount, np.int64), "pads")
    )
    assert relevant("eliminate_nop_pad", model) == looked_at


def test_what_a_library_would_lose_is_not_given_to_it() -> None:
    model = wasteful()
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], [helper.make_node("Exp", ["a"], ["b"])], []))
    applied = apply_passes(model, ["eliminate_deadend"], lambda _: None, seconds=30)
    assert applied.model is model
    assert "functions" in applied.left_out["eliminate_deadend"]


@pytest.mark.slow
def test_every_name_is_one_that_its_library_knows() -> None:
    import onnxoptimizer
    from onnxslim.core.pattern.registry import DEFAULT_FUSION_PATTERNS

    known = {"onnxoptimizer": onnxoptimizer.get_available_passes(), "onnxslim": [*DEFAULT_FUSION_PATTERNS, *_STAGES]}
    unknown = [
        name for name, each in GRAPH_PASSES.items() if each.carrier in CARRIERS and name not in known[each.carrier]
    ]
    assert unknown == []
