"""The search benchmark: what it counts cannot come out right by chance, and every rival plays by the same rules."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import (
    ArtifactRef,
    Attempt,
    ConstraintResult,
    Job,
    Plan,
    PolicyState,
    Request,
    ToolError,
    Verdict,
)

from .agents.facts import make_profile, make_state
from .benchmark_scripts import importing
from .provider import serve


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[Any]:
    """A function that imports a script of the benchmark, as the scripts import each other."""
    with importing("search", ".", "zoo") as load:
        yield load


def trial(benchmarks: Any, case: str, first: int | None, policy: str = "built-in", seed: int = 0, **more: Any) -> Any:
    """A run that met everything at its attempt `first`, or never; an attempt is 2 CPU seconds and 10 sample runs."""
    trials = benchmarks("trials")
    verdicts = ["not_met"] * 6 if first is None else ["not_met"] * (first - 1) + ["met"]
    attempts = tuple(trials.Tried(verdict=v, reason="", levers="", cpu_s=2.0, sample_runs=10) for v in verdicts)
    return trials.Trial(case=case, policy=policy, seed=seed, attempts=attempts, **{"memory": False, **more})


def test_attempts_are_counted_to_the_first_success(benchmarks: Any):
    counting = benchmarks("counting")
    arm = counting.arm([trial(benchmarks, name, first) for name, first in zip("abcd", (1, 2, 4, None), strict=True)])
    assert [share.value for share in arm.within] == [0.25, 0.5, 0.5, 0.75, 0.75, 0.75]
    assert arm.median_attempts == 4  # of 1, 2, 4 and never: the higher of the two in the middle, never a mean of them
    assert arm.cpu_s == (4 + 8) / 2
    assert arm.sample_runs == (20 + 40) / 2
    assert arm.runs == 4


def test_a_success_beyond_the_budget_is_none(benchmarks: Any):
    late = trial(benchmarks, "a", 3)
    assert (late.first_met, late.met_within(2), late.met_within(3)) == (3, False, True)
    assert trial(benchmarks, "a", None).first_met is None
    never = benchmarks("counting").arm([trial(benchmarks, name, None) for name in "abc"])
    assert never.median_attempts is None
    assert [share.value for share in never.within] == [0.0] * 6


@settings(max_examples=30, deadline=None)
@given(firsts=st.lists(st.one_of(st.none(), st.integers(1, 6)), min_size=1, max_size=12))
def test_shares_never_fall_and_lie_in_their_intervals(benchmarks: Any, firsts: list[int | None]):
    arm = benchmarks("counting").arm([trial(benchmarks, str(n), first) for n, first in enumerate(firsts)])
    values = [share.value for share in arm.within]
    assert values == sorted(values)
    assert values[-1] == sum(first is not None for first in firsts) / len(firsts)
    assert all(0 <= share.low <= share.high <= 1 for share in arm.within)
    assert all(share.low <= share.value + 1e-9 and share.value <= share.high + 1e-9 for share in arm.within)


def test_seeds_of_one_case_are_no_new_cases(benchmarks: Any):
    counting = benchmarks("counting")
    once = counting.arm([trial(benchmarks, "a", 1), trial(benchmarks, "b", None)])
    often = counting.arm([trial(benchmarks, c, f, seed=s) for c, f in (("a", 1), ("b", None)) for s in range(20)])
    assert (once.within[0].low, once.within[0].high) == (often.within[0].low, often.within[0].high) == (0.0, 1.0)


def test_only_what_is_feasible_counts(benchmarks: Any):
    counting = benchmarks("counting")
    known = [
        trial(benchmarks, "a", 1, "known"),
        trial(benchmarks, "b", None, "known"),
        trial(benchmarks, "a", 2, seed=1),
    ]
    among = counting.feasible(known)
    assert among == {("a", 0)}
    (arm,) = counting.arms(
        [trial(benchmarks, "a", 1), trial(benchmarks, "b", None), trial(benchmarks, "a", 1, seed=1)], among
    )
    assert (arm.runs, arm.within[0].value) == (1, 1.0)


def test_ahead_means_more(benchmarks: Any):
    counting = benchmarks("counting")
    ours = counting.arm([trial(benchmarks, "a", 1), trial(benchmarks, "b", 3), trial(benchmarks, "c", 4)])
    theirs = counting.arm([trial(benchmarks, "a", 1), trial(benchmarks, "b", 2), trial(benchmarks, "c", 4)])
    assert counting.ahead(theirs, ours) == [
        2,
        4,
        5,
        6,
    ]  # a tie below everything is no lead, all met is the most there is
    assert counting.ahead(ours, theirs) == [4, 5, 6]


def test_memory_is_held_against_the_same_run_without(benchmarks: Any):
    worse = benchmarks("counting").worse_with_memory
    runs = [trial(benchmarks, "a", 2), trial(benchmarks, "a", 3, memory=True), trial(benchmarks, "b", 2)]
    runs += [trial(benchmarks, "b", 1, memory=True), trial(benchmarks, "c", 1, "random", memory=True)]
    assert worse(runs, "built-in") == [("a", 0)]


def test_cost_counts_only_what_was_met(benchmarks: Any):
    counting = benchmarks("counting")
    runs = [trial(benchmarks, "a", 1), trial(benchmarks, "b", 3), trial(benchmarks, "c", None)]
    assert counting.within_cost(runs, counting.cpu_s, [1.0, 2.0, 6.0, 100.0]) == [0.0, 1 / 3, 2 / 3, 2 / 3]


def figure(benchmarks: Any, value: float, spread: float = 0.0) -> Any:
    return benchmarks("verify").Figure(value=value, low=value - spread, high=value + spread)


def proof(benchmarks: Any, **figures: Any) -> Any:
    exact = {name: figure(benchmarks, value) for name, value in (("speedup", 2.0), ("same_arm", 1.0), ("drop", 0.0))}
    given = {**exact, "fidelity_db": figure(benchmarks, 40.0), "size_ratio": 0.25, **figures}
    return benchmarks("verify").Proof(
        same_signature=True, foreign_domains=[], samples=100, latency_ms=1.0, rounds=9, **given
    )


@pytest.mark.parametrize(
    ("figures", "refuted", "noise"),
    [
        ({}, 0, 0),
        ({"size_ratio": 0.301}, 1, 0),
        ({"speedup": 1.2}, 1, 0),
        ({"drop": 0.02}, 1, 0),
        ({"fidelity_db": 29.0}, 1, 0),
        ({"speedup": 0.9, "drop": 0.5}, 2, 0),
    ],
)
def test_false_met_is_found(
    benchmarks: Any, files: tuple[Path, Path], figures: dict[str, float], refuted: int, noise: int
):
    case = a_case(benchmarks, files, {"max-size": "30%", "min-speedup": 1.5, "max-drop": "1%", "min-fidelity": "30dB"})
    measured = {name: value if name == "size_ratio" else figure(benchmarks, value) for name, value in figures.items()}
    found = benchmarks("proofs").held(case, "product", proof(benchmarks, **measured))
    assert (len(found.refuted), len(found.within_noise)) == (refuted, noise)
    unsure = proof(benchmarks, drop=figure(benchmarks, 0.02, 0.03))
    assert len(benchmarks("proofs").held(case, "product", unsure).within_noise) == 1
    assert benchmarks("proofs").held(case, "product", None).refuted


def test_guards_are_held_too(benchmarks: Any, files: tuple[Path, Path]):
    plain = a_case(benchmarks, files, {"max-size": "30%"})
    lifted = a_case(benchmarks, files, {"max-size": "30%", "allow-regression": "latency,accuracy"})
    slow = proof(benchmarks, speedup=figure(benchmarks, 0.8), drop=figure(benchmarks, 0.05))
    held = benchmarks("proofs").held
    assert len(held(plain, "product", slow).refuted) == 2
    assert held(lifted, "product", slow).refuted == []


def a_case(benchmarks: Any, files: tuple[Path, Path], options: dict[str, Any]) -> Any:
    """A case of another model than those of the cases, which tests do not make."""
    asked = benchmarks("asked")

    class Here(asked.Case):  # type: ignore[name-defined, misc]
        def request(self, model: Path, data: Path, seed: int, *, memory: bool) -> Request:
            return super().request(*files, seed, memory=memory)

    return Here(name="a", model="digits_cnn", kind="", part="open", options=options, known=Plan())


@pytest.fixture(scope="module")
def files(digits_model: Path, digits_data: Path) -> tuple[Path, Path]:
    return digits_model, digits_data


def test_every_case_is_a_request_with_a_plan(benchmarks: Any):
    cases = benchmarks("asked").load().values()
    assert len(cases) >= 24
    assert len({case.model for case in cases}) >= 8
    assert not {case.model for case in cases if case.part == "open"} & {c.model for c in cases if c.part == "aside"}
    assert all(case.known.levers for case in cases)


def state(*operators: str, attempts: tuple[Attempt, ...] = ()) -> PolicyState:
    shares = {name: (2, 10**6, 1 / len(operators)) for name in operators}
    return make_state(make_profile(**shares), *attempts)


def attempt(index: int, plan: Plan, kind: Any = "not_met", shortfall: float = 0.5) -> Attempt:
    result = ConstraintResult(
        name="max_size_ratio", bound=0.3, measured=0.4, unit="ratio", met=False, shortfall=shortfall
    )
    return Attempt(index=index, plan=plan, verdict=Verdict(kind=kind, reason="", constraints=(result,)))


def plans_of(policy: Any, *operators: str, budget: int = 6) -> list[Plan]:
    """The plans of a search that meets nothing."""
    tried: list[Attempt] = []
    for index in range(1, budget + 1):
        plan = policy.propose(state(*operators, attempts=tuple(tried)))
        if plan is None:
            break
        tried.append(attempt(index, plan))
    return [each.plan for each in tried]


@pytest.mark.parametrize("name", ["default recipe", "random", "TPE"])
@pytest.mark.parametrize("operators", [("Conv", "Gemm"), ("LSTM", "Gemm"), ("MatMul",), ("Gather",)])
def test_rivals_try_six_different_plans(benchmarks: Any, name: str, operators: tuple[str, ...]):
    found = plans_of(benchmarks("policies").policy(name, "model", 0, memory=False), *operators)
    assert len(found) == 6 if name != "default recipe" else len(found) >= 3
    assert all(not one.same_as(other) for index, one in enumerate(found) for other in found[:index])


def test_what_is_drawn_depends_on_the_seed_alone(benchmarks: Any):
    made = benchmarks("policies").policy
    for name in ("random", "TPE"):
        first, again, other = (plans_of(made(name, "model", seed, memory=False), "Conv", "Gemm") for seed in (1, 1, 2))
        assert first == again != other


def test_random_is_uniform_and_tpe_learns(benchmarks: Any):
    """TPE is told what storage does, and comes back to it; random does not care."""
    policies, wanted = benchmarks("policies"), {"TPE": 0, "random": 0}
    for name in wanted:
        for seed in range(8):
            policy, tried = policies.policy(name, "model", seed, memory=False), []
            for index in range(1, 13):
                plan = policy.propose(state("Conv", "MatMul", attempts=tuple(tried)))
                good = plan.quantize is not None and plan.quantize.storage == "int8"
                tried.append(attempt(index, plan, shortfall=0.1 if good else 3.0))
                wanted[name] += good and index > 6
    assert wanted["TPE"] > 1.3 * wanted["random"] > 0


def test_a_failed_attempt_is_the_worst(benchmarks: Any):
    missed = benchmarks("policies").missed_by
    assert missed(attempt(1, Plan(), "met")) == 0.0
    assert 0 < missed(attempt(1, Plan(), shortfall=0.2)) < missed(attempt(1, Plan(), shortfall=0.4))
    assert missed(attempt(1, Plan(), "failed", shortfall=0.0)) > missed(attempt(1, Plan(), shortfall=5.0))


def test_a_recorded_job_costs_what_it_cost(benchmarks: Any, digits_model: Path, tmp_path: Path):
    record = benchmarks("record")
    job = Job(tool="admit", params={"source": str(digits_model), "max_bytes": 10**8, "runtime": "onnx"})
    executor = record.RecordedExecutor(tmp_path / "record")
    first = executor.run(job, {}, tmp_path / "one")
    other = record.RecordedExecutor(tmp_path / "record")
    again = other.run(job, {}, tmp_path / "two")
    assert first == again
    assert (executor.ran, other.ran, other.answered) == (1, 0, 1)
    assert first.cpu_s > 0
    made = [(tmp_path / name / first.outputs["model"] / "model.onnx").read_bytes() for name in ("one", "two")]
    assert made[0] == made[1] == digits_model.read_bytes()
    assert record.key(job) != record.key(job.model_copy(update={"seed": 1}))


def test_another_file_at_the_same_place_is_another_job(benchmarks: Any, tmp_path: Path):
    record, path = benchmarks("record"), tmp_path / "model.onnx"
    job = Job(tool="admit", params={"source": str(path)})
    path.write_bytes(b"one")
    before = record.key(job)
    path.write_bytes(b"two")
    assert record.key(job) != before


def test_a_timing_serves_all_bounds(benchmarks: Any):
    record = benchmarks("record")
    ref = ArtifactRef(id="0" * 64)
    jobs = [
        Job(tool="benchmark", inputs={"original": ref, "candidate": ref}, params={"bounds": [bound], "seconds": 8.0})
        for bound in (1.5, 3.0)
    ]
    assert len({record.key(record._timed_alike(job)) for job in jobs}) == 1


def test_errors_are_recorded_as_well(benchmarks: Any, tmp_path: Path):
    record, messages = benchmarks("record"), []
    for name in ("one", "two"):
        executor = record.RecordedExecutor(tmp_path / "record")
        with pytest.raises(ToolError) as told:  # there is nothing to evaluate
            executor.run(Job(tool="evaluate"), {}, tmp_path / name)
        messages.append((str(told.value), executor.ran))
    assert [ran for _, ran in messages] == [1, 0]
    assert messages[0][0] == messages[1][0]
    assert len(list((tmp_path / "record").glob("*/answer.json"))) == 1


@pytest.mark.slow
def test_a_language_model_is_held_against_none(
    benchmarks: Any, digits_model: Path, digits_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    language_arm, trials, asked = (benchmarks(name) for name in ("language_arm", "trials", "asked"))
    folder = tmp_path / "models" / "digits"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(digits_model.read_bytes())
    (folder / "data.npz").write_bytes(digits_data.read_bytes())
    monkeypatch.setattr(trials, "folder_of", lambda _name: folder)
    options = {"max-size": "30%", "max-drop": "1%", "allow-regression": "latency"}
    known = {"quantize": {"storage": "int8"}}
    fields = {"name": "digits-size", "model": "digits", "kind": "CNN", "part": "open", "known": known}
    case = asked.Case.model_validate(fields | {"options": options})
    part: dict[str, Any] = {"convolutions": "float32", "products": "float32", "recurrent": "float32", "storage": "int8"}
    part |= {"per_layer": False, "keep_db": None, "calibration": "minmax", "recovery": []}
    runtime = {"passes": ["fusion"], "tune": False}
    whole = {"quantization": part, "pruning": {"what": "nothing", "share": "25%"}, "runtime": runtime, "why": "small"}
    with serve(json.dumps({"proposals": [whole]})) as provider:
        monkeypatch.setenv("SHIPFIT_LLM_API_BASE", provider.openai)
        bench = trials.Bench(tmp_path / "record", tmp_path / "products", Path(os.environ["SHIPFIT_HOST_PROBE"]))
        found = language_arm.compare(bench, [case], "openai/scripted", 3, 1, benchmarks("machine").describe())
    alone, advised = found.arms()
    assert (alone.policy, advised.policy) == (language_arm.ALONE, language_arm.ADVISED)
    assert [each.first_met for each in found.trials] == [1, 1]
    (said,) = found.asked
    assert said.use.calls == len(provider.requests) >= 1
    assert said.use.calls <= 3
    assert said.proposed >= 1
    page = language_arm.write(found, tmp_path / "results").read_text()
    assert "openai/scripted" in page
    assert "| digits-size | 1 | 1 |" in page
    assert language_arm.Advice.model_validate_json((tmp_path / "results" / "advice.json").read_text()) == found
