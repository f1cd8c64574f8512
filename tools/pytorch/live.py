"""A live torch module with the inputs that it is traced on."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...contracts import ModelFileError
from ..onnx_model import one_line, quoted
from .outputs import leaves, output_names
from .quiet import quiet

_MISSING = (
    "return (module, example_inputs), where example_inputs is a tuple of tensors or a dict of tensors by the names "
    "of forward's arguments, give the module an attribute `example_inputs`, or give data named like those arguments"
)


@dataclass(frozen=True)
class LiveModel:
    """A module in evaluation mode on the CPU, and the arguments that its `forward` is called with.

    Attributes:
        name: what messages call it.
        arguments: argument of `forward` → tensor, or tensors where the argument is `*args`, in forward's order.
    """

    name: str
    module: torch.nn.Module
    arguments: Mapping[str, Any]

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """Input name → tensor, as exporters name them."""
        named: dict[str, torch.Tensor] = {}
        for name, value in self.arguments.items():
            if isinstance(value, torch.Tensor):
                named[name] = value
            else:
                named |= {f"{name}_{index}": each for index, each in enumerate(value)}
        return named

    def call(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments of the call."""
        parameters = inspect.signature(self.module.forward).parameters
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for name, value in self.arguments.items():
            kind = parameters[name].kind if name in parameters else inspect.Parameter.KEYWORD_ONLY
            if kind is inspect.Parameter.VAR_POSITIONAL:
                args.extend(value)
            elif kind is inspect.Parameter.KEYWORD_ONLY or _has_gap(parameters, self.arguments, name):
                kwargs[name] = value
            else:
                args.append(value)
        return tuple(args), kwargs

    def answer(self) -> dict[str, torch.Tensor]:
        """Run the module and return its output tensors by name, in order.

        Raises:
            ModelFileError: it does not run on its example inputs, or answers with something else than tensors.
        """
        args, kwargs = self.call()
        try:
            with quiet(), torch.inference_mode():
                given = self.module(*args, **kwargs)
        except Exception as error:  # the user's own code may raise whatever it likes
            reason = one_line(f"{type(error).__name__}: {error}")
            raise ModelFileError(f"{self.name} does not run on its example inputs: {reason}") from error
        found = leaves(given)
        foreign = next((each for each in found if not isinstance(each, torch.Tensor)), None)
        if foreign is not None or not found:
            what = type(foreign).__name__ if found else "nothing"
            raise ModelFileError(f"{self.name} answers with {what}; forward must return tensors")
        return dict(zip(output_names(given, self.tensors), found, strict=True))

    def doubled(self) -> LiveModel | None:
        """Return the same module on a batch of two, so that a batch of one is not taken for a fixed size.

        Itself where its inputs share a larger first axis already, None where they share none.
        """
        tensors = list(self.tensors.values())
        sizes = {each.shape[0] if each.ndim else 0 for each in tensors}
        if len(sizes) != 1 or 0 in sizes:
            return None
        if sizes != {1}:
            return self
        twice = {name: _twice(value) for name, value in self.arguments.items()}
        return LiveModel(self.name, self.module, twice)


def _twice(value: Any) -> Any:
    return torch.cat([value, value]) if isinstance(value, torch.Tensor) else tuple(_twice(each) for each in value)


def _has_gap(parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any], name: str) -> bool:
    """Tell whether an argument before `name` was left to its default, so that `name` must be passed by name."""
    return any(before not in given for before in list(parameters)[: list(parameters).index(name)])


def live_model(name: str, module: torch.nn.Module, example: Any) -> LiveModel:
    """Bind example inputs to the arguments of `module.forward`.

    Args:
        name: what messages call the model.
        module: put into evaluation mode and on the CPU.
        example: a tensor, or a tuple, list or dict of tensors (or arrays); None takes the module's own
            `example_inputs`.

    Raises:
        ModelFileError: no inputs, inputs that are no tensors, or that `forward` does not take.
    """
    given = example if example is not None else getattr(module, "example_inputs", None)
    if given is None:
        raise ModelFileError(f"{name} has no example inputs to export it with; {_MISSING}")
    if isinstance(given, torch.Tensor | np.ndarray):
        given = (given,)
    if not isinstance(given, Mapping | tuple | list) or not given:
        raise ModelFileError(f"{name}: example inputs of type {type(given).__name__} cannot be used; {_MISSING}")
    args, kwargs = ((), dict(given)) if isinstance(given, Mapping) else (tuple(given), {})
    module = module.to("cpu").eval()
    try:
        bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    except TypeError as error:
        raise ModelFileError(f"{name}: example inputs do not fit forward: {one_line(str(error))}") from error
    flat = {key: value for key, value in bound.items() if not _is_keywords(module, key)}
    flat |= {key: value for name in bound if _is_keywords(module, name) for key, value in bound[name].items()}
    return LiveModel(name, module, {key: _tensors(name, key, value) for key, value in flat.items()})


def _is_keywords(module: torch.nn.Module, name: str) -> bool:
    return inspect.signature(module.forward).parameters[name].kind is inspect.Parameter.VAR_KEYWORD


def _tensors(name: str, argument: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.array(value))  # a copy: torch wants to be able to write
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu")
    if isinstance(value, tuple) and value and all(isinstance(each, torch.Tensor | np.ndarray) for each in value):
        return tuple(_tensors(name, argument, each) for each in value)
    raise ModelFileError(
        f"{name}: example input {quoted(argument)} is of type {type(value).__name__}; only tensors can be fed"
    )


def argument_names(module: torch.nn.Module) -> list[str]:
    """Return the arguments that `forward` must be given, in order."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(module.forward).parameters
    return [
        name for name, each in parameters.items() if each.default is inspect.Parameter.empty and each.kind not in kinds
    ]


def example_of(rows: Mapping[str, np.ndarray]) -> Sequence[dict[str, np.ndarray]]:
    """Return the feeds that one sample of data may mean: with a batch axis in front, then as it is."""
    return [{name: np.asarray(row)[None] for name, row in rows.items()}, dict(rows)]
