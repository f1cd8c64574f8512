"""Every option of `DeploymentConfig` is real: switching it changes the product, the plans, a verdict or a warning."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import numpy as np
import onnx
import pytest
from onnx import helper

from shipfit import DeploymentConfig, DeploymentOptimizationAgent, OptimizationMonitor
from shipfit.agents.language.access import Access, access_of
from shipfit.agents.language.advisor import Advisor
from shipfit.agents.language.opening import open_advisor
from shipfit.agents.planner import after_plan
from shipfit.agents.quantization import resolve
from shipfit.agents.search.chance import chance
from shipfit.agents.search.policy import plans
from shipfit.contracts import (
    Contract,
    DataRef,
    DeploymentMetrics,
    Evaluation,
    GraphLever,
    LanguageModelError,
    LatencyMetrics,
    Limits,
    MemoryMetrics,
    NoOpError,
    OperatorShare,
    OptimizationError,
    OptimizeGraphStep,
    PolicyState,
    Profile,
    PruneStep,
    Quantity,
    QuantizeStep,
    Request,
    RequestError,
    Settings,
    Step,
    TensorSpec,
    check_served,
    validate,
)
from shipfit.interfaces.cli.config_file import read_config
from shipfit.tools.judge import Evidence, judge
from shipfit.tools.registry import transformation

from . import hosts, models
from .provider import Behaviour, completion, failing, send, serve


def leaves(kind: type[Contract], prefix: str = "") -> Iterator[str]:
    """Every field of a configuration that holds a value and no further fields."""
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Contract):
            yield from leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def configured(path: str, value: Any, **also: Any) -> DeploymentConfig:
    """The default configuration with one field set, and what the case needs beside it."""
    nested: Any = value
    for name in reversed(path.split(".")):
        nested = {name: nested}
    return DeploymentConfig().override(**also).override(**nested)


def request_of(config: DeploymentConfig) -> Request:
    fields = {
        "model": "m.onnx",
        "data": "d.npz",
        "target": config.target.to_target(),
        "constraints": config.target.constraints.to_constraints(),
        "optimization": config.optimization,
        "monitoring": config.monitoring,
        "llm": config.llm,
    }
    return validate(Request, fields)


def state_of(config: DeploymentConfig) -> PolicyState:
    operators = (
        OperatorShare(op_type="Conv", count=8, weight_bytes=7_000_000, time_share=0.8),
        OperatorShare(op_type="Gemm", count=2, weight_bytes=500_000, time_share=0.1),
    )
    tensor = TensorSpec(name="x", dtype="float32", shape=(1, 1, 8, 8))
    profile = Profile(
        opset=17, ir_version=8, parameters=1_875_000, nodes=20, size_bytes=7_510_000, weight_bytes=7_500_000,
        graph_bytes=10_000, storable_bytes=7_500_000, fixed_bytes=0, inputs=(tensor,), outputs=(tensor,),
        operators=operators, quantizable_share=1.0, prunable_share=1.0, latency_ms=1.0,
    )  # fmt: skip
    return PolicyState(request=request_of(config), profile=profile, labelled=True, host=hosts.make_host())


def searched(config: DeploymentConfig, _: Workshop) -> Any:
    """What may be tried, and how likely each plan is to meet everything."""
    state = state_of(config)
    return [(plan.model_dump(), chance(plan, state)[0]) for plan in plans(state)]


def fitted(config: DeploymentConfig, workshop: Workshop) -> Any:
    """The bytes that the first plan with static compute makes."""
    state = state_of(config)
    lever = next(plan.quantize for plan in plans(state) if plan.quantize and "static" in plan.quantize.compute.values())
    context = cast("Any", SimpleNamespace(request=state.request))
    _, step = resolve(lever, cast("Any", {"profile": state.profile}), context, cast("Any", None))
    return workshop.perform(step, workshop.digits)


def rewritten(config: DeploymentConfig, workshop: Workshop) -> Any:
    """The bytes that the first plan's graph passes make."""
    lever = next(plans(state_of(config))).graph or GraphLever(passes=())
    return workshop.perform(OptimizeGraphStep(**lever.model_dump()), workshop.untidy)


def pruned(config: DeploymentConfig, workshop: Workshop) -> Any:
    """The bytes that pruning up to the allowed threshold makes."""
    lever = next(plan.prune for plan in plans(state_of(config)) if plan.prune)
    return workshop.perform(PruneStep(threshold=lever.threshold), workshop.digits)


