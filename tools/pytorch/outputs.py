"""Names for the outputs of a torch module, the same for its ONNX form and for its exported program."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree


def leaves(answer: Any) -> list[Any]:
    """Return what `forward` gave, flattened; an absent output is left out."""
    return [each for each in pytree.tree_leaves(answer) if each is not None]


def output_names(answer: Any, inputs: Collection[str]) -> list[str]:
    """Return one name for each of the leaves: the keys of a flat dictionary, else `output`, or `output_0` and so on.

    Args:
        answer: what `forward` gave, or the same structure with any leaves.
        inputs: names that are taken.
    """
    found = leaves(answer)
    if isinstance(answer, Mapping):
        keys = [key for key, value in answer.items() if value is not None]
        flat = len(keys) == len(found) and all(isinstance(key, str) and key.isidentifier() for key in keys)
        if flat and not set(keys) & set(inputs):
            return [str(key) for key in keys]
    names = ["output"] if len(found) == 1 else [f"output_{index}" for index in range(len(found))]
    return [f"{name}_" if name in inputs else name for name in names]


def program_output_names(
    program: torch.export.ExportedProgram, inputs: Collection[str], absent: Sequence[bool]
) -> list[str]:
    """Return the names of an exported program's outputs; `absent` tells which leaves are None."""
    spec = program.call_spec.out_spec
    assert spec is not None
    leaves = [None if missing else index for index, missing in enumerate(absent)]
    return output_names(pytree.tree_unflatten(leaves, spec), inputs)
