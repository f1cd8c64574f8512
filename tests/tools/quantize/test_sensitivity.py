from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import helper

from shipfit.contracts import ArtifactRef, Job, Progress, RequestError, SensitivityTable, SensitivityTables, ToolError
from shipfit.tools.context import TABLE_FILE, ToolContext
from shipfit.tools.measure.data_tool import build_data
from shipfit.tools.quantize import sensitivity, trial
from shipfit.tools.quantize.sensitivity import REPORTED, measure_sensitivity, sensitivity_tool
from shipfit.tools.quantize.streams import CALLS, Streams
from shipfit.tools.quantize.units import Making


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def uneven(lab: Any) -> Path:
    """Two matrices; the first has one huge value in each column, which leaves the others no levels."""
    weights = {"fragile": noise(64, 64), "robust": noise(64, 64, seed=1)}
    weights["fragile"][0] = 500
    nodes = [
        helper.make_node("MatMul", ["x", "fragile"], ["h"], "first"),
        helper.make_node("MatMul", ["h", "robust"], ["y"], "second"),
    ]
    return lab.save(lab.build(nodes, {"x": [1, 64]}, {"y": [1, 64]}, weights))


def feeds(count: int = 4) -> list[dict[str, np.ndarray]]:
    samples = [noise(1, 64, seed=10 + each) for each in range(count)]
    for each in samples:
        each[0, 0] = 0
    return [{"x": each} for each in samples]


COMPUTE_FORMS = ("dynamic", "static")


@pytest.mark.parametrize("form", ["int8", "int8_block", "int4", "fp16", *COMPUTE_FORMS])
def test_the_fragile_unit_comes_first(lab: Any, form: Any) -> None:
    table = measure_sensitivity(uneven(lab), form, feeds(), Making(feeds()))
    assert [unit.name for unit in table.units] == (
        ["first", "second"] if form in COMPUTE_FORMS else ["fragile", "robust"]
    )
    assert table.units[0].damage_db < table.units[1].damage_db - (0 if form == "fp16" else 3)
    assert table.total_units == 2
    # Four of the model itself and of each unit, of it to calibrate, or two to see what feeding weights costs.
    assert table.sample_runs == {"static": 16, "dynamic": 12}.get(form, 14)
    assert {unit.weight_bytes for unit in table.units} == {64 * 64 * 4}


