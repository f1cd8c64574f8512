"""Find out what a model is: the facts that plans are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from ..contracts import DataError, OperatorShare, Profile, TensorSpec
from .context import TORCH_SUFFIX, ToolAnswer, ToolContext
from .findings import warnings_of
from .measure.data import open_data
from .measure.lock import measuring_lock
from .measure.synthesize import synthesize_feeds
from .onnx_model import (
    elements,
    is_external,
    iter_graphs,
    iter_nodes,
    iter_tensors,
    load_structure,
    model_bytes,
    one_line,
    opset,
    tensor_bytes,
    weight_bytes,
)
from .pruning.share import channel_shares
from .quantize.dynamic_ops import EMITTERS
from .quantize.graphs import int_attribute
from .quantize.static_plan import COMPUTE
from .quantize.storage_units import storable, unfolds
from .time_shares import Timing, measure_time
from .weight_roles import distinct, prunable_weights, weight_uses

CONTROL_FLOW = frozenset({"If", "Loop", "Scan"})
QUANTIZABLE = frozenset(COMPUTE) | {op_type for _, op_type in EMITTERS}

_TIMING_FEEDS = 4
_SMALL_TYPES = frozenset(
    {TensorProto.INT8, TensorProto.UINT8, TensorProto.FLOAT16, TensorProto.INT4, TensorProto.UINT4}
)
_VALUE_TYPES = _SMALL_TYPES | {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.BFLOAT16}
_TYPE_NAMES: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64"}

Quantized = Literal["no", "partly", "yes"]


def inspect_tool(context: ToolContext) -> ToolAnswer:
    """Inspect role `model`; with `params["timing"]`, time it on role `data` or on synthesised inputs."""
    job = context.job
    if not job.params.get("timing", False):
        return ToolAnswer(report=inspect(context.model()))
    feeds = None
    if job.data is not None:
        feeds = open_data(context.inputs["data"], job.data).feeds("calibration", _TIMING_FEEDS)
    return ToolAnswer(report=inspect(context.model(), timing=True, feeds=feeds, seed=job.seed))


def inspect(
    path: Path, timing: bool = False, feeds: Sequence[Mapping[str, Any]] | None = None, seed: int = 0
) -> Profile:
    """Return the facts about the model at `path`; weights are not read.

    Args:
        path: the model's file.
        timing: whether to run it for about a second, for time shares and a latency.
        feeds: inputs to run it on; absent, they are synthesised.
        seed: of the synthesised inputs.

    Raises:
        ModelFileError: the file does not parse.
        ToolError: it does not run on `feeds`.
    """
    if path.suffix == TORCH_SUFFIX:
        from .pytorch.inspect_program import inspect_program

        return inspect_program(path, timing, feeds, seed)
    model = load_structure(path)
    timed, remarks = _time(path, model, feeds, seed) if timing else (None, ())
    channels = channel_shares(model)
    size, weights, storable = model_bytes(path), weight_bytes(model), storable_bytes(model)
    inputs, outputs = _specs(model)
    profile = Profile(
        opset=opset(model),
        ir_version=model.ir_version,
        producer=one_line(f"{model.producer_name} {model.producer_version}".strip(), 80),
        parameters=sum(elements(each) for each in iter_tensors(model) if each.data_type in _VALUE_TYPES),
        nodes=sum(1 for _ in iter_nodes(model)),
        size_bytes=size,
        weight_bytes=weights,
        graph_bytes=max(size - weights, 0),
        storable_bytes=storable,
        huge_table_bytes=huge_table_bytes(model),
        fixed_bytes=weights - storable,
        inputs=inputs,
        outputs=outputs,
        operators=_operators(model, timed),
        quantizable_share=_quantizable_bytes(model) / max(weights, 1),
        prunable_share=prunable_share(model),
        inner_share=channels.either,
        inner_left=channels.left,
        quantized=_quantized(model, storable),
        control_flow=any(node.op_type in CONTROL_FLOW for node in iter_nodes(model)),
        dynamic_shapes=any(each.shape is None or any(isinstance(d, str) for d in each.shape) for each in inputs),
        external_data=any(is_external(each) for each in iter_tensors(model)),
        domains=tuple(sorted({node.domain or "ai.onnx" for node in iter_nodes(model)})),
        latency_ms=timed.latency_ms if timed else None,
    )
    return profile.model_copy(update={"warnings": (*warnings_of(model, profile), *remarks)})


def prunable_share(model: ModelProto) -> float:
    """Return the share of weight bytes that magnitude pruning can take."""
    return sum(tensor_bytes(use.tensor) for use in prunable_weights(model)) / max(weight_bytes(model), 1)


def storable_bytes(model: ModelProto) -> int:
    """Return the float32 bytes that weight storage takes, by the rule of the step that does it."""
    return sum(tensor_bytes(each) for graph in iter_graphs(model) for each, _ in storable(graph))


def huge_table_bytes(model: ModelProto) -> int:
    """Return the bytes of those of them that the runtime does not unfold at load."""
    sizes = (tensor_bytes(each) for graph in iter_graphs(model) for each, _ in storable(graph))
    return sum(size for size in sizes if not unfolds(size))


def _time(
    path: Path, model: ModelProto, feeds: Sequence[Mapping[str, Any]] | None, seed: int
) -> tuple[Timing | None, tuple[str, ...]]:
    try:
        feeds = feeds if feeds is not None else synthesize_feeds(path, 2, seed)
    except DataError as error:
        return None, (f"not timed: {error.message}",)
    if not len(feeds):
        return None, ("not timed: the data hold no sample",)
    with measuring_lock():
        return measure_time(path, feeds, frozenset(node.op_type for node in iter_nodes(model))), ()


def _specs(model: ModelProto) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    constant = {each.name for each in model.graph.initializer}
    inputs = tuple(_spec(each) for each in model.graph.input if each.name not in constant)
    return inputs, tuple(_spec(each) for each in model.graph.output)


def _spec(value: ValueInfoProto) -> TensorSpec:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return TensorSpec(name=value.name, dtype=(kind or "unknown").removesuffix("_type"), shape=None)
    tensor = value.type.tensor_type
    code = int(tensor.elem_type)
    return TensorSpec(
        name=value.name,
        dtype=_TYPE_NAMES.get(code, TensorProto.DataType.Name(code).lower()),
        shape=tuple(_dimension(each) for each in tensor.shape.dim) if tensor.HasField("shape") else None,
    )


def _dimension(dim: Any) -> int | str:
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    return str(dim.dim_param) or "?"


def _operators(model: ModelProto, timed: Timing | None) -> tuple[OperatorShare, ...]:
    counts = Counter(node.op_type for node in iter_nodes(model))
    weights: Counter[str] = Counter()
    depthwise: Counter[str] = Counter()
    uses = weight_uses(model)
    for use in distinct(uses):
        weights[use.node.op_type] += tensor_bytes(use.tensor)
    for use in uses:
        depthwise[use.node.op_type] += use.index == 1 and is_depthwise(use.node, use.tensor)
    shares = timed.shares if timed else {}
    found = [
        OperatorShare(
            op_type=op_type,
            count=counts[op_type],
            weight_bytes=weights[op_type],
            time_share=shares.get(op_type, 0.0) if timed else None,
            depthwise=depthwise[op_type],
        )
        for op_type in {**counts, **shares}
    ]
    return tuple(sorted(found, key=lambda each: (-(each.time_share or 0), -each.weight_bytes, each.op_type)))


def is_depthwise(node: NodeProto, weight: TensorProto) -> bool:
    """Tell whether a convolution has one filter per input channel, and more than one channel."""
    group = int_attribute(node, "group", 1)
    return node.op_type in {"Conv", "FusedConv"} and group > 1 and list(weight.dims[1:2]) == [1]


def _quantizable_bytes(model: ModelProto) -> int:
    """Bytes of float32 matrices that operators with an int8 kernel read as constants."""
    matrices = (
        use
        for use in weight_uses(model)
        if use.node.op_type in QUANTIZABLE and use.tensor.data_type == TensorProto.FLOAT and len(use.tensor.dims) >= 2
    )
    return sum(tensor_bytes(use.tensor) for use in distinct(matrices))


def _quantized(model: ModelProto, storable: int) -> Quantized:
    """By the operators: int8 compute or weights stored small; `yes` where no large float32 weight is left."""
    if not any(computes_small(node.op_type) for node in iter_nodes(model)) and not stores_small(model):
        return "no"
    return "partly" if storable else "yes"


_SMALL_OPERATORS = frozenset(
    {
        "DequantizeLinear",
        "GatherBlockQuantized",
        "MatMulIntegerToFloat",
        "MatMulNBits",
        "QAttention",
        "QGemm",
        "QuantizeLinear",
    }
)


def computes_small(op_type: str) -> bool:
    """Tell whether an operator belongs to int8 or 4-bit compute."""
    return (
        op_type in _SMALL_OPERATORS or op_type.startswith(("QLinear", "DynamicQuantize")) or op_type.endswith("Integer")
    )


def stores_small(model: ModelProto) -> bool:
    """Tell whether weights are stored as integers or fp16 and unfold to float32 through Cast when loaded."""
    return any(
        use.node.op_type == "Cast"
        and use.tensor.data_type in _SMALL_TYPES
        and int_attribute(use.node, "to", 0) == TensorProto.FLOAT
        for use in weight_uses(model)
    )
