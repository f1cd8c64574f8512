import shlex

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import Constraints, Offer, OptimizationConfig, PruningConfig, Request
from shipfit.interfaces.cli.bounds import read_bounds
from shipfit.interfaces.command_line import bound_words, offer_command, replay_command

from . import responses

POSITIVE = st.floats(min_value=1e-3, max_value=1e6)
SHARE = st.floats(min_value=1e-4, max_value=0.99)


def offer(**changes: object) -> Offer:
    return responses.rolled_back().offers[0].model_copy(update=changes)


def words_to_bounds(words: list[str]) -> Constraints:
    pairs = zip(words[::2], words[1::2], strict=True)
    given = {option.removeprefix("--").replace("-", "_"): value for option, value in pairs}
    return Constraints.model_validate(read_bounds(given, str))


def test_offer_asks_for_what_it_can_give_and_keeps_the_rest():
    command = offer_command(responses.request(threads=2), offer(relax={"max_size_ratio": 0.261234}))
    assert command == (
        "shipfit optimize /models/digits.onnx --data /data/digits.npz --threads 2 "
        "--max-size 26.13% --min-speedup 3 --max-drop 1%"
    )


def test_offer_lifts_guards_beside_those_lifted_before():
    request = responses.request(allow_regression=("memory",))
    command = offer_command(request, offer(relax={}, allow_regression=("latency", "memory")))
    assert command.endswith("--allow-regression memory,latency")


def test_names_with_spaces_and_shell_signs_are_quoted():
    request = responses.request(model="/models/my $(rm) model.onnx", shape={"a b": (1, 3)})
    words = shlex.split(offer_command(request, offer(relax={})))
    assert words[2] == "/models/my $(rm) model.onnx"
    assert words[words.index("--shape") + 1] == "a b=1,3"


def test_what_has_no_option_is_said():
    request = responses.request(optimization=OptimizationConfig(pruning=PruningConfig(enabled=True)))
    assert offer_command(request, offer(relax={})).endswith("# and --config as before")


def test_replay_names_model_recipe_and_data():
    assert replay_command(responses.response()) == (
        "shipfit apply /models/digits.onnx /products/digits/recipe.json --data /data/digits.npz --out replayed"
    )


def test_what_was_said_of_the_data_is_said_again():
    asked = responses.request(metric="f1", state={"state": "stateN"})
    assert "--metric f1" in offer_command(asked, offer(relax={}))
    assert offer_command(asked, offer(relax={})).endswith("# and --config as before")
    command = replay_command(responses.response(request=asked))
    assert "--metric f1 --out replayed" in command
    assert command.endswith("# and --config with what was said of the data")


@settings(max_examples=60, deadline=None)
@given(POSITIVE, POSITIVE, SHARE, SHARE, st.integers(min_value=1, max_value=10**12))
def test_written_bounds_read_back_no_tighter(latency: float, factor: float, ratio: float, accuracy: float, size: int):
    bounds = Constraints(
        max_size_bytes=size, max_memory_ratio=ratio, max_latency_ms=latency, min_speedup=factor,
        min_throughput_per_s=1000 / latency, min_accuracy=accuracy, max_accuracy_drop=ratio, min_fidelity_db=30.04,
    )  # fmt: skip
    again = words_to_bounds(bound_words(bounds))
    for bound in bounds.bounds():
        read = getattr(again, bound.name)
        assert read == pytest.approx(bound.bound, rel=2e-3)
        slack = 1e-9 * bound.bound
        assert read >= bound.bound - slack if bound.upper else read <= bound.bound + slack


def test_latency_statistic_is_kept():
    words = bound_words(Constraints(max_latency_ms=5, latency_statistic="p99"))
    assert words == ["--max-latency", "5ms", "--latency-statistic", "p99"]


def test_every_option_of_a_request_is_written():
    plain = Request(model="/m.onnx")
    command = offer_command(
        Request(
            model="/m.onnx", calibration_data="/c.npz", output="scores", objective="size", seed=3,
            strict_accuracy=True, optimization=OptimizationConfig(level="aggressive"),
            budget=plain.budget.model_copy(update={"max_attempts": 2, "time_limit_s": 90.0}),
        ),
        offer(relax={}),
    )  # fmt: skip
    for words in ("--calibration-data /c.npz", "--output scores", "--objective size", "--seed 3", "--strict-accuracy",
                  "--level aggressive", "--max-attempts 2", "--time-limit 90s"):  # fmt: skip
        assert words in command