@pytest.mark.parametrize("alone", [False, True])
def test_weights_are_fed_or_units_have_models_of_their_own_alike(
    lab: Any, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = itertools.cycle((9.0, 0.0) if alone else (0.0, 9.0))  # with weights that are fed, and without
    monkeypatch.setattr(sensitivity, "_seconds", lambda *_: next(times))
    opened: list[Any] = []
    monkeypatch.setattr(sensitivity, "opened", lambda model: opened.append(model) or trial.opened(model))
    table = measure_sensitivity(uneven(lab), "int8", feeds())
    assert len(opened) == (2 + 2 * 2 if alone else 2)
    assert [round(unit.damage_db, 1) for unit in table.units] == pytest.approx([0.5, 44.5], abs=0.1)


def squashed(lab: Any) -> Path:
    """Two matrices, and a Sigmoid so far out that nothing of them is seen behind it."""
    weights = {"w": noise(64, 64), "v": noise(64, 64, seed=1), "far": np.full((1,), 30, np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["r"], "relu"),
        helper.make_node("MatMul", ["r", "v"], ["m"], "second"),
        helper.make_node("Add", ["m", "far"], ["z"], "shift"),
        helper.make_node("Sigmoid", ["z"], ["y"], "squash"),
    ]
    return lab.save(lab.build(nodes, {"x": [1, 64]}, {"y": [1, 64]}, weights))


@pytest.mark.parametrize("form", ["int8", "dynamic", "static"])
def test_damage_is_told_at_the_logits(lab: Any, form: Any) -> None:
    table = measure_sensitivity(squashed(lab), form, feeds(), Making(feeds()))
    assert len(table.units) == 2
    assert all(20 < unit.damage_db < 60 for unit in table.units)


def counting(lab: Any) -> Path:
    """A state that keeps what a matrix makes of it, and an answer that another makes of the input."""
    nodes = [
        helper.make_node("MatMul", ["old", "kept"], ["turned"], "first"),
        helper.make_node("Add", ["turned", "x"], ["new"], "add"),
        helper.make_node("MatMul", ["x", "answering"], ["y"], "second"),
    ]
    rotation = np.linalg.qr(noise(64, 64))[0].astype(np.float32)
    weights = {"kept": rotation, "answering": noise(64, 64, seed=1)}
    return lab.save(lab.build(nodes, {"x": [1, 64], "old": [1, 64]}, {"y": [1, 64], "new": [1, 64]}, weights))


def test_damage_builds_up_over_streams_at_the_state_too(lab: Any) -> None:
    calls = [{**feed, "old": np.zeros((1, 64), np.float32)} for feed in feeds(32)]
    model, state = counting(lab), {"old": "new"}
    found = {
        every: {
            unit.name: unit.damage_db
            for unit in measure_sensitivity(
                model, "int8", Streams(calls, [place % every == 0 for place in range(32)], state)
            ).units
        }
        for every in (2, 16)
    }
    assert found[16]["kept"] < found[2]["kept"] - 6
    assert found[16]["answering"] == pytest.approx(found[2]["answering"], abs=1e-3)
    named = measure_sensitivity(model, "int8", Streams(calls, [True] * 32, state), told="y")
    assert {unit.name: np.isinf(unit.damage_db) for unit in named.units} == {"kept": True, "answering": False}


def test_ranges_are_taken_as_asked(lab: Any) -> None:
    samples = feeds(8)
    samples[0]["x"][0, 1] = 300  # one outlier, which a percentile cuts off
    found = {
        method: measure_sensitivity(squashed(lab), "static", samples[1:5], Making(samples, method, 99.0)).units
        for method in ("minmax", "percentile")
    }
    first = {method: {unit.name: unit.damage_db for unit in units}["first"] for method, units in found.items()}
    assert first["percentile"] > first["minmax"] + 6


def test_rounding_is_what_is_asked(lab: Any) -> None:
    found = {
        rounding: measure_sensitivity(uneven(lab), "int4", feeds(2), Making(feeds(16), rounding=rounding))
        for rounding in ("nearest", "error_feedback")
    }
    worst = {rounding: {unit.name: unit.damage_db for unit in table.units} for rounding, table in found.items()}
    assert worst["error_feedback"]["robust"] > worst["nearest"]["robust"] + 1
    assert found["error_feedback"].sample_runs == found["nearest"].sample_runs + 16


def test_half_rounds_what_it_computes_with(lab: Any) -> None:
    table = measure_sensitivity(uneven(lab), "half", feeds())
    assert {unit.name: 50 < unit.damage_db < 90 for unit in table.units} == {"first": True, "second": True}


def test_what_is_fp16_already_is_no_unit(lab: Any) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["c"], "narrow", to=10),
        helper.make_node("MatMul", ["c", "w"], ["m"], "product"),
        helper.make_node("MatMul", ["c", "m"], ["s"], "both"),
        helper.make_node("Cast", ["s"], ["y"], "wide", to=1),
    ]
    model = lab.save(lab.build(nodes, {"x": [64, 64]}, {"y": [64, 64]}, {"w": noise(64, 64).astype(np.float16)}))
    assert measure_sensitivity(model, "half", [{"x": noise(64, 64) / 64}]).units == ()


def test_fp16_damages_less_than_int8(lab: Any) -> None:
    worst = {form: measure_sensitivity(uneven(lab), form, feeds()).units[0].damage_db for form in ("int8", "fp16")}
    assert worst["fp16"] > worst["int8"] + 20


