"""Find out what an exported program is: the facts that plans are made from, in the words of ATen."""

from __future__ import annotations

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Interpreter, Node
from torch.utils import _pytree as pytree

from ...contracts import DataError, OperatorShare, Profile
from ..measure.synthesize import synthesizer
from ..measure.torch_session import TorchSession
from .program import open_program

# Operators with integer kernels, with weights that pruning takes, and with tables that storage takes.
QUANTIZABLE = frozenset({"conv1d", "conv2d", "linear"})
PRUNABLE = frozenset({"conv1d", "conv2d", "linear"})
STORABLE = frozenset({"embedding"})
_CONTROL_FLOW = ("cond", "while_loop")
_SECONDS = 0.4
_MAX_RUNS = 100
_WARM_RUNS = 2
_HELD = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


def inspect_program(
    path: Path, timing: bool = False, feeds: Sequence[Mapping[str, Any]] | None = None, seed: int = 0
) -> Profile:
    """Return the facts about the program at `path`.

    Args:
        path: a `.pt2` file.
        timing: whether to run it for about a second, for time shares and a latency.
        feeds: inputs to run it on; absent, they are synthesised.
        seed: of the synthesised inputs.

    Raises:
        ModelFileError: it is hostile, damaged, or torch does not understand it.
        ToolError: it does not run on `feeds`.
    """
    torch.set_num_threads(1)
    program = open_program(path)
    session = TorchSession(program)
    facts = _Facts(program)
    shares, latency, remarks = _time(session, feeds, seed) if timing else ({}, None, ())
    size = path.stat().st_size
    return Profile(
        format="torch",
        opset=_opset(),
        ir_version=0,
        producer=f"torch {torch.__version__}".partition("+")[0],
        parameters=sum(each.numel() for each in facts.held.values() if each.is_floating_point()),
        nodes=len(facts.calls),
        size_bytes=size,
        weight_bytes=facts.weight_bytes,
        graph_bytes=max(size - facts.weight_bytes, 0),
        storable_bytes=facts.float_bytes(STORABLE),
        fixed_bytes=facts.weight_bytes - facts.float_bytes(STORABLE),
        inputs=tuple(session.input_specs),
        outputs=tuple(session.output_specs),
        operators=_operators(facts, shares if latency is not None else None),
        quantizable_share=facts.float_bytes(QUANTIZABLE) / max(facts.weight_bytes, 1),
        prunable_share=facts.float_bytes(PRUNABLE) / max(facts.weight_bytes, 1),
        quantized=facts.quantized,
        control_flow=any(operator_name(node) in _CONTROL_FLOW for node in facts.calls),
        dynamic_shapes=any(isinstance(dim, str) for each in session.input_specs for dim in each.shape or ()),
        domains=tuple(sorted({_domain(node) for node in facts.calls})),
        latency_ms=latency,
        warnings=remarks,
    )


def operator_name(node: Node) -> str:
    """Return an operator's name without its domain and overload, such as `conv2d`."""
    target: Any = node.target
    if isinstance(target, OpOverload):
        return str(target.name()).partition(".")[0].rpartition("::")[2]
    return str(getattr(target, "__name__", target))


def _domain(node: Node) -> str:
    target = node.target
    return target.namespace if isinstance(target, OpOverload) else "python"


def _opset() -> int:
    from torch._export.serde.schema import SCHEMA_VERSION

    return int(SCHEMA_VERSION[0])


class _Facts:
    """What a program is made of.

    Attributes:
        held: placeholder → the tensor that the program holds for it.
        calls: the calls of the graph and of the graphs inside it.
        reads: placeholder → operators that read it.
    """

    def __init__(self, program: ExportedProgram) -> None:
        state = {**program.state_dict, **program.constants}
        specs = [each for each in program.graph_signature.input_specs if each.kind in _HELD]
        tensors = {each.arg.name: state.get(each.target or "") for each in specs}
        self.held: dict[str, torch.Tensor] = {
            name: value for name, value in tensors.items() if isinstance(value, torch.Tensor)
        }
        objects = [each for each in state.values() if not isinstance(each, torch.Tensor)]
        self.packed_bytes = sum(_packed_bytes(each) for each in objects)
        modules = [each for each in program.graph_module.modules() if isinstance(each, torch.fx.GraphModule)]
        self.calls = [node for each in modules for node in each.graph.nodes if node.op == "call_function"]
        self.weights: defaultdict[str, list[str]] = defaultdict(list)
        self.depthwise: Counter[str] = Counter()
        for node in self.calls:
            for read in node.all_input_nodes:
                if read.name in self.held:
                    self.weights[operator_name(node)].append(read.name)
            self.depthwise[operator_name(node)] += self._is_depthwise(node)

    def _is_depthwise(self, node: Node) -> bool:
        if not operator_name(node).startswith("conv") or len(node.args) < 2:
            return False
        weight = self.held.get(getattr(node.args[1], "name", ""))
        groups = node.args[6] if len(node.args) > 6 else 1
        return weight is not None and isinstance(groups, int) and groups > 1 and weight.shape[1] == 1

    @property
    def weight_bytes(self) -> int:
        """Bytes of all tensors, each storage once, and of packed weights."""
        storages = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in self.held.values()}
        return sum(storages.values()) + self.packed_bytes

    def float_bytes(self, operators: frozenset[str]) -> int:
        """Bytes of the float32 matrices that these operators read."""
        names = {name for operator in operators for name in self.weights[operator]}
        return sum(self.held[name].nbytes for name in names if _is_matrix(self.held[name]))

    @property
    def quantized(self) -> Any:
        """By the operators: `yes` where none with an integer kernel computes in floats any more."""
        small = [node for node in self.calls if _computes_small(node)]
        if not small:
            return "no"
        return (
            "partly" if any(operator_name(node) in QUANTIZABLE and node not in small for node in self.calls) else "yes"
        )