def served(config: DeploymentConfig, _: Workshop) -> Any:
    """Whether it is served, or what refuses it."""
    try:
        check_served(request_of(config))
    except RequestError as error:
        return error.message
    return "served"


def judged(config: DeploymentConfig, _: Workshop) -> Any:
    """The verdict on a candidate that is right on nine of ten samples."""
    right = Quantity(value=0.9, unit="fraction", samples=100)
    fidelity = Quantity(value=30.0, unit="dB", samples=100)
    found = Evaluation(part="final", samples=100, original_accuracy=right, candidate_accuracy=right, fidelity=fidelity)
    return judge(request_of(config), Evidence(original_bytes=100, candidate_bytes=50, evaluation=found)).constraints


def proven(config: DeploymentConfig, _: Workshop) -> Any:
    """Whether a measurement here is proof; where not, the run ends `unverified`."""
    return config.target.to_target().measurable_here


def watched(config: DeploymentConfig, _: Workshop) -> Any:
    """What the response would hold of a product, and the alerts it would raise."""

    def quantity(value: float, unit: str) -> Quantity:
        return Quantity.model_validate({"value": value, "unit": unit})

    latency = LatencyMetrics(mean=quantity(4, "ms"), p50=quantity(4, "ms"), p95=quantity(5, "ms"))
    byte = quantity(2e6, "bytes")
    memory = MemoryMetrics(peak=byte, average=byte, runtime_alone=byte)
    metrics = DeploymentMetrics(size=byte, latency=latency, memory=memory, accuracy=quantity(0.9, "fraction"))
    monitor = OptimizationMonitor(config.monitoring)
    monitor.collect_metrics("optimized", metrics)
    return monitor.phases, monitor.alerts


def reached(config: DeploymentConfig, _: Workshop) -> Any:
    """Which language model is asked, and where."""
    return access_of(config.llm, Settings(home=Path("/nowhere")))


def opened(config: DeploymentConfig, _: Workshop) -> Any:
    """Whether the run goes on without the language model, or ends."""
    try:
        return open_advisor(config.llm, Settings(home=Path("/nowhere"))).use
    except RequestError as error:
        return error.message


def asked(*script: str | Behaviour) -> Callable[[DeploymentConfig, Workshop], Any]:
    """What comes of two questions to a language model that answers by `script`."""

    def ask(config: DeploymentConfig, _: Workshop) -> Any:
        with serve(*script) as provider:
            advisor = Advisor(config.llm, Access("openai/gpt-4.1-mini", provider.openai))
            outcomes: list[str] = []
            for _again in range(2):
                try:
                    outcomes.append(advisor.wire.ask([{"role": "user", "content": "?"}]))
                except LanguageModelError as error:
                    outcomes.append(error.message)
            advisor.close()
            return outcomes

    return ask


def answered(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, completion("an answer"))


def waiting(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.0)
    answered(handler)


class Case(NamedTuple):
    """Two values of an option, where their difference shows, and what must be set beside them for it to matter."""

    shown: Callable[[DeploymentConfig, Workshop], Any]
    first: Any
    second: Any
    also: dict[str, Any] = {}


