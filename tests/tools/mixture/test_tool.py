"""From a model and tables to forms, through the registered tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shipfit.contracts import (
    Boundary,
    Job,
    MixtureReport,
    QuantizeStep,
    SensitivityTable,
    TimeTable,
    UnitDamage,
    UnitTime,
)
from shipfit.tools.context import TABLE_FILE, ToolContext
from shipfit.tools.quantize.storage import store_weights
from shipfit.tools.registry import tool

SIZES = {"a": (64, 64), "b": (64, 128), "c": (128, 64)}


def products(*shared: str) -> onnx.ModelProto:
    """MatMuls a, b and c in a row; nodes of `shared` read the weight of a."""
    rng = np.random.default_rng(3)
    weights = [numpy_helper.from_array(rng.normal(size=SIZES[name]).astype(np.float32), f"w_{name}") for name in SIZES]
    nodes, value = list[onnx.NodeProto](), "x"
    for name in SIZES:
        weight = "w_a" if name in shared else f"w_{name}"
        nodes.append(helper.make_node("MatMul", [value, weight], [f"y_{name}"], name))
        value = f"y_{name}"
    kept = [each for each in weights if each.name.removeprefix("w_") not in shared]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, [1, 64])], kept,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def table(form: Any, op_type: str, **damage: float) -> SensitivityTable:
    units = tuple(UnitDamage(name=name, op_type=op_type, form=form, damage_db=db) for name, db in damage.items())
    return SensitivityTable(form=form, samples=2, units=units, total_units=len(units))


def times(**us: tuple[float, float]) -> TimeTable:
    units = tuple(UnitTime(name=name, op_type="MatMul", us={"fp32": a, "static": b}) for name, (a, b) in us.items())
    edges = tuple(
        Boundary(source=source, target=target, quantize_us=4.0, dequantize_us=4.0)
        for source, target in (("", "a"), ("a", "b"), ("b", "c"))
    )
    total = sum(each.us["fp32"] for each in units)
    return TimeTable(units=units, boundaries=edges, total_us={"fp32": total})


@pytest.fixture
def mix(tmp_path: Path) -> Any:
    def run(model: onnx.ModelProto, tables: list[Any], **params: Any) -> MixtureReport:
        inputs = {"model": tmp_path / "m"}
        inputs["model"].mkdir(exist_ok=True)
        (inputs["model"] / "model.onnx").write_bytes(model.SerializeToString())
        for each in tables:
            role = "times" if isinstance(each, TimeTable) else f"table_{each.form}"
            inputs[role] = tmp_path / role
            inputs[role].mkdir(exist_ok=True)
            (inputs[role] / TABLE_FILE).write_text(each.model_dump_json(), encoding="utf-8")
        job = Job(tool="mixture", params=params)
        report = tool("mixture")(ToolContext(job=job, inputs=inputs, work=tmp_path)).report
        assert isinstance(report, MixtureReport)
        return report

    return run


STORED = table("int8", "MatMul", w_a=30.0, w_b=45.0, w_c=46.0)
COARSE = table("int4", "MatMul", w_a=10.0, w_b=25.0, w_c=38.0)


def test_widths_are_as_narrow_as_the_quality_allows(mix: Any) -> None:
    params = {"storage": ["int8", "int4", "fp16"], "objective": "size"}
    high = mix(products(), [STORED, COARSE], min_fidelity_db=35.0, **params)
    assert high.stored == {"w_a": "fp16", "w_b": "int8", "w_c": "int4"}
    assert high.within
    assert high.fidelity_db > 35.0
    low = mix(products(), [STORED, COARSE], min_fidelity_db=5.0, **params)
    assert set(low.stored.values()) == {"int4"}
    corrected = mix(products(), [STORED, COARSE], min_fidelity_db=35.0, noise={"int4": 1e-3}, **params)
    assert corrected.stored["w_b"] == "int4"


def test_size_is_what_the_writer_makes(mix: Any) -> None:
    model = products()
    report = mix(model, [STORED], storage=["int8"], objective="size")
    store_weights(model, "int8")
    assert report.size_bytes == pytest.approx(len(model.SerializeToString()), rel=0.03)


def test_unreachable_targets_give_the_nearest(mix: Any) -> None:
    small = mix(products(), [STORED, COARSE], storage=["int8", "int4"], max_size_bytes=1000)
    assert not small.within
    assert set(small.stored.values()) == {"int4"}
    fine = mix(products(), [STORED, COARSE], storage=["int8", "int4"], max_size_bytes=1000, min_fidelity_db=60.0)
    assert not fine.within
    assert small.size_bytes < fine.size_bytes
    assert small.fidelity_db < fine.fidelity_db


def test_margin_is_given_up_only_as_far_as_it_must_be(mix: Any) -> None:
    tables = [STORED, table("int4", "MatMul", w_a=27.0, w_b=31.0, w_c=38.0)]
    params = {"storage": ["int8", "int4"], "min_fidelity_db": 29.0}
    fits = mix(products(), tables, **params, margin_db=6.0)
    assert fits.fidelity_db > 29.0
    tight = {"max_size_bytes": fits.size_bytes - 1, **params}
    less = mix(products(), tables, **tight, margin_db=6.0)
    assert less.within
    assert 23.0 < less.fidelity_db < 29.0
    assert not mix(products(), tables, **tight, margin_db=0.1).within


def test_int8_is_chosen_where_it_pays_with_its_boundaries(mix: Any) -> None:
    damage = table("static", "MatMul", a=50.0, b=50.0, c=50.0)
    clock = times(a=(100.0, 40.0), b=(10.0, 9.0), c=(10.0, 30.0))
    report = mix(products(), [damage, clock], compute={"MatMul": ["static"]}, objective="latency", min_fidelity_db=30)
    assert report.nodes == {"a": "static", "b": "static", "c": "fp32"}
    assert report.speedup == pytest.approx(120 / (40 + 9 + 10 + 8))
    slow = mix(
        products(), [damage, clock], compute={"MatMul": ["static"]}, objective="latency", min_fidelity_db=30,
        time={"static": 0.1}, boundary=10.0, gained=1.5,
    )  # fmt: skip
    assert slow.speedup == pytest.approx(1.5)
    assert set(slow.nodes.values()) == {"fp32"}


def test_weight_that_nodes_share_is_held_only_when_all_its_readers_hold_it(mix: Any) -> None:
    model = products("c")  # c would read w_a, whose shape fits
    damage = table("dynamic", "MatMul", a=50.0, b=50.0)
    stored = table("int8", "MatMul", w_a=50.0, w_b=50.0)
    clock = TimeTable(
        units=tuple(UnitTime(name=name, op_type="MatMul", us={"fp32": 100, "dynamic": 10}) for name in "ab"),
        boundaries=(), total_us={"fp32": 300},
    )  # fmt: skip
    report = mix(model, [damage, stored, clock], compute={"MatMul": ["dynamic"]}, storage=["int8"], min_speedup=2.0)
    assert report.nodes == {"a": "dynamic", "b": "dynamic"}
    assert report.stored == {"w_a": "int8"}  # c still reads it; that of b is held by b alone


def test_the_step_that_comes_of_it_is_valid(mix: Any) -> None:
    report = mix(products(), [STORED], storage=["int8"], min_fidelity_db=20.0)
    assert QuantizeStep(nodes=report.nodes, stored=report.stored).stored == report.stored
