"""What is asked when damage is to be measured, and what is not asked again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from shipfit.agents.context import RunContext
from shipfit.agents.damage import damage_tables
from shipfit.agents.execute import Executed
from shipfit.contracts import ArtifactRef, DataRef, QuantizedForm, QuantizeLever, SensitivityTable, SensitivityTables

MODEL = ArtifactRef(id="a" * 64)
LEVER = QuantizeLever()


class Asked:
    """Answers with empty tables, and keeps what was asked."""

    def __init__(self) -> None:
        self.forms: list[dict[QuantizedForm, Any]] = []
        self.context = cast(RunContext, SimpleNamespace(tables={}, execute=self))

    def __call__(self, tool: str, report: type[Any], **asked: Any) -> Executed[Any]:
        self.forms.append(asked["params"]["forms"])
        tables = [SensitivityTable(form=form, samples=1, units=(), total_units=0) for form in self.forms[-1]]
        outputs = {f"table_{table.form}": ArtifactRef(id="b" * 64, kind="table") for table in tables}
        return Executed[Any](report=SensitivityTables(tables=tuple(tables)), outputs=outputs)


def test_units_are_named_where_no_whole_table_is_known() -> None:
    asked, data = Asked(), cast(DataRef, None)
    damage_tables(asked.context, MODEL, data, ["int8"], LEVER)
    found = damage_tables(asked.context, MODEL, data, ["fp16", "int8"], LEVER, only={"fp16": ["b", "a"], "int8": ["c"]})
    assert set(found.whole) == {"fp16", "int8"}
    assert [{form: made.get("units") for form, made in forms.items()} for forms in asked.forms] == [
        {"int8": None},
        {"fp16": ["a", "b"]},
    ]


def test_a_table_of_some_units_is_no_whole_one() -> None:
    asked, data = Asked(), cast(DataRef, None)
    damage_tables(asked.context, MODEL, data, ["fp16"], LEVER, only={"fp16": ["a"]})
    damage_tables(asked.context, MODEL, data, ["fp16"], LEVER, only={"fp16": ["a"]})
    damage_tables(asked.context, MODEL, data, ["fp16"], LEVER)
    assert asked.forms == [{"fp16": {"units": ["a"]}}, {"fp16": {}}]
