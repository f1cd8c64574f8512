"""Distillation: what is compared, what is padding, and that the best is kept whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from shipfit.contracts import ToolError
from shipfit.tools.pruning.distil import Distilled, Told, distil
from shipfit.tools.pruning.distil_losses import scaled
from shipfit.tools.pruning.distil_samples import alone, batches, padding_of
from shipfit.tools.pruning.distil_targets import Target, targets_of
from shipfit.tools.session import open_bytes, plain_options

RNG = np.random.default_rng(3)
FEEDS = [{"x": RNG.normal(size=(1, 6)).astype(np.float32)} for _ in range(64)]
# Far more than any of these needs: what ends them is `cancelled`.
LONG = 600.0


def network(hidden: int = 16, last: str = "Softmax", seed: int = 0, blocks: str | int = "n") -> ModelProto:
    rng = np.random.default_rng(seed)
    held = {
        "w": rng.normal(size=(6, hidden)).astype(np.float32),
        "b": rng.normal(size=hidden).astype(np.float32),
        "v": rng.normal(size=(hidden, 4)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["hidden"], "first"),
        helper.make_node("Tanh", ["hidden"], ["active"]),
        helper.make_node("MatMul", ["active", "v"], ["scores"]),
        helper.make_node(last, ["scores"], ["y"]),
        helper.make_node("ArgMax", ["scores"], ["best"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [blocks, 6])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [blocks, 4]),
            helper.make_tensor_value_info("best", TensorProto.INT64, [blocks, 1]),
        ],
        [numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def sliced(model: ModelProto, kept: int) -> tuple[ModelProto, dict[str, dict[int, np.ndarray]]]:
    """The network with its first `kept` hidden units, and what is left of its activations."""
    cut = ModelProto()
    cut.CopyFrom(model)
    for tensor in cut.graph.initializer:
        axis = 0 if tensor.name in ("v", "b") else 1
        whole = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(whole.take(range(kept), axis), tensor.name))
    left = {1: np.arange(kept)}
    return cut, {"hidden": left, "active": left}


class Stop:
    """Cancels after so many questions."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def trained(after: int = 120, **options: Any) -> Distilled:
    teacher = network()
    student, tensors = sliced(teacher, 8)
    given: dict[str, Any] = {"seconds": LONG, "cancelled": Stop(after), "tensors": tensors} | options
    return distil(teacher, student, FEEDS, **given)