BOUNDS = "target.constraints."
QUANTIZATION = "optimization.quantization."
GRAPH = "optimization.graph."
CASES = {
    "target.platform": Case(proven, "server", "edge"),
    "target.runtime": Case(served, "onnx", "wasm"),
    BOUNDS + "max_size": Case(searched, "50%", "1MB"),
    BOUNDS + "max_memory": Case(searched, None, "80%"),
    BOUNDS + "max_latency": Case(searched, "10ms", "0.1ms"),
    BOUNDS + "min_speedup": Case(searched, 1.0, 3.0),
    BOUNDS + "min_throughput": Case(searched, 100, 5000),
    BOUNDS + "min_accuracy": Case(judged, 0.8, 0.99),
    BOUNDS + "max_drop": Case(searched, "5%", "0.1%"),
    BOUNDS + "min_fidelity": Case(searched, 20, 60),
    BOUNDS + "min_logits_fidelity": Case(searched, 20, 60),
    "optimization.level": Case(searched, "none", "basic"),
    "optimization.forbid": Case(searched, [], ["int8"]),
    QUANTIZATION + "enabled": Case(searched, True, False),
    QUANTIZATION + "precision": Case(searched, "8bit", "16bit"),
    QUANTIZATION + "calibration.method": Case(fitted, "minmax", "entropy"),
    QUANTIZATION + "calibration.samples": Case(fitted, 100, 2),
    "optimization.pruning.enabled": Case(searched, False, True),
    "optimization.pruning.threshold": Case(pruned, 0.01, 0.1, {"optimization": {"level": "aggressive"}}),
    "optimization.pruning.method": Case(served, "magnitude", "fisher"),
    GRAPH + "elimination": Case(rewritten, True, False),
    GRAPH + "fusion": Case(rewritten, True, False),
    GRAPH + "constant_folding": Case(rewritten, True, False),
    GRAPH + "layer_optimization": Case(rewritten, True, False),
    GRAPH + "passes": Case(rewritten, None, ["fuse_pad_into_conv"]),
    "monitoring.metrics": Case(watched, ["size"], ["size", "latency"]),
    "monitoring.alerts.latency": Case(watched, 10.0, 1.0),
    "monitoring.alerts.error_rate": Case(watched, None, 0.05),
    "monitoring.alerts.memory_usage": Case(watched, 3e6, 1e6),
    "llm.name": Case(reached, "openai/one", "openai/other"),
    "llm.api_base": Case(reached, "http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1", {"llm": {"name": "openai/one"}}),
    "llm.required": Case(opened, False, True, {"llm": {"name": "nobody/model"}}),
    "llm.timeout_s": Case(asked(waiting, answered), 0.2, 30, {"llm": {"retries": 0}}),
    "llm.retries": Case(asked(failing(500), answered), 0, 1),
    "llm.max_calls": Case(asked(answered), 1, 2),
    "llm.max_cost_usd": Case(asked(answered), 1e-9, 1.0),
}


class Workshop:
    """Models with something to do for every option, and a place to perform steps on them."""

    def __init__(self, folder: Path, digits: Path) -> None:
        self.folder, self.digits = folder, digits
        self.untidy = models.save(untidy(), folder / "untidy.onnx")
        images, _ = models.digits_arrays()
        # Long tails, so that ranges can be cut.
        self.samples = [{"image": images[at : at + 1] * (30 if at == 7 else 1)} for at in range(40)]
        self.ref = DataRef(id="0" * 64, samples=40, parts={"calibration": 40, "selection": 40, "final": 40})

    def feeds(self, part: str, limit: int | None = None) -> list[dict[str, np.ndarray]]:
        return self.samples[:limit]

    def labels(self, part: str, limit: int | None = None) -> None:
        return None

    def perform(self, step: Step, source: Path) -> bytes:
        """The product's bytes; the source's where the step finds nothing to do."""
        target = self.folder / "product.onnx"
        data = cast("Any", self) if source is self.digits else None
        try:
            transformation(step.kind)(step, source, target, data, Limits())
        except NoOpError:
            return source.read_bytes()
        return target.read_bytes()


