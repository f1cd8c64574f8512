"""What an operator's function is given: the node's attributes, its opset and its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

import torch
from onnx import TensorProto
from torch import Tensor

from ...contracts import ToolError

# What a file's numbers may make one tensor grow to: 1 GiB of float32.
MOST_ELEMENTS = 1 << 28
# A shape is short; a longer one is no shape.
_MOST_NUMBERS = 1 << 20

# torch computes little with unsigned integers above eight bits: the next wider signed type stands for them.
DTYPES: Mapping[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.BOOL: torch.bool,
    TensorProto.INT8: torch.int8,
    TensorProto.INT16: torch.int16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.UINT8: torch.uint8,
    TensorProto.UINT16: torch.int32,
    TensorProto.UINT32: torch.int64,
    TensorProto.UINT64: torch.int64,
    TensorProto.INT4: torch.int8,
    TensorProto.UINT4: torch.uint8,
}

Value: TypeAlias = "Tensor | None"
Body: TypeAlias = Callable[[Sequence[Value]], list[Tensor]]
Answer: TypeAlias = "Tensor | tuple[Value, ...]"


@dataclass(frozen=True)
class Call:
    """One node: `version` is that of its domain's opset, `outputs` how many it gives, `given` which inputs are named.

    `double` computes every float in 64 bits, as numerical checks of gradients need.
    """

    op: str
    name: str
    version: int
    outputs: int
    given: tuple[bool, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    bodies: Mapping[str, Body] = field(default_factory=dict)
    double: bool = False

    def has(self, index: int) -> bool:
        """Tell whether input `index` is named."""
        return index < len(self.given) and self.given[index]

    def integer(self, name: str, default: int = 0) -> int:
        return int(self.attributes.get(name, default))

    def number(self, name: str, default: float = 0.0) -> float:
        return float(self.attributes.get(name, default))

    def integers(self, name: str) -> list[int] | None:
        found = self.attributes.get(name)
        return None if found is None else [int(each) for each in found]

    def numbers(self, name: str) -> list[float] | None:
        found = self.attributes.get(name)
        return None if found is None else [float(each) for each in found]

    def text(self, name: str, default: str = "") -> str:
        found = self.attributes.get(name, default)
        return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)

    def texts(self, name: str) -> list[str] | None:
        found = self.attributes.get(name)
        return None if found is None else [each.decode("utf-8", "replace") for each in found]

    def dtype(self, kind: int) -> torch.dtype:
        """Return torch's type for ONNX's element type `kind`.

        Raises:
            ToolError: torch has none (texts, complex numbers).
        """
        if kind not in DTYPES:
            raise ToolError(f"element type {kind} is not computed with in torch")
        found = DTYPES[kind]
        return torch.float64 if self.double and found.is_floating_point else found


class Inputs:
    """A node's inputs; an optional one that is left out is None."""

    def __init__(self, values: Sequence[Value]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Tensor:
        found = self.get(index)
        if found is None:
            raise ToolError(f"input {index} is missing")
        return found

    def get(self, index: int) -> Value:
        return self._values[index] if index < len(self._values) else None

    def integers(self, index: int) -> list[int] | None:
        """Return the whole numbers of a shape, of axes, of pads, or None where that input is left out."""
        found = self.get(index)
        if found is None:
            return None
        if found.numel() > _MOST_NUMBERS:
            raise ToolError(f"input {index} holds {found.numel()} numbers, too many for a shape")
        return [int(each) for each in found.detach().reshape(-1).tolist()]


def bounded(shape: Sequence[int]) -> list[int]:
    """Return a shape that came out of the file, when a tensor of it may be made.

    Raises:
        ToolError: it is negative or too large.
    """
    sizes = [int(each) for each in shape]
    if any(size < 0 for size in sizes) or prod(sizes) > MOST_ELEMENTS:
        raise ToolError(f"a tensor of shape {sizes[:8]} is out of bounds")
    return sizes


def broadcast(*shapes: Sequence[int]) -> list[int]:
    """Return the shape that all broadcast to, when a tensor of it may be made; torch's own takes longer than a product.

    Raises:
        ToolError: there is none, or it is too large.
    """
    rank = max(len(shape) for shape in shapes)
    found = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, rank - len(shape)):
            if size != found[axis] and size != 1:
                if found[axis] != 1:
                    raise ToolError(f"shapes {[list(each)[:8] for each in shapes]} do not broadcast")
                found[axis] = size
    return bounded(found)


def axis_of(axis: int, rank: int) -> int:
    """Return `axis` counted from the front.

    Raises:
        ToolError: there is no such axis.
    """
    if not -max(rank, 1) <= axis < max(rank, 1):
        raise ToolError(f"there is no axis {axis} in {rank} dimensions")
    return axis % max(rank, 1)
