"""How a mixture is resolved: which tables are asked for, what the solver is told, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shipfit.agents.context import RunContext
from shipfit.agents.execute import Executed
from shipfit.agents.mixing import mix
from shipfit.agents.state import Draft, RunState
from shipfit.contracts import (
    ArtifactRef,
    Attempt,
    Compute,
    Corrections,
    Effort,
    MixtureReport,
    Plan,
    Profile,
    QuantizeLever,
    QuantizeStep,
    Recipe,
    Request,
    SensitivityTable,
    SensitivityTables,
    Storage,
    TimeTable,
    ToolError,
    UnitDamage,
)

from .facts import make_attempt, make_profile

MODEL = ArtifactRef(id="a" * 64, size_bytes=1_000_000)
PROFILE = make_profile(Conv=(9, 900_000, 0.9))
ANSWER = MixtureReport(
    nodes={"conv": "static", "last": "fp32"}, stored={"w": "fp16"}, size_bytes=300_000, speedup=1.5, fidelity_db=30.0,
    within=True, noise={"static": 1e-3},
)  # fmt: skip


class Script:
    """Answers tool calls as a test says, and keeps what was asked."""

    def __init__(
        self, *broken: str, answer: MixtureReport = ANSWER, tables: Sequence[SensitivityTable] = (), gained: float = 1.0
    ) -> None:
        self.gained, self.known = gained, dict[Any, Any]()
        self.answer, self.tables = answer, {table.form: table for table in tables}
        self.asked: list[tuple[str, dict[str, Any], dict[str, ArtifactRef]]] = []
        self.broken = broken

    def __call__(self, tool: str, report: type[Any], **asked: Any) -> Executed[Any]:
        params = dict(asked.get("params") or {})
        self.asked.append((tool, params, dict(asked["inputs"])))
        if tool == "mixture":
            return Executed[Any](report=self.answer, effort=Effort(jobs=1))
        effort = Effort(jobs=1, sample_runs=7)
        if tool == "unit_times":
            times = TimeTable(units=(), boundaries=(), total_us={"fp32": 100.0}, original_us=100 * self.gained)
            return Executed[Any](report=times, outputs={"table": self._ref("times")}, effort=effort)
        forms = [form for form in params["forms"] if form not in self.broken]
        if not forms:
            raise ToolError("it does not run")
        failed = {form: "it does not run" for form in params["forms"] if form in self.broken}
        tables = tuple(map(self._table, forms))
        outputs = {f"table_{form}": self._ref(form) for form in forms}
        return Executed[Any](report=SensitivityTables(tables=tables, failed=failed), outputs=outputs, effort=effort)

    def _table(self, form: Any) -> SensitivityTable:
        return self.tables.get(form, SensitivityTable(form=form, samples=1, units=(), total_units=0))

    @staticmethod
    def _ref(name: str) -> ArtifactRef:
        return ArtifactRef(id=sha256(name.encode()).hexdigest(), kind="table")

    @property
    def forms(self) -> list[list[str]]:
        """The forms that damage was asked for, by job."""
        return [[*params["forms"]] for tool, params, _ in self.asked if tool == "sensitivity"]


def resolve(
    lever: QuantizeLever,
    script: Script,
    profile: Profile = PROFILE,
    attempts: Sequence[Attempt] = (),
    artifact: ArtifactRef = MODEL,
) -> tuple[Draft, Any]:
    context = SimpleNamespace(execute=script, request=Request(model="m.onnx"), tables=script.known)
    draft = Draft(index=1, plan=Plan(quantize=lever), artifact=artifact)
    state: Any = {"original": MODEL, "data": None, "profile": profile, "attempts": tuple(attempts)}
    return mix(lever, cast(RunState, state), cast(RunContext, context), draft)


def test_forms_are_measured_then_chosen_and_the_effort_is_counted() -> None:
    script = Script()
    lever = QuantizeLever(
        mixture=True, compute={"Conv": "static"}, storage="int8", min_fidelity_db=28.0, max_size_ratio=0.4,
        min_speedup=1.4, corrections=Corrections(noise={"static": 0.2}, saving=0.9, size_ratio=0.01),
    )  # fmt: skip
    draft, step = resolve(lever, script)
    assert [tool for tool, _, _ in script.asked] == ["unit_times", "sensitivity", "mixture"]
    _, params, inputs = script.asked[-1]
    assert set(inputs) == {"model", "table_static", "table_int8", "table_int8_block", "times"}
    assert params["max_size_bytes"] == 400_000
    assert params["size_offset"] == pytest.approx(10_000)
    assert params["noise"] == {"static": 0.2}
    assert params["time"] == {"static": 0.9}
    assert params["storage"] == ["int8", "int8_block", "fp16"]
    assert step.nodes == {"conv": "static"}
    assert step.stored == {"w": "fp16"}
    assert draft.forecast == ANSWER.forecast
    assert draft.effort.sample_runs == 14


def test_each_form_that_a_type_may_have_is_measured_and_offered() -> None:
    script = Script()
    alternatives: dict[str, tuple[Compute, ...]] = {"MatMul": ("dynamic",)}
    resolve(QuantizeLever(mixture=True, compute={"MatMul": "static"}, alternatives=alternatives), script)
    assert script.forms == [["dynamic", "static"]]
    assert script.asked[-1][1]["compute"] == {"MatMul": ["static", "dynamic"]}


def test_damage_is_asked_for_as_the_step_will_be_made() -> None:
    script = Script()
    lever = QuantizeLever(mixture=True, compute={"LSTM": "dynamic"}, clip_recurrent=99.0, rounding="error_feedback")
    _, step = resolve(lever, script)
    assert script.asked[1][1]["forms"]["dynamic"]["clip_recurrent"] == step.clip_recurrent == 99.0


def test_storage_alone_is_not_timed() -> None:
    script = Script()
    resolve(QuantizeLever(mixture=True, storage="int4", rounding="error_feedback"), script)
    assert [tool for tool, _, _ in script.asked] == ["sensitivity", "mixture"]
    assert script.forms == [["int4", "int8", "int8_block"]]
    assert script.asked[0][1]["forms"]["int4"] == {"rounding": "error_feedback"}


def test_only_what_was_not_measured_before_is() -> None:
    script = Script()
    resolve(QuantizeLever(mixture=True, storage="int8"), script)
    resolve(QuantizeLever(mixture=True, compute={"Conv": "static"}, storage="int8"), script)
    resolve(QuantizeLever(mixture=True, compute={"Conv": "static"}, storage="int8", calibration="mse"), script)
    assert script.forms == [["int8", "int8_block"], ["static"], ["static"]]
    assert set(script.asked[-1][2]) == {"model", "times", "table_static", "table_int8", "table_int8_block"}


def test_a_form_that_cannot_be_measured_is_not_chosen_from() -> None:
    script = Script("static")
    draft, _ = resolve(QuantizeLever(mixture=True, compute={"Conv": "static"}, storage="int8"), script)
    assert "table_static" not in script.asked[-1][2]
    assert "static is not chosen from" in draft.notes[0]
    with pytest.raises(ToolError, match="no form can be measured"):
        resolve(QuantizeLever(mixture=True, compute={"Conv": "static"}), Script("static"))


@pytest.mark.parametrize(
    ("storage", "share", "held"),
    [("int4", 0.01, {"Gather": "dynamic"}), ("int4", 0.3, {}), ("none", 0.01, {})],
)
def test_tables_stay_as_stored_where_reading_them_takes_no_time(storage: Storage, share: float, held: Any) -> None:
    profile = make_profile(Gather=(20, 600_000, share), MatMul=(4, 900_000, 0.7))
    lever = QuantizeLever(mixture=True, compute={"MatMul": "dynamic"}, storage=storage)
    assert resolve(lever, Script(), profile)[1].compute == held


LEVER = QuantizeLever(
    mixture=True, compute={"Conv": "static"}, storage="int8", min_fidelity_db=21.5, margin_db=1.2, min_speedup=1.4
)


def static_table(**damage_db: float) -> SensitivityTable:
    units = tuple(UnitDamage(name=name, op_type="Conv", form="static", damage_db=db) for name, db in damage_db.items())
    return SensitivityTable(form="static", samples=4, units=units, total_units=len(units))


def test_form_by_class_tells_by_how_much_the_tables_are_off() -> None:
    script = Script(tables=[static_table(a=25.0, b=25.0)])
    coarse = make_attempt(
        1, Plan(quantize=QuantizeLever(compute={"Conv": "static"}, storage="int8")), "not_met", db=18.0
    )
    draft, _ = resolve(LEVER, script, attempts=[coarse])
    assert script.asked[-1][1]["noise"]["static"] == pytest.approx(10**0.4, rel=0.01)
    assert draft.plan.quantize is not None
    assert draft.plan.quantize.corrections.noise == script.asked[-1][1]["noise"]


@pytest.mark.parametrize(
    "tried",
    [
        make_attempt(1, Plan(quantize=QuantizeLever(compute={"Conv": "static"})), "not_met", db=3.0),
        make_attempt(
            1, Plan(quantize=QuantizeLever(compute={"Conv": "static"}, calibration="mse")), "not_met", db=18.0
        ),
        make_attempt(1, Plan(quantize=QuantizeLever(compute={"MatMul": "dynamic"})), "not_met", db=18.0),
        make_attempt(1, Plan(quantize=LEVER), "not_met", db=18.0),
    ],
)
def test_what_was_made_otherwise_or_far_from_the_aim_tells_nothing(tried: Attempt) -> None:
    script = Script(tables=[static_table(a=25.0)])
    resolve(LEVER, script, attempts=[tried])
    assert script.asked[-1][1]["noise"] == {}


def test_what_measurements_put_out_of_reach_is_not_built() -> None:
    nearest = ANSWER.model_copy(update={"fidelity_db": 17.0, "within": False})
    known = LEVER.model_copy(update={"corrections": Corrections(noise={"static": 2.0})})
    first, _ = resolve(LEVER, Script(answer=nearest))
    assert first.verdict is None  # nothing was measured that would bear the prediction out
    over, _ = resolve(known, Script(answer=nearest))
    assert over.verdict is not None
    assert (over.verdict.kind, over.steps) == ("not_met", ())
    assert "17 dB of 20.3 dB" in over.verdict.reason
    slow, _ = resolve(known, Script(answer=ANSWER.model_copy(update={"speedup": 1.1, "within": False})))
    assert slow.verdict is not None
    assert "1.1× of 1.33×" in slow.verdict.reason
    close, _ = resolve(known, Script(answer=nearest.model_copy(update={"fidelity_db": 19.5})))
    assert close.verdict is None


def test_no_candidate_is_built_twice() -> None:
    _, step = resolve(LEVER, Script())
    other = LEVER.model_copy(update={"min_fidelity_db": 25.0})
    made = make_attempt(1, Plan(quantize=other), "not_met").model_copy(
        update={"recipe": Recipe(model="a" * 64, steps=(step,)), "quantized_from": MODEL}
    )
    again, _ = resolve(LEVER, Script(), attempts=[made])
    assert again.verdict is not None
    assert again.verdict.reason == "the choice is that of attempt 1"
    recipe = Recipe(model="a" * 64, steps=(QuantizeStep(storage="int8"),))
    fresh, _ = resolve(LEVER, Script(), attempts=[made.model_copy(update={"recipe": recipe})])
    assert fresh.verdict is None


def test_what_graph_passes_gained_is_timed_with_the_units() -> None:
    script, rewritten = Script(gained=3.0), ArtifactRef(id="b" * 64, size_bytes=1_000_000)
    lever = QuantizeLever(mixture=True, compute={"Conv": "static"})
    resolve(lever, script)
    assert "original" not in script.asked[0][2]
    resolve(lever, script, artifact=rewritten)
    assert script.asked[-3][2] == {"model": rewritten, "original": MODEL}
    assert script.asked[-1][1]["gained"] == pytest.approx(3)