def _is_matrix(tensor: torch.Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.ndim >= 2


def _computes_small(node: Node) -> bool:
    return _domain(node) in ("quantized", "quantized_decomposed") or operator_name(node).startswith(
        ("quantize_per", "dequantize", "_weight_int8pack", "_weight_int4pack")
    )


def _packed_bytes(value: Any) -> int:
    """Bytes of the weight inside one of torch's packed objects."""
    for method in ("unpack", "__getstate__"):
        try:
            found = getattr(value, method)()
        except (RuntimeError, AttributeError):
            continue
        tensors = [each for each in pytree.tree_leaves(found) if isinstance(each, torch.Tensor)]
        return sum(each.numel() * each.element_size() for each in tensors)
    return 0


def _operators(facts: _Facts, shares: Mapping[str, float] | None) -> tuple[OperatorShare, ...]:
    counts = Counter(operator_name(node) for node in facts.calls)
    found = [
        OperatorShare(
            op_type=name,
            count=count,
            weight_bytes=sum(facts.held[each].nbytes for each in set(facts.weights[name])),
            time_share=shares.get(name, 0.0) if shares is not None else None,
            depthwise=facts.depthwise[name],
        )
        for name, count in counts.items()
    ]
    return tuple(sorted(found, key=lambda each: (-(each.time_share or 0), -each.weight_bytes, each.op_type)))


class _Timed(Interpreter):
    """Runs a graph call by call, and adds up what each operator takes."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self.spent: defaultdict[str, list[float]] = defaultdict(list)

    def run_node(self, n: Node) -> Any:
        if n.op != "call_function":
            return super().run_node(n)
        start = time.perf_counter()
        answer = super().run_node(n)
        self.spent[n.name].append(time.perf_counter() - start)
        return answer


def _time(
    session: TorchSession, feeds: Sequence[Mapping[str, Any]] | None, seed: int
) -> tuple[dict[str, float], float | None, tuple[str, ...]]:
    """Return the share of time by operator, the median of a call in ms, and remarks."""
    try:
        given = list(feeds) if feeds is not None else _synthetic(session, seed)
    except DataError as error:
        return {}, None, (f"not timed: {error.message}",)
    if not given:
        return {}, None, ("not timed: the data hold no sample",)
    session.run(given[0])  # a refusal becomes a typed error here
    arm = session.arm(given)
    times = _repeat(lambda number: arm(number % len(given)))
    assert isinstance(session.inner, torch.fx.GraphModule)
    interpreter = _Timed(session.inner)
    leaves = [pytree.tree_leaves(session.signature.call(session.tensors(feed))) for feed in given]
    with torch.inference_mode():
        _repeat(lambda number: interpreter.run(*leaves[number % len(given)]))
    return _shares(session.inner, interpreter), statistics.median(times) * 1000, ()


def _synthetic(session: TorchSession, seed: int) -> list[Mapping[str, Any]]:
    make = synthesizer(session, seed)
    return [make(index) for index in range(2)]


def _repeat(run: Any) -> list[float]:
    for number in range(_WARM_RUNS):
        run(number)
    times: list[float] = []
    end = time.perf_counter() + _SECONDS
    while not times or (time.perf_counter() < end and len(times) < _MAX_RUNS):
        start = time.perf_counter()
        run(len(times))
        times.append(time.perf_counter() - start)
    return times


def _shares(module: torch.fx.GraphModule, timed: _Timed) -> dict[str, float]:
    names = {node.name: operator_name(node) for node in module.graph.nodes if node.op == "call_function"}
    spent: defaultdict[str, float] = defaultdict(float)
    for name, durations in timed.spent.items():
        # The median of a call forgets those in which the process was preempted.
        spent[names[name]] += statistics.median(durations)
    total = sum(spent.values()) or 1.0
    return {name: duration / total for name, duration in spent.items()}