def run(model: ModelProto, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    session: Any = open_bytes(model.SerializeToString(), plain_options())
    return session.run(None, dict(feed))


@pytest.fixture(autouse=True)
def one_thread():
    """On a busy machine several wait for each other at every operator."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_race_and_no_warming_up(monkeypatch: pytest.MonkeyPatch):
    """Both last a share of the time, and these tests have no end of it."""
    monkeypatch.setattr("shipfit.tools.pruning.distil_training._RACE", 0.0)
    monkeypatch.setattr("shipfit.tools.pruning.distil_training._TOLD_EVERY", 0.0)
    monkeypatch.setattr("shipfit.tools.pruning.distil_training._WARM_UP", 0.0)


def test_a_student_comes_nearer_and_the_best_is_what_is_given():
    found = trained()
    assert found.after < 0.7 * found.before
    assert found.samples == (52, 12)
    assert found.reason == "cancelled"
    whole = {"x": np.concatenate([feed["x"] for feed in FEEDS])}
    teacher, before = run(network(), whole)[0], run(sliced(network(), 8)[0], whole)[0]
    after = run(found.model, whole)[0]
    assert float(((after - teacher) ** 2).mean()) < 0.7 * float(((before - teacher) ** 2).mean())


def test_the_original_and_the_student_stay_as_they_are():
    teacher = network()
    student, tensors = sliced(teacher, 8)
    before = teacher.SerializeToString(), student.SerializeToString()
    distil(teacher, student, FEEDS, seconds=LONG, cancelled=Stop(5), tensors=tensors)
    assert (teacher.SerializeToString(), student.SerializeToString()) == before


def test_a_student_that_is_not_bettered_is_given_back_to_the_byte():
    student, _ = sliced(network(), 8)
    found = trained(after=0)
    assert found.model.SerializeToString() == student.SerializeToString()
    assert (found.steps, found.after) == (0, found.before)


def test_only_what_may_change_does():
    student, _ = sliced(network(), 8)
    found = trained(after=50, trainable=["v"])
    pairs = zip(student.graph.initializer, found.model.graph.initializer, strict=True)
    assert {old.name for old, new in pairs if old != new} == {"v"}


def test_ctrl_c_keeps_the_best_so_far():
    def told(_: Told) -> None:
        nonlocal asked
        asked += 1
        if asked == 200:
            raise KeyboardInterrupt

    asked = 0
    found = trained(after=10**9, progress=told)
    assert found.reason == "interrupted"
    assert found.steps >= 199
    assert found.after <= found.before


def test_progress_tells_time_left_and_how_near_it_is():
    seen: list[Told] = []
    trained(after=20, progress=seen.append)
    assert seen
    assert all(0 <= each.done <= 1 and 0 < each.seconds_left <= LONG and each.left <= 1 for each in seen)
    assert [each.done for each in seen] == sorted(each.done for each in seen)


def test_it_ends_when_the_time_is_up():
    assert trained(after=10**9, seconds=2.0).reason == "the time was up"


def test_a_loss_that_is_no_number_lowers_the_rate_and_then_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shipfit.tools.pruning.distil_training._RATES", (1e30, 1e30, 1e30))
    found = trained(after=10**9)
    assert found.reason == "it diverged 3 times, at lower rates too"
    assert all(np.isfinite(numpy_helper.to_array(each)).all() for each in found.model.graph.initializer)
    assert found.after <= found.before


def test_too_few_samples_are_told():
    with pytest.raises(ToolError, match="7 samples are too few to train on: give 8 or more"):
        distil(network(), network(), FEEDS[:7], seconds=LONG)


def test_a_teacher_without_numbers_is_told():
    feeds = [{"x": np.full((1, 6), np.nan, np.float32)} for _ in range(9)]
    with pytest.raises(ToolError, match="'scores' is not finite on the samples"):
        distil(network(), network(seed=1), feeds, seconds=LONG)


def test_an_operator_that_is_lacking_is_named():
    student = network()
    student.graph.node[1].op_type = "Multinomial"
    with pytest.raises(ToolError, match="not computed with in torch: Multinomial"):
        distil(network(), student, FEEDS, seconds=LONG)


def test_samples_go_one_by_one_where_the_model_takes_no_more():
    teacher = network(blocks=1)
    student, tensors = sliced(teacher, 8)
    found = distil(teacher, student, FEEDS, seconds=LONG, cancelled=Stop(150), tensors=tensors)
    assert found.after < found.before


def test_scores_are_compared_before_their_softmax_and_features_at_kept_channels():
    teacher = network()
    student, tensors = sliced(teacher, 8)
    found = targets_of(teacher, student, tensors)
    assert [(each.name, each.scores, each.feature) for each in found] == [
        ("scores", -1, False),
        ("best", None, False),
        ("hidden", None, True),
        ("active", None, True),
    ]
    assert found[2].part(np.zeros((3, 16))).shape == (3, 8)
    assert targets_of(network(last="Tanh"), network(last="Tanh"), {})[0] == Target("y")


def test_distances_are_one_at_the_mean_answer_and_nothing_at_the_same():
    targets = [Target("scores", scores=-1), Target("values")]
    answers = [torch.randn(32, 5), 3 + torch.randn(32, 7)]
    distances = scaled(targets, [answers], [None])
    assert distances.of(answers, answers, None).tolist() == pytest.approx([0, 0], abs=1e-6)
    mean = [answers[0], answers[1].mean().expand(32, 7)]
    assert distances.of(mean, answers, None).tolist() == pytest.approx([0, 1], abs=1e-5)


def test_padding_is_left_out():
    seen = torch.tensor([[1, 1, 0], [1, 0, 0]])
    wanted = torch.randn(2, 3, 4)
    found = torch.where(seen.bool()[..., None], wanted, torch.randn(2, 3, 4))
    distances = scaled([Target("y")], [[wanted]], [seen])
    assert float(distances.of([found], [wanted], seen)) == 0
    assert float(distances.of([found], [wanted], None)) > 0


def masking(used: bool) -> ModelProto:
    """Means over what `m` shows of a table's rows; `used`: else over all."""
    table = numpy_helper.from_array(RNG.normal(size=(9, 4)).astype(np.float32), "table")
    axes = numpy_helper.from_array(np.asarray([2], np.int64), "axes")
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Cast", ["m"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float", "axes"], ["wide"]),
        helper.make_node("Mul", ["rows", "wide"], ["shown"]),
        helper.make_node("ReduceMean", ["shown" if used else "rows"], ["y"], axes=[1], keepdims=0),
    ]
    ins = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"]) for name in ("ids", "m")]
    outs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "masked", ins, outs, [table, axes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _masked_feeds(length: int = 6) -> list[dict[str, np.ndarray]]:
    found: list[dict[str, np.ndarray]] = []
    for count in (6, 3, 5, 2, 4, 6):
        shown = (np.arange(length) < count).astype(np.int64)[None]
        found.append({"ids": RNG.integers(1, 9, (1, length)), "m": shown})
    return found


@pytest.mark.parametrize("used", [True, False])
def test_padding_is_what_hides_something(used: bool):
    session: Any = open_bytes(masking(used).SerializeToString(), plain_options())
    assert padding_of(session, _masked_feeds()) == ("m" if used else None)


def test_a_batch_is_one_only_where_its_samples_do_not_meet():
    session: Any = open_bytes(network().SerializeToString(), plain_options())
    assert alone(session, FEEDS[:4]) == {0, 1}
    meeting = network(last="Softmax")
    meeting.graph.node[3].attribute.append(helper.make_attribute("axis", 0))
    assert alone(open_bytes(meeting.SerializeToString(), plain_options()), FEEDS[:4]) == {1}


def test_every_sample_is_seen_as_often_as_any_other():
    stream = batches([list(range(10)), [10, 11]], 4, np.random.default_rng(0))
    seen = [index for _ in range(6) for index in next(stream)]
    counts = np.bincount(seen, minlength=12)
    assert counts.max() - counts.min() <= 1
