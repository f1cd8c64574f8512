"""Prune whole channels of an exported program, and estimate its normalizations anew.

Which channels hang together is found by torch-pruning's dependency graph (Fang et al., "DepGraph: towards any
structural pruning", CVPR 2023). A group's importance is the L2 norm of its weights; what is left has a width that is a
multiple of 8, because other widths are no faster. Without training a model bears little of this: normalization
statistics of what is left are measured on the calibration part (Li et al., "EagleEye", ECCV 2020).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.fx import GraphModule

from ...contracts import DataView, LayerForm, Limits, MissingExtraError, NoOpError, PruneStep, StepReport, ToolError
from ..onnx_model import one_line
from .editor import Call, load_program, save_program
from .feeds import Calls, part_calls
from .modules import batched, exported_again, modular
from .quiet import quiet

WIDTH_MULTIPLE = 8
STATISTICS_SAMPLES = 256
_BATCH = 32
_EXTRA = 'pruning torch models needs torch-pruning: pip install "shipfit[torch]"'
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# What a graph that torch-pruning misreads ends in, here or when the pruned module runs.
_MISREAD = (
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    NotImplementedError,
)


def prune(step: PruneStep, source: Path, target: Path, data: DataView | None, limits: Limits) -> StepReport:
    """Write the program at `source` with fewer channels to `target`.

    Raises:
        NoOpError: no layer can lose eight channels at this ratio.
        MissingExtraError: torch-pruning is not installed.
        ToolError: its channels hang together in ways that cannot be followed.
    """
    started = time.perf_counter()
    with quiet():
        program = load_program(source)
        calls = part_calls(program, data, "calibration", STATISTICS_SAMPLES) if data is not None else []
        pruned, layers = prune_program(step, program, calls)
        save_program(pruned, target)
    return StepReport(
        step=step,
        changed=True,
        notes=(f"{len(layers)} layers lost channels",),
        layers=layers,
        details={"layers": len(layers), "statistics_samples": len(calls)},
        size_bytes=target.stat().st_size,
        seconds=time.perf_counter() - started,
    )


def prune_program(
    step: PruneStep, program: ExportedProgram, calls: Calls
) -> tuple[ExportedProgram, tuple[LayerForm, ...]]:
    """Return the pruned program and what its layers became; statistics are estimated where there are `calls`.

    Raises:
        NoOpError: nothing was pruned.
        ToolError: it cannot be followed what hangs together.
    """
    if step.method != "structured" or step.ratio is None:
        raise ToolError("torch programs are pruned by channels; choose the method structured, with a ratio", "pruning")
    module = modular(program)
    before = {name: (layer, tuple(layer.weight.shape)) for name, layer in _layers(module)}
    try:
        pruner(module, program, step.ratio).step()
        if calls:
            estimate_norms(module, batched(program, calls, _BATCH))
        pruned = exported_again(module, program)
    except _MISREAD as error:
        raise ToolError(f"channels of this program cannot be pruned: {one_line(str(error))}", "pruning") from error
    layers = tuple(_form(name, layer, shape) for name, (layer, shape) in before.items() if _shape(layer) != shape)
    if not layers:
        raise NoOpError(f"no layer can lose {WIDTH_MULTIPLE} channels at a ratio of {step.ratio:g}", "pruning")
    return pruned, layers


def pruner(module: GraphModule, program: ExportedProgram, ratio: float) -> Any:
    """Return torch-pruning's pruner of `module`; layers that answer keep their channels.

    Raises:
        MissingExtraError: torch-pruning is not installed.
    """
    try:
        torch_pruning: Any = import_module("torch_pruning")
    except ImportError as error:
        raise MissingExtraError(_EXTRA) from error
    assert program.example_inputs is not None
    args, kwargs = program.example_inputs
    for parameter in module.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    return torch_pruning.pruner.BasePruner(
        module,
        example_inputs={**kwargs, **dict(zip(_inputs(module), args, strict=False))},
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=ratio,
        round_to=WIDTH_MULTIPLE,
        ignored_layers=list(_answering(module)),
    )


def _inputs(module: GraphModule) -> list[str]:
    return [str(node.target) for node in module.graph.nodes if node.op == "placeholder"]


def _answering(module: GraphModule) -> Iterator[nn.Module]:
    """Yield the layers from which an answer comes without another layer between."""
    ends = [node for node in module.graph.nodes if node.op == "output"]
    seen: set[Call] = set()
    while ends:
        for node in ends.pop().all_input_nodes:
            if node in seen:
                continue
            seen.add(node)
            layer = module.get_submodule(str(node.target)) if node.op == "call_module" else None
            if isinstance(layer, _LAYERS):
                yield layer
            else:
                ends.append(node)


def estimate_norms(module: GraphModule, calls: Calls) -> int:
    """Measure mean and variance of what each normalization is given, first to last, and return how many there are.

    Each sees what the ones before it make of their new statistics.
    """
    norms = [layer for _, layer in module.named_modules() if isinstance(layer, _NORMS)]
    for norm in norms:
        moments = _Moments()
        hook = norm.register_forward_pre_hook(moments)
        with torch.no_grad():
            for args, kwargs in calls:
                module(*args, **kwargs)
        hook.remove()
        moments.write(norm)
    return len(norms)


class _Moments:
    """Adds up values and squares of each channel, in double precision."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: Any = 0.0
        self._squares: Any = 0.0

    def __call__(self, _: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        value = given[0].detach().double()
        axes = [axis for axis in range(value.ndim) if axis != 1]
        self._count += value.numel() // value.shape[1]
        self._sum = self._sum + value.sum(axes)
        self._squares = self._squares + value.square().sum(axes)

    def write(self, norm: Any) -> None:
        """Put the statistics into `norm`, unless nothing was seen."""
        if self._count:
            mean = self._sum / self._count
            norm.running_mean.copy_(mean)
            norm.running_var.copy_((self._squares / self._count - mean.square()).clamp(min=0.0))


def _layers(module: GraphModule) -> Iterator[tuple[str, Any]]:
    for name, layer in module.named_modules():
        if isinstance(layer, _LAYERS):
            yield name, layer


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple(layer.weight.shape)


def _form(name: str, layer: Any, was: tuple[int, ...]) -> LayerForm:
    now = _shape(layer)
    words = f"{now[0]} of {was[0]} channels kept, {now[1]} of {was[1]} read"
    op_type = type(layer).__name__.lower()
    return LayerForm(name=name, op_type=op_type, form="pruned", why=words, weight_bytes=layer.weight.nbytes)