def untidy() -> onnx.ModelProto:
    """A dead end, a pad, arithmetic on a weight, and the parts of Gelu."""
    nodes = [
        helper.make_node("Exp", ["x"], ["nowhere"]),
        helper.make_node("Pad", ["x", "pads"], ["p"]),
        helper.make_node("Conv", ["p", "w"], ["c"]),
        helper.make_node("Div", ["c", "root"], ["g1"]),
        helper.make_node("Erf", ["g1"], ["g2"]),
        helper.make_node("Add", ["g2", "one"], ["g3"]),
        helper.make_node("Mul", ["c", "g3"], ["g4"]),
        helper.make_node("Mul", ["g4", "half"], ["g"]),
        helper.make_node("Exp", ["gain"], ["e"]),
        helper.make_node("Mul", ["g", "e"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal((4, 3, 3, 3)), "gain": rng.standard_normal(4), "root": np.array(2**0.5)}
    weights |= {"one": np.array(1.0), "half": np.array(0.5)}
    stored: dict[str, np.ndarray] = {name: value.astype(np.float32) for name, value in weights.items()}
    stored["pads"] = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    return models.build(nodes, [models.spec("x", [2, 3, 4, 4])], [models.spec("y", [2, 4, 4, 4])], stored)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, digits_model: Path) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"), digits_model)


def test_no_option_is_without_a_case() -> None:
    assert set(CASES) == set(leaves(DeploymentConfig)), "an option needs a case here that shows what it changes"


@pytest.mark.parametrize("option", CASES)
def test_switching_an_option_shows(option: str, workshop: Workshop) -> None:
    case = CASES[option]
    first, second = (configured(option, value, **case.also) for value in (case.first, case.second))
    assert case.shown(first, workshop) != case.shown(second, workshop)
    assert case.shown(first, workshop) == case.shown(configured(option, case.first, **case.also), workshop)


def test_approve_asks_before_the_first_plan(tmp_path: Path, digits_model: Path) -> None:
    """An option of a request, which a configuration file holds beside the groups above."""
    for written, leads_to in (("true", "approve_plan"), ("false", "rewrite")):
        file = tmp_path / "request.yaml"
        file.write_text(f"model: {digits_model}\napprove: {written}\n")
        request = validate(Request, read_config(str(file)))
        assert after_plan({"draft": cast("Any", object()), "asks": request.approve}) == leads_to


@pytest.mark.parametrize("method", ["percentile", "mse", "entropy"])
def test_each_calibration_method_makes_a_product_of_its_own(method: str, workshop: Workshop) -> None:
    option = QUANTIZATION + "calibration.method"
    assert fitted(configured(option, method), workshop) != fitted(configured(option, "minmax"), workshop)


@pytest.mark.parametrize(
    ("restriction", "storages"),
    [
        ({"quantization": {"precision": "4bit"}}, {"int4", "int8", "fp16", "none"}),
        ({"quantization": {"precision": "8bit"}}, {"int8", "fp16", "none"}),
        ({"level": "aggressive"}, {"int4", "int8", "fp16", "none"}),
        ({"quantization": {"precision": "16bit"}}, {"fp16"}),
        ({"quantization": {"precision": "32bit"}}, set()),
        ({"quantization": {"enabled": False}}, set()),
        ({"level": "none"}, set()),
        ({"forbid": ["quantization"]}, set()),
        ({"forbid": ["int8"], "level": "aggressive"}, {"fp16"}),
        ({"forbid": ["fp16"], "level": "aggressive"}, {"int8", "none"}),
        ({"forbid": ["int4"], "level": "aggressive"}, {"int8", "fp16", "none"}),
        ({"forbid": ["int8", "fp16"]}, set()),
    ],
)
def test_precision_is_the_lowest_that_may_be_tried(restriction: dict[str, Any], storages: set[str]) -> None:
    levers = [plan.quantize for plan in plans(state_of(DeploymentConfig().override(optimization=restriction)))]
    assert {lever.storage for lever in levers if lever} == storages
    assert any(lever and lever.compute for lever in levers) == ("int8" in storages)


def steps_and_types(optimization: dict[str, Any], model: Path, folder: Path) -> tuple[dict[str, Step], set[str]]:
    """The steps of the delivered recipe by kind, and the types of the product's weights."""
    agent = DeploymentOptimizationAgent(settings=Settings(home=folder / "home"))
    response = agent.optimize_for_deployment(
        model=model, optimization=optimization, objective="size", allow_regression=("latency", "memory"), memory=False,
        budget={"max_attempts": 2},
    )  # fmt: skip
    assert response.recipe is not None
    product = agent.settings.artifacts
    files = [path for path in product.rglob("model.onnx") if path.stat().st_size == response.artifact.size_bytes]
    notes = [note for attempt in response.attempts for note in attempt.notes]
    assert any("nodes became" in note for note in notes)
    kinds = {onnx.TensorProto.DataType.Name(each.data_type) for each in onnx.load(files[0]).graph.initializer}
    return {step.kind: step for step in response.recipe.steps}, kinds


@pytest.mark.slow
def test_overrides_of_a_call_reach_the_product(mlp_model: Path, tmp_path: Path) -> None:
    steps, kinds = steps_and_types({"quantization": {"precision": "16bit"}}, mlp_model, tmp_path / "half")
    assert "FLOAT16" in kinds
    assert "INT8" not in kinds
    named = {"quantization": {"enabled": False}, "graph": {"passes": ["fuse_matmul_add_bias_into_gemm"]}}
    steps, kinds = steps_and_types(named, mlp_model, tmp_path / "named")
    assert "quantize" not in steps
    assert kinds == {"FLOAT"}
    assert cast("OptimizeGraphStep", steps["optimize_graph"]).passes == ("fuse_matmul_add_bias_into_gemm",)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (PruneStep(threshold=1e-30), "pruning"),
        (QuantizeStep(compute={"LSTM": "dynamic"}), "quantization"),
        (OptimizeGraphStep(passes=("fuse_pad_into_conv",)), "runtime"),
    ],
)
def test_callers_can_tell_the_kinds_of_failure_apart(step: Step, kind: str, workshop: Workshop) -> None:
    with pytest.raises(OptimizationError) as caught:
        transformation(step.kind)(step, workshop.digits, workshop.folder / "failed.onnx", None, Limits())
    assert caught.value.type == kind
