"""Two runs side by side: what is told to differ, and what is not compared."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from shipfit.contracts import (
    Constraints,
    OptimizationResponse,
    OptimizeGraphStep,
    Provenance,
    QuantizeStep,
    Recipe,
    TuneRuntimeStep,
)
from shipfit.interfaces.comparison import NOT_COMPARED, Row, compare
from shipfit.interfaces.unlike import Unlike, fields, step_differences

from . import responses


def run(provenance: dict[str, Any] | None = None, **changes: object) -> OptimizationResponse:
    """A met run that names its original and its data."""
    made = responses.response(**changes)
    given = {"model": "m" * 64, "data": "d" * 64, **(provenance or {})}
    return made.model_copy(update={"provenance": made.provenance.model_copy(update=given)})


def rows(found: tuple[Row, ...]) -> dict[str, Row]:
    return {row.label: row for row in found}


def test_a_run_does_not_differ_from_itself():
    compared = compare(run(), run())
    assert compared.fairness.problems == ()
    assert (compared.asked, compared.steps, compared.layers) == ((), (), ())
    assert {row.change for row in compared.metrics} <= {"same", ""}


def test_changes_are_from_the_first_to_the_second():
    faster = responses.metrics(2_000_000, 0.2, 0.95, 40)
    found = rows(compare(run(), run(optimized=faster)).metrics)
    assert (found["latency, median"].change, found["latency, median"].better) == ("−40.7 %", True)
    assert found["throughput"].ratio == pytest.approx(1.686, abs=0.01)
    assert found["accuracy"].change == "+2.02 points"
    assert found["fidelity"].change == "+8.4 dB"


def test_two_exact_products_do_not_differ():
    exact = responses.metrics(2_000_000, 0.2, 0.95, math.inf)
    assert rows(compare(run(optimized=exact), run(optimized=exact)).metrics)["fidelity"].change == ""


@pytest.mark.parametrize(
    ("field", "words", "hidden"),
    [
        ("hardware", "machines differ", {"latency, median", "throughput", "peak memory", "load time"}),
        ("data", "data differ", {"accuracy", "fidelity"}),
        ("model", "originals differ", {"latency, median", "accuracy", "speed against the original"}),
    ],
)
def test_what_is_not_fair_is_said_and_not_compared(field: str, words: str, hidden: set[str]):
    compared = compare(run(), run({field: "f" * 64}))
    assert [words in line for line in compared.fairness.problems] == [True]
    found = rows(compared.metrics)
    assert {found[label].change for label in hidden} == {NOT_COMPARED}
    assert found["size"].change == "same"


def test_what_a_report_does_not_name_is_not_taken_for_equal():
    compared = compare(run({"data": ""}), run())
    assert "not compared" in compared.fairness.problems[0]
    assert rows(compared.metrics)["accuracy"].change == NOT_COMPARED
    # Reports of older versions name their original in the recipe.
    older = {"model": "", "data": "d" * 64}
    assert compare(run(older), run(older)).fairness.problems == ()


def test_scores_by_two_metrics_are_not_compared():
    compared = compare(run(), run(request=responses.request(metric="f1")))
    assert "metrics differ" in compared.fairness.problems[0]
    assert rows(compared.metrics)["accuracy"].change == NOT_COMPARED


def test_what_the_load_of_the_machine_explains_is_not_compared():
    """The original is the same, so where its own time differs, a product's change says nothing."""
    slow = responses.metrics(responses.ORIGINAL_BYTES, 2.84, 0.932)
    compared = compare(run(), run(baseline=slow, optimized=responses.metrics(2_000_000, 0.7, 0.95, 40)))
    assert "latency, median" in compared.fairness.problems[0]
    found = rows(compared.metrics)
    assert {found[label].change for label in ("latency, median", "latency, p95", "throughput")} == {NOT_COMPARED}
    assert found["size"].change != NOT_COMPARED
    assert found["speed against the original"].change == "same"


def test_notes_tell_what_may_explain_a_difference():
    made: Provenance = run().provenance
    other = run({"versions": {**made.versions, "onnxruntime": "9.9"}, "seed": 5, "shipfit": "0.2"})
    notes = " ".join(compare(run(), other).fairness.notes)
    for expected in ("onnxruntime 1.32.0 and 9.9", "split differently", "0.1.0 and 0.2"):
        assert expected in notes


def test_requests_differ_by_field():
    other = responses.request(constraints=Constraints(max_size_ratio=0.2), threads=2)
    found = {item.what: (item.first, item.second) for item in compare(run(), run(request=other)).asked}
    assert found["constraints.max_size_ratio"] == ("0.3", "0.2")
    assert found["constraints.min_speedup"] == ("3.0", "–")
    assert found["threads"] == ("1", "2")


def test_constraints_of_both_are_listed():
    labels = [row.label for row in compare(run(), run(constraints=responses.constraints()[:2])).constraints]
    assert labels == ["size, share of the original", "speed against the original", "loss of accuracy", "memory (guard)"]


def test_recipes_differ_by_step_and_field():
    one = Recipe(model="a", steps=(QuantizeStep(compute={"Conv": "static"}, nodes={"head": "fp32"}), TuneRuntimeStep()))
    two = Recipe(model="a", steps=(OptimizeGraphStep(), QuantizeStep(compute={"Conv": "dynamic"}), TuneRuntimeStep()))
    found = compare(run(recipe=one), run(recipe=two)).steps
    assert {item.what for item in found} == {
        "step optimize_graph", "quantize: compute.Conv", "quantize: nodes.head",
    }  # fmt: skip
    assert Unlike("quantize: compute.Conv", "static", "dynamic") in found


def test_layers_of_another_form_are_listed_unless_one_side_has_no_table():
    layers = responses.layers(4)
    other = (layers[0].model_copy(update={"form": "fp32"}), *layers[1:], layers[3].model_copy(update={"name": "new"}))
    found = compare(run(layers=layers), run(layers=other)).layers
    assert [(item.first, item.second) for item in found] == [("int8 static", "fp32"), ("–", "fp32")]
    assert compare(run(layers=layers), run(layers=())).layers == ()


def test_many_layers_are_cut_and_counted():
    many = responses.layers(300)
    other = tuple(layer.model_copy(update={"form": "pruned"}) for layer in many)
    compared = compare(run(layers=many), run(layers=other))
    assert (len(compared.layers), compared.layers_left_out) == (200, 100)


PLAIN = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def told(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without what is None, which is as good as absent."""
    return {k: told(v) if isinstance(v, dict) else v for k, v in document.items() if v is not None}


@settings(max_examples=60, deadline=None)
@example({"": {}}, {"": {"": None}})
@given(st.dictionaries(st.text(max_size=3), PLAIN, max_size=4), st.dictionaries(st.text(max_size=3), PLAIN, max_size=4))
def test_documents_differ_where_they_are_unequal(one: dict[str, Any], two: dict[str, Any]):
    assert list(fields(one, one)) == []
    without = told(one), told(two)
    assert bool(list(fields(*without))) == (without[0] != without[1])
    steps = [{"kind": "a", **{k: v for k, v in side.items() if k != "kind"}} for side in without]
    assert bool(list(step_differences(steps[:1], steps[1:]))) == (steps[0] != steps[1])
