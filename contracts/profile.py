"""What inspection found out about a model."""

from __future__ import annotations

from typing import Literal

from .base import Contract

ModelFormat = Literal["onnx", "torch"]


class TensorSpec(Contract):
    """Name, element type (`float32`) and shape of an input or output; a free dimension is its name or `?`."""

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None


class OperatorShare(Contract):
    """One operator type: how many nodes, how many weight bytes, and its share of the run time (0 to 1)."""

    op_type: str
    count: int
    weight_bytes: int = 0
    time_share: float | None = None
    depthwise: int = 0


# Several forms of a model stand in memory at once while its units are timed.
TIMED_BY_UNIT_BYTES = 600 * 10**6


class Profile(Contract):
    """Facts about a model that plans are made from.

    Attributes:
        format: `torch` for an exported program, whose operators have their ATen names, such as `conv2d`.
        opset: version of the operators, ONNX's or ATen's.
        size_bytes: every byte needed to load it.
        weight_bytes: bytes of initializers, `graph_bytes` the rest.
        storable_bytes: float32 weight bytes that weight storage can take; `fixed_bytes` are weight bytes it cannot.
        huge_table_bytes: those of them in tables that the runtime does not unfold at load, for they are too large.
        operators: by run time where it was measured, else by weight.
        quantizable_share: share of weight bytes that int8 compute can take.
        prunable_share: share of weight bytes that magnitude pruning can take.
        inner_share: share of the weights of an onnx model that give or read channels which can be taken out.
        inner_left: share of the channels that each group of them loses at most → share of all weights that is left.
        quantized: `no`, `partly` or `yes`, by the operators that are there.
        latency_ms: median of a quick measurement; a hint for plans, never for verdicts.
        warnings: what stands in the way of common levers.
    """

    format: ModelFormat = "onnx"
    opset: int
    ir_version: int
    producer: str = ""
    parameters: int
    nodes: int
    size_bytes: int
    weight_bytes: int
    graph_bytes: int
    storable_bytes: int
    huge_table_bytes: int = 0
    fixed_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: tuple[OperatorShare, ...]
    quantizable_share: float
    prunable_share: float
    inner_share: float = 0.0
    inner_left: tuple[tuple[float, float], ...] = ()
    quantized: Literal["no", "partly", "yes"] = "no"
    control_flow: bool = False
    dynamic_shapes: bool = False
    external_data: bool = False
    domains: tuple[str, ...] = ()
    latency_ms: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_timed_by_unit(self) -> bool:
        """Whether it is small enough for the time of each unit in each form to be measured."""
        return self.weight_bytes <= TIMED_BY_UNIT_BYTES

    def operator(self, op_type: str) -> OperatorShare | None:
        """Return the entry of `op_type`, if the model has it."""
        return next((item for item in self.operators if item.op_type == op_type), None)

    def time_share(self, *op_types: str) -> float:
        """Return the summed share of run time of `op_types`; 0 where it was not measured."""
        return sum(item.time_share or 0.0 for item in self.operators if item.op_type in op_types)
