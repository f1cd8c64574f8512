"""Open, write and call exported programs (`.pt2`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind
from torch.utils import _pytree as pytree

from ...contracts import ModelFileError, TensorSpec
from ..onnx_model import one_line, quoted
from .archive import check_archive
from .outputs import program_output_names
from .quiet import quiet

BATCH = "batch"
_LOAD_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    OSError,
)


def open_program(path: Path, name: str | None = None) -> torch.export.ExportedProgram:
    """Check the archive and have torch load it.

    Args:
        path: the file.
        name: what messages call it, where that is not the file's own name.

    Raises:
        ModelFileError: it is hostile, damaged, or torch does not understand it.
    """
    check_archive(path, name)
    try:
        with quiet():
            return torch.export.load(str(path))
    except _LOAD_ERRORS as error:
        reason = one_line((str(error).strip() or type(error).__name__).splitlines()[0])
        raise ModelFileError(
            f"{quoted(name or path.name)} cannot be loaded by torch {torch.__version__}: {reason}; export it again"
        ) from error


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write the program without what exporters remark about the code it comes from; equal ones give equal bytes."""
    for node in program.graph.nodes:
        for remark in ("stack_trace", "from_node", "source_fn_stack"):
            node.meta.pop(remark, None)
    path.parent.mkdir(parents=True, exist_ok=True)
    with quiet():
        torch.export.save(program, str(path))


class Signature:
    """What a program takes and gives, by name.

    Attributes:
        inputs: its tensors, in order.
        outputs: likewise; named as the ONNX form of the program names them.
    """

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        spec = program.call_spec.in_spec
        assert spec is not None
        self._spec = spec
        arguments = [each.arg for each in program.graph_signature.input_specs if each.kind is InputKind.USER_INPUT]
        self._leaves: list[Any] = [each.value if isinstance(each, ConstantArgument) else None for each in arguments]
        self._names = [None if isinstance(each, ConstantArgument) else each.name for each in arguments]
        values = {node.name: node.meta.get("val") for node in program.graph.nodes}
        fakes = [(name, values[name]) for name in self._names if name is not None]
        batch = _batch_symbol([fake for _, fake in fakes])
        self.inputs = tuple(_spec(name, fake, batch) for name, fake in fakes)
        given = [each.arg for each in program.graph_signature.output_specs if each.kind is OutputKind.USER_OUTPUT]
        tensors = [values.get(each.name) for each in given if not _is_none(each)]
        names = program_output_names(program, [name for name, _ in fakes], [_is_none(each) for each in given])
        self.outputs = tuple(_spec(name, fake, batch) for name, fake in zip(names, tensors, strict=True))

    def call(self, tensors: Mapping[str, torch.Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments of a call."""
        leaves = [
            value if name is None else tensors[name] for name, value in zip(self._names, self._leaves, strict=True)
        ]
        args, kwargs = pytree.tree_unflatten(leaves, self._spec)
        return tuple(args), dict(kwargs)

    def leaves(self, answer: Any) -> list[Any]:
        """Return what a call gave, flattened, in the order of `outputs`."""
        if isinstance(answer, torch.Tensor):
            return [answer]
        return [each for each in pytree.tree_leaves(answer) if each is not None]


def _is_none(argument: Any) -> bool:
    return isinstance(argument, ConstantArgument) and argument.value is None


def _batch_symbol(fakes: Sequence[Any]) -> str:
    """Return the symbol of the free first axis, which exporters number and people call the batch."""
    first = {str(each.shape[0]) for each in fakes if isinstance(each, torch.Tensor) and each.ndim}
    symbols = [each for each in first if not each.isdecimal()]
    return symbols[0] if len(symbols) == 1 else ""


def _spec(name: str, fake: Any, batch: str) -> TensorSpec:
    if not isinstance(fake, torch.Tensor):
        return TensorSpec(name=name, dtype=type(fake).__name__, shape=())
    dims = [str(dim) for dim in fake.shape]
    shape = tuple(int(dim) if dim.isdecimal() else BATCH if dim == batch else dim for dim in dims)
    return TensorSpec(name=name, dtype=str(fake.dtype).removeprefix("torch."), shape=shape)
