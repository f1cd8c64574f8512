"""Call an exported program with the feeds of canonical data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from ...contracts import DataView, ToolError

Calls = Sequence[tuple[tuple[Any, ...], dict[str, Any]]]


def input_names(program: ExportedProgram) -> tuple[str, ...]:
    """Return the names of the tensors that a call takes, in the order of the graph."""
    specs = program.graph_signature.input_specs
    return tuple(spec.arg.name for spec in specs if spec.kind is InputKind.USER_INPUT)


def arguments(program: ExportedProgram, feed: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return positional and named arguments of a call, from tensors or arrays by input name.

    Raises:
        ToolError: an input is missing.
    """
    names = input_names(program)
    missing = [name for name in names if name not in feed]
    if missing:
        raise ToolError(f"the data lack the program's input {missing[0]!r}", "data")
    spec = program.call_spec.in_spec
    assert spec is not None
    args, kwargs = pytree.tree_unflatten([_tensor(feed[name]) for name in names], spec)
    return tuple(args), dict(kwargs)


def _tensor(value: Any) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(value))


def part_calls(program: ExportedProgram, data: DataView | None, part: str, limit: int) -> Calls:
    """Return the calls of the first samples of one part; without data, the program's own example inputs.

    Raises:
        ToolError: there are neither.
    """
    if data is not None:
        return [arguments(program, feed) for feed in data.feeds(part, limit)]
    if program.example_inputs is None:
        raise ToolError("the program has no example inputs; give data", "data")
    args, kwargs = program.example_inputs
    return [(tuple(args), dict(kwargs))]
