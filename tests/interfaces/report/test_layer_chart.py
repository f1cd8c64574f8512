import math

from hypothesis import given, settings, strategies as st

from shipfit.contracts import ClassDrop, LayerForm
from shipfit.interfaces.report.drops import MOST_CLASSES, drop_rows
from shipfit.interfaces.report.layer_chart import FORM_CLASSES, MOST_FORMS, draw_layers, form_class, stacks

from .. import responses


def test_every_form_has_a_row_and_every_measure_a_lane():
    chart = draw_layers(responses.layers(20))
    assert chart is not None
    assert [row.text for row in chart.form_rows] == ["fp32", "int8 stored", "int8 static"]
    assert [lane.title for lane in chart.lanes] == ["time", "damage", "weights"]
    assert "20 layers in graph order: 5 fp32, 5 int8 stored, 10 int8 static." in chart.words
    damage = chart.lanes[1].marks
    assert damage[0].y > damage[-1].y, "less damage is further up"


def test_what_nobody_measured_has_no_lane():
    bare = tuple(LayerForm(name=f"l{index}", op_type="Conv", form="fp32") for index in range(3))
    chart = draw_layers(bare)
    assert chart is not None
    assert chart.lanes == ()
    assert draw_layers(()) is None


def test_wholes_divide_among_the_forms():
    bars = {stack.label: stack.parts for stack in stacks(responses.layers(20), 900)}
    assert [part.title for part in bars["layers"]] == ["fp32 25 %", "int8 stored 25 %", "int8 static 50 %"]
    assert bars["time"][-1].title == "rest 10 %"
    for parts in bars.values():
        assert sum(part.width for part in parts) == 900


def test_forms_of_a_foreign_report_stay_few_and_never_become_classes():
    layers = tuple(LayerForm(name="x", op_type="y", form=f'"><b>{index}') for index in range(50))
    chart = draw_layers(layers)
    assert chart is not None
    assert len(chart.form_rows) == MOST_FORMS
    assert {mark.css for mark in chart.form_marks} == {"unknown"} == {form_class('"><b>1')}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*FORM_CLASSES, "int2 dreamt"]),
            st.none() | st.floats(),
            st.none() | st.floats(),
            st.none() | st.integers(-10, 10**30),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_everything_stays_inside(rows: list[tuple[str, float | None, float | None, int | None]]):
    layers = [
        LayerForm(name="layer", op_type="Conv", form=form, damage_db=damage, time_share=share, weight_bytes=size)
        for form, damage, share, size in rows
    ]
    chart = draw_layers(layers)
    assert chart is not None
    assert len(chart.form_marks) == len(layers)
    for lane in chart.lanes:
        for mark in lane.marks:
            assert lane.top - 0.1 <= mark.y <= mark.y + mark.height <= lane.bottom + 0.1
            assert chart.left <= mark.x <= mark.x + mark.width <= chart.right
    for stack in stacks(layers, 900):
        assert all(0 <= part.x <= part.x + part.width <= 900.2 for part in stack.parts)


def test_classes_that_lost_most_come_first():
    drops = tuple(
        ClassDrop(label=index, samples=40, original=0.9, candidate=0.9 - (index - 3) / 100) for index in range(20)
    )
    comparison = responses.comparison(0.3, 2, -0.01, 30).model_copy(update={"class_drops": drops})
    rows = drop_rows(comparison)
    assert [row.label for row in rows] == [str(19 - index) for index in range(MOST_CLASSES)]
    assert rows[0].change == "−16 points"
    assert all(row.bar <= rows[0].bar for row in rows)


def test_without_losses_there_is_no_table():
    better = ClassDrop(label=1, samples=9, original=0.5, candidate=0.6)
    broken = ClassDrop(label=2, samples=9, original=math.nan, candidate=0.6)
    comparison = responses.comparison(0.3, 2, -0.01, 30).model_copy(update={"class_drops": (better, broken)})
    assert drop_rows(comparison) == drop_rows(None) == []