def test_damage_is_what_the_unit_alone_does_when_performed(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    from shipfit.contracts import Limits, QuantizeStep
    from shipfit.tools.quantize import quantize

    table = measure_sensitivity(digits_model, "int8", digit_feeds)
    for unit in table.units:
        others = tuple(each.name for each in table.units if each.name != unit.name)
        target = lab.folder / f"{unit.name}.onnx"
        quantize(
            QuantizeStep(storage="int8", stored=dict.fromkeys(others, "fp32")), digits_model, target, None, Limits()
        )
        assert unit.damage_db == pytest.approx(lab.sqnr(digits_model, target, digit_feeds), abs=0.5)


@pytest.mark.parametrize("form", ["dynamic", "static"])
def test_one_session_for_all_units_does_what_each_alone_does(
    lab: Any, digits_model: Path, digit_feeds: Any, form: Any
) -> None:
    from shipfit.contracts import Limits, QuantizeStep
    from shipfit.tools.quantize import quantize

    table = measure_sensitivity(digits_model, form, digit_feeds, Making(digit_feeds), op_types=("Conv", "Gemm"))
    assert {unit.op_type for unit in table.units} == {"Conv", "Gemm"}
    for unit in table.units:
        target = lab.folder / f"{unit.name.replace('/', '')}.onnx"
        quantize(QuantizeStep(nodes={unit.name: form}), digits_model, target, lab.view(digit_feeds), Limits())
        assert unit.damage_db == pytest.approx(lab.sqnr(digits_model, target, digit_feeds), abs=0.5)


def test_weights_inside_branches_are_units_too(if_model: Path) -> None:
    samples = [{"x": noise(1, 48), "flag": np.array(True)}]
    table = measure_sensitivity(if_model, "int8", samples)
    assert {unit.name: np.isfinite(unit.damage_db) for unit in table.units}["wt"]
    assert measure_sensitivity(if_model, "dynamic", samples).total_units == 2


def test_time_ends_it_after_the_heaviest_unit(lab: Any, digits_model: Path, digit_feeds: Any) -> None:
    table = measure_sensitivity(digits_model, "int8", digit_feeds, seconds=0)
    assert [unit.name for unit in table.units] == ["conv3.weight"]
    assert table.total_units > 1
    assert table.samples == 2


def test_references_are_bounded(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipfit.tools.quantize.sensitivity.REFERENCE_BYTES", 64 * 4)
    assert measure_sensitivity(uneven(lab), "int8", feeds()).samples == 2


def test_all_units_are_measured_before_any_is_again(
    digits_model: Path, digit_feeds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count()
    watch = SimpleNamespace(seconds=lambda: next(ticks))
    monkeypatch.setattr(sensitivity, "Stopwatch", lambda: watch)
    monkeypatch.setattr(sensitivity, "_seconds", lambda *_: 0.0)
    table = measure_sensitivity(digits_model, "int8", digit_feeds, seconds=1.5)
    assert len(table.units) == table.total_units == 3
    assert table.samples == 2


def test_operators_may_be_chosen(digits_model: Path, digit_feeds: Any) -> None:
    table = measure_sensitivity(digits_model, "dynamic", digit_feeds[:2], op_types=["Conv"])
    assert {unit.op_type for unit in table.units} == {"Conv"}


def _context(lab: Any, model: Path, data: Path, told: list[Progress], forms: Any, **params: Any) -> ToolContext:
    report = build_data(model, lab.folder, {"source": str(data)}, 0)
    work = lab.folder / "work"
    work.mkdir()
    ref = ArtifactRef(id="0" * 64)
    job = Job(tool="sensitivity", inputs={"model": ref, "data": ref}, data=report.ref, params={"forms": forms} | params)
    return ToolContext(job, {"model": model.parent, "data": lab.folder / "data"}, work, told.append)


def test_the_tool_answers_with_tables(lab: Any, digits_model: Path, digits_data: Path) -> None:
    told: list[Progress] = []
    context = _context(lab, digits_model, digits_data, told, {"static": {}, "int8": {}}, samples=3)
    answer = sensitivity_tool(context)
    assert isinstance(answer.report, SensitivityTables)
    assert [table.form for table in answer.report.tables] == ["static", "int8"]
    for table in answer.report.tables:
        whole = SensitivityTable.model_validate_json((answer.outputs[f"table_{table.form}"] / TABLE_FILE).read_text())
        assert table.units == whole.units[:REPORTED]
        assert whole.samples == 3
    assert answer.report.tables[0].total_units == 4
    assert answer.report.sample_runs == sum(table.sample_runs for table in answer.report.tables)
    assert told[-1].fraction == 1


def test_only_units_that_are_asked_for_are_measured(lab: Any, digits_model: Path, digits_data: Path) -> None:
    every = sensitivity_tool(_context(lab, digits_model, digits_data, [], {"static": {}, "fp16": {}}, samples=3)).report
    assert isinstance(every, SensitivityTables)
    asked = {table.form: table.units[-1] for table in every.tables}
    forms = {form: {"units": [unit.name]} for form, unit in asked.items()}
    shutil.rmtree(lab.folder / "work")
    shutil.rmtree(lab.folder / "data")
    few = sensitivity_tool(_context(lab, digits_model, digits_data, [], forms, samples=3)).report
    assert isinstance(few, SensitivityTables)
    assert {table.form: table.units for table in few.tables} == {form: (unit,) for form, unit in asked.items()}
    assert few.sample_runs < every.sample_runs


def test_a_form_that_cannot_be_measured_is_told(
    lab: Any, digits_model: Path, digits_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(model: Path, form: str, *given: Any, **named: Any) -> SensitivityTable:
        if form == "static":
            raise ToolError("it does not load")
        return measure_sensitivity(model, form, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(sensitivity, "measure_sensitivity", broken)
    context = _context(lab, digits_model, digits_data, [], {"static": {}, "int8": {}})
    report = sensitivity_tool(context).report
    assert isinstance(report, SensitivityTables)
    assert [table.form for table in report.tables] == ["int8"]
    assert report.failed == {"static": "it does not load"}
    context.job.params["forms"].pop("int8")
    with pytest.raises(ToolError, match="it does not load"):
        sensitivity_tool(context)


def test_how_ranges_are_taken_is_checked(lab: Any, digits_model: Path, digits_data: Path) -> None:
    with pytest.raises(RequestError, match="calibration"):
        sensitivity_tool(_context(lab, digits_model, digits_data, [], {"static": {"calibration": "guess"}}))


def test_unknown_forms_are_refused(lab: Any, digits_model: Path, digits_data: Path) -> None:
    with pytest.raises(RequestError, match="no form 'int3'"):
        sensitivity_tool(_context(lab, digits_model, digits_data, [], {"int3": {}}))


def test_first_streams_of_a_part_are_cut() -> None:
    class View:
        ref = SimpleNamespace(state={"old": "new"})

        def feeds(self, part: str) -> list[dict[str, int]]:
            return [{"call": place} for place in range(60)]

        def starts(self, part: str) -> list[bool]:
            return [place in (0, 20, 22, 50) for place in range(60)]

    streams: Any = Streams.of(View(), "selection", 3)  # type: ignore[arg-type]
    assert [feed["call"] for feed in streams.feeds] == [*range(CALLS), 20, 21, *range(22, 22 + CALLS)]
    assert [place for place, start in enumerate(streams.starts) if start] == [0, CALLS, CALLS + 2]
    assert [streams.end_of(count) for count in (1, 2, 3, 9)] == [CALLS, CALLS + 2, 2 * CALLS + 2, 2 * CALLS + 2]
