"""Write activations of 8-bit tensors so that a stock session computes them in integers.

Before: `HardSwish(x)` and its kin between `DequantizeLinear` and `QuantizeLinear`. After, in standard QDQ form:
- `HardSigmoid`: the codes of x clipped and read on another grid; where that grid has no zero among the codes,
  `Add(x, offset / slope)` saturates on a grid from 0 to 1 / slope, and is read as 0 to 1.
- `HardSwish`: `Mul` of x and that gate.
- `QuickGelu`: `Mul` of x and the `Sigmoid` of its codes read `alpha` times larger.
- `Tanh`: the `Sigmoid` of the codes read twice as large, itself read from −1 to 1.
- `Sigmoid`, `LeakyRelu`, `Softmax`: as they are; onnxruntime has integer kernels, the first two tables of 256 entries.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from onnx import NodeProto

from .carriers import offset, slope
from .code_grids import CODES, UNIT, CodeGrid
from .plan_grids import TANH_STEPS, Grids


class Emitter(Protocol):
    """What writing an activation needs of the writer of a model."""

    grids: Grids

    def node(self, op_type: str, inputs: list[str], output: str | None = None) -> str:
        """Append a node, return its output."""
        ...

    def constant(self, value: int, grid: CodeGrid | None = None) -> str:
        """Return the name of a code, or of the value at a code of `grid`, dequantized."""
        ...

    def packed(self, tensor: str) -> str:
        """Return the codes of a quantized tensor."""
        ...

    def read(self, codes: str, grid: CodeGrid) -> str:
        """Append a `DequantizeLinear`, return its output."""
        ...

    def rounded(self, tensor: str, grid: CodeGrid) -> str:
        """Append a `QuantizeLinear`, return the codes."""
        ...


def write_activation(emit: Emitter, node: NodeProto, x: str) -> tuple[str, bool]:
    """Write `node`, whose input is `x` dequantized; return what it gives, and whether that is codes already."""
    if node.op_type == "HardSwish":
        return emit.node("Mul", [x, _gate(emit, node, x)]), False
    if node.op_type == "HardSigmoid":
        gate = emit.grids.gate(node)
        return (_clipped(emit, node) if gate else _saturated(emit, node, x)), True
    if node.op_type == "QuickGelu":
        gate_codes = emit.rounded(emit.node("Sigmoid", [_stretched(emit, node, slope(node))]), UNIT)
        return emit.node("Mul", [x, emit.read(gate_codes, UNIT)]), False
    table = emit.node("Sigmoid", [_stretched(emit, node, 2.0)])
    return emit.rounded(table, CodeGrid(np.float32(1 / TANH_STEPS), 0)), True


def is_rewritten(node: NodeProto) -> bool:
    """Tell whether `node` has another form in 8 bits than its own."""
    return node.op_type in ("HardSwish", "HardSigmoid", "QuickGelu", "Tanh")


def _gate(emit: Emitter, node: NodeProto, x: str) -> str:
    gate = emit.grids.gate(node)
    if gate is None:
        return emit.read(_saturated(emit, node, x), UNIT)
    return emit.read(_clipped(emit, node), gate.grid)


def _clipped(emit: Emitter, node: NodeProto) -> str:
    gate, codes = emit.grids.gate(node), emit.packed(node.input[0])
    if gate is None or (gate.low, gate.high) == (0, CODES):
        return codes
    return emit.node("Clip", [codes, emit.constant(gate.low), emit.constant(gate.high)])


def _saturated(emit: Emitter, node: NodeProto, x: str) -> str:
    shift = offset(node) / slope(node)
    moved = x if shift == 0 else emit.node("Add", [x, _shift(emit, shift)])
    return emit.rounded(moved, CodeGrid(np.float32(1 / (CODES * slope(node))), 0))


def _shift(emit: Emitter, shift: float) -> str:
    """A scalar, at the far end of a grid of its own."""
    scale = np.float32(abs(shift) / CODES)
    return emit.constant(CODES, CodeGrid(scale, 0)) if shift > 0 else emit.constant(0, CodeGrid(scale, CODES))


def _stretched(emit: Emitter, node: NodeProto, factor: float) -> str:
    grid = emit.grids.of(node.input[0])
    return emit.read(emit.packed(node.input[0]), CodeGrid(np.float32(float(grid.scale) * factor), grid.zero))
