"""What the rows of a weight are multiplied with: which values a node reads, and how they lie along a row.

A weight's output is `x · row`. For a product of matrices `x` is a row of activations, for a convolution an unrolled
window, for a recurrent operator the input of a step, or the hidden state of the step before. (The candidate gate of a
GRU reads the state after its reset gate; the state before stands for it.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from .graphs import Use, attribute, input_name, int_attribute
from .rounding import FloatArray
from .storage_units import StorageUnit

Values = Sequence[FloatArray]

# Sample values of `tensors`, most rows wanted → for each part of the weight's rows, what it is multiplied with.
Unroll = Callable[[Values, int], list[FloatArray]]


@dataclass(frozen=True)
class Reader:
    """How one node reads a weight.

    Attributes:
        tensors: values to look at, by name; an integer is the number of an output of the node.
        parts: rows of the weight that read the same values.
        unroll: makes `(positions, length)` for each part.
    """

    tensors: tuple[str | int, ...]
    parts: tuple[slice, ...]
    unroll: Unroll


def reader_of(use: Use, unit: StorageUnit) -> Reader | None:
    """Return how the node reads the weight; None where its rows are no factors of a sum that can be looked at."""
    find = _KINDS.get((use.node.op_type, use.index))
    return find(use.node, unit) if find else None


def some(positions: int, limit: int) -> np.ndarray:
    """Return at most `limit` indices, evenly spread."""
    if positions <= limit:
        return np.arange(positions)
    return np.linspace(0, positions - 1, limit).astype(np.int64)


def _matrix(tensor: str, unit: StorageUnit, turned: bool = False) -> Reader | None:
    """Activations whose last axis, or the one before where `turned`, runs along the rows."""

    def unroll(values: Values, limit: int) -> list[FloatArray]:
        (value,) = values
        flat = (value.swapaxes(-1, -2) if turned else value).reshape(-1, length)
        return [flat[some(len(flat), limit)]]

    length = unit.rows.length
    return Reader((tensor,), (slice(0, unit.rows.count),), unroll) if tensor else None


def _matmul(node: NodeProto, unit: StorageUnit) -> Reader | None:
    if any(int_attribute(node, name, 0) for name in ("transA", "transB", "transBatchA", "transBatchB")):
        return None
    index = 1 if len(unit.axes) == 1 and unit.axes[0] == len(unit.shape) - 1 else 0
    if unit.rows.length != unit.shape[-2 if index else -1]:
        return None  # a stack of matrices: each reads a part of the activations
    return _matrix(node.input[1 - index], unit, turned=not index)


def _gemm(node: NodeProto, unit: StorageUnit) -> Reader | None:
    return _matrix(node.input[0], unit, turned=bool(int_attribute(node, "transA", 0)))


def _recurrent_input(node: NodeProto, unit: StorageUnit) -> Reader | None:
    return _matrix(node.input[0], unit)


def _hidden_state(node: NodeProto, unit: StorageUnit) -> Reader:
    directions, start, batched = unit.shape[0], input_name(node, 5), int_attribute(node, "layout", 0)
    direction = attribute(node, "direction")
    backward = direction is not None and direction.s == b"reverse"
    each = unit.rows.count // directions

    def unroll(values: Values, limit: int) -> list[FloatArray]:
        states = values[0].transpose(1, 2, 0, 3) if batched else values[0]  # (steps, directions, batch, hidden)
        found: list[FloatArray] = []
        for at in range(directions):
            back = backward or at == 1
            read = [states[1:, at] if back else states[:-1, at]]
            if start:
                first = values[1][:, at] if batched else values[1][at]
                read.append(first[None])
            flat = np.concatenate([part.reshape(-1, states.shape[-1]) for part in read])
            found.append(flat[some(len(flat), limit)])
        return found

    parts = tuple(slice(at * each, (at + 1) * each) for at in range(directions))
    return Reader((0, start) if start else (0,), parts, unroll)


def _window(node: NodeProto, unit: StorageUnit) -> Reader | None:
    groups, spatial = int_attribute(node, "group", 1), unit.shape[2:]
    if not spatial or unit.shape[0] % groups:
        return None
    each = unit.shape[0] // groups

    def unroll(values: Values, limit: int) -> list[FloatArray]:
        picked = some_windows(values[0], node, spatial, limit)
        picked = picked.reshape(len(picked), groups, -1)
        return [picked[:, group] for group in range(groups)]

    parts = tuple(slice(at * each, (at + 1) * each) for at in range(groups))
    return Reader((node.input[0],), parts, unroll)


def some_windows(value: FloatArray, node: NodeProto, kernel: tuple[int, ...], limit: int) -> FloatArray:
    """Return what a convolution multiplies its weight with at some positions, (positions, channels, kernel…)."""
    last = np.moveaxis(_windows(value, node, kernel), 1, 1 + len(kernel))  # (batch, positions…, channels, kernel…)
    shape = last.shape[: 1 + len(kernel)]
    return np.asarray(last[np.unravel_index(some(int(np.prod(shape)), limit), shape)])


def _windows(value: FloatArray, node: NodeProto, kernel: tuple[int, ...]) -> FloatArray:
    """Return all of them as a view, (batch, channels, positions…, kernel…)."""
    rank = len(kernel)
    strides, dilations = _ints(node, "strides", rank), _ints(node, "dilations", rank)
    spans = tuple((size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True))
    padded = np.pad(value, ((0, 0), (0, 0), *_pads(value.shape[2:], node, spans, strides)))
    axes = tuple(range(2, 2 + rank))
    views = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=axes)
    steps = (*(slice(None, None, each) for each in strides), *(slice(None, None, each) for each in dilations))
    return views[(slice(None), slice(None), *steps)]


def _pads(
    sizes: tuple[int, ...], node: NodeProto, spans: tuple[int, ...], strides: tuple[int, ...]
) -> list[tuple[int, int]]:
    found = attribute(node, "auto_pad")
    kind = found.s.decode() if found is not None else "NOTSET"
    if kind in ("NOTSET", "VALID", ""):
        pads = _ints(node, "pads", 2 * len(sizes), 0) if kind != "VALID" else (0,) * 2 * len(sizes)
        return list(zip(pads[: len(sizes)], pads[len(sizes) :], strict=True))
    lacks = [
        max((-(-size // step) - 1) * step + span - size, 0)
        for size, step, span in zip(sizes, strides, spans, strict=True)
    ]
    first = [lack // 2 if kind == "SAME_UPPER" else lack - lack // 2 for lack in lacks]
    return [(before, lack - before) for before, lack in zip(first, lacks, strict=True)]


def _ints(node: NodeProto, name: str, size: int, default: int = 1) -> tuple[int, ...]:
    found = attribute(node, name)
    return tuple(found.ints) if found is not None and found.ints else (default,) * size


def _turned_window(node: NodeProto, unit: StorageUnit) -> Reader | None:
    """A transposed convolution: rows run over input channels; products of different kernel elements are left out."""
    if int_attribute(node, "group", 1) != 1 or unit.rows.length != unit.shape[0]:
        return None

    def unroll(values: Values, limit: int) -> list[FloatArray]:
        flat = np.moveaxis(values[0], 1, -1).reshape(-1, unit.shape[0])
        return [flat[some(len(flat), limit)]]

    return Reader((node.input[0],), (slice(0, unit.rows.count),), unroll)


_KINDS: dict[tuple[str, int], Callable[[NodeProto, StorageUnit], Reader | None]] = {
    ("MatMul", 0): _matmul,
    ("MatMul", 1): _matmul,
    ("FusedMatMul", 0): _matmul,
    ("FusedMatMul", 1): _matmul,
    ("Gemm", 1): _gemm,
    ("Attention", 1): _recurrent_input,
    ("Conv", 1): _window,
    ("FusedConv", 1): _window,
    ("ConvTranspose", 1): _turned_window,
    **{(kind, 1): _recurrent_input for kind in ("LSTM", "GRU", "RNN")},
    **{(kind, 2): _hidden_state for kind in ("LSTM", "GRU", "RNN")},
}
