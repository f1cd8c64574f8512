"""`TorchOptimizer`: optimize, quantize and prune a live torch module, or an exported program, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch.export import Dim, ExportedProgram

from ...contracts import (
    Compute,
    DeploymentConfig,
    LayerForm,
    ModelFileError,
    OptimizationConfig,
    OptimizeGraphStep,
    PruneStep,
    QuantizeStep,
    RequestError,
    Step,
)
from ..onnx_model import one_line
from .editor import ProgramEditor, copy_program, save_program
from .feeds import Calls
from .graph import ensure_same, rewrite
from .modules import grown
from .prune import prune_program
from .quantize import quantize_program
from .quiet import quiet
from .samples import Samples, Split, example_from, read_samples, split
from .units import units
from .validate import TorchValidation, validate

Model: TypeAlias = torch.nn.Module | ExportedProgram
Config: TypeAlias = OptimizationConfig | DeploymentConfig
Data: TypeAlias = str | Path | Mapping[str, Any]

_RATIO = 0.25
_CHECKED = 8


@dataclass(frozen=True)
class TorchResult:
    """An optimized program, how it was made, and how it compares with the original.

    Attributes:
        program: a plain exported program; nothing of ours is needed to open it.
        step: what was performed, with every choice made.
        layers: what each unit became.
    """

    program: ExportedProgram
    step: Step
    notes: tuple[str, ...]
    layers: tuple[LayerForm, ...]
    validation: TorchValidation

    @property
    def module(self) -> torch.nn.Module:
        """The program as a module that can be called like the original."""
        module: torch.nn.Module = self.program.module()
        return module

    def save(self, path: str | Path) -> None:
        """Write the program to a `.pt2` file that does not exist yet.

        Raises:
            RequestError: it does.
        """
        if Path(path).exists():
            raise RequestError(f"{str(path)!r} exists; give a path that does not")
        with quiet():
            save_program(self.program, Path(path))


@dataclass(frozen=True)
class _Made:
    program: ExportedProgram
    step: Step
    notes: tuple[str, ...] = ()
    layers: tuple[LayerForm, ...] = ()


class TorchOptimizer:
    """Makes torch modules faster and smaller on the CPU, and compares each result with its original.

    A module is the caller's own code: it is exported in this process, in evaluation mode, and left as it was.
    """

    name = "torch"
    description = "Fuses, lays out, quantizes and prunes torch modules, and validates them against the original."
    category = "optimization"

    def optimize_for_runtime(
        self,
        model: Model,
        config: Config | None = None,
        *,
        example_inputs: tuple[Any, ...] | None = None,
        validation_data: Data | None = None,
        seed: int = 0,
    ) -> TorchResult:
        """Rewrite the graph without changing what it computes.

        Args:
            model: a module, or a program exported from one.
            config: whose `graph` switches turn passes off: `elimination` clearing what changes nothing, `fusion`
                folding BatchNorm, `constant_folding` folding and sharing of tensors, `layer_optimization` the trial of
                memory layouts and fused kernels.
            example_inputs: positional arguments of a module's `forward`; by default the first samples of the data.
            validation_data: an `.npz` file or a mapping of arrays named like the inputs, first axis the sample, with
                `labels` where accuracy is to be compared.
            seed: of the split of the data.

        Raises:
            RequestError: the configuration switches everything off.
            NoOpError: nothing can be improved.
            OptimizationError: the module cannot be exported, or the data do not fit.
        """
        wanted = _optimization(config)
        switches = wanted.graph
        if wanted.level == "none":
            raise RequestError("level 'none' changes nothing; choose basic or aggressive")
        step = OptimizeGraphStep(**switches.model_dump(), layout="auto" if switches.layer_optimization else "keep")

        def work(program: ExportedProgram, calls: Calls) -> _Made:
            original = copy_program(program)
            done = rewrite(step, program, calls[:4])
            ensure_same(original, done.program, calls[:_CHECKED])
            return _Made(done.program, done.step, done.notes)

        return _run(model, example_inputs, validation_data, seed, work)

    def quantize(
        self,
        model: Model,
        config: Config | None = None,
        *,
        step: QuantizeStep | None = None,
        example_inputs: tuple[Any, ...] | None = None,
        validation_data: Data | None = None,
        seed: int = 0,
    ) -> TorchResult:
        """Prepare, calibrate where there are data, and convert to 8-bit compute.

        Args:
            model: a module, or a program exported from one.
            config: whose `quantization` says how narrow (`precision`) and how to calibrate (`method`, `samples`).
            step: forms by operator; by default static convolutions and dynamic linear layers, or what needs no
                calibration where there are no data.
            example_inputs: as in `optimize_for_runtime`.
            validation_data: likewise; a quarter is calibrated on, the rest is judged by.
            seed: of the split of the data.

        Raises:
            RequestError: the configuration rules quantization out.
            NoOpError: nothing could be quantized.
            OptimizationError: as in `optimize_for_runtime`.
        """
        wanted = _optimization(config)
        if step is None and wanted.lowest_bits > 16:
            raise RequestError("the configuration rules quantization out; enable it, or allow 8bit or 16bit")

        def work(program: ExportedProgram, calls: Calls) -> _Made:
            chosen = step or _forms(wanted, program, calibrated=validation_data is not None)
            done = quantize_program(chosen, program, calls[: chosen.samples] if validation_data is not None else [])
            return _Made(done.program, chosen, done.notes, done.layers)

        return _run(model, example_inputs, validation_data, seed, work)

    def prune(
        self,
        model: Model,
        config: Config | None = None,
        *,
        ratio: float = _RATIO,
        example_inputs: tuple[Any, ...] | None = None,
        validation_data: Data | None = None,
        seed: int = 0,
    ) -> TorchResult:
        """Take out `ratio` of the channels, and estimate normalizations anew where there are data.

        Prune before anything else: a folded normalization cannot be estimated.

        Raises:
            RequestError: the configuration rules pruning out, or `ratio` is not between 0 and 1.
            NoOpError: no layer is wide enough.
            OptimizationError: as in `optimize_for_runtime`, or channels hang together in ways that cannot be followed.
        """
        wanted = _optimization(config)
        if config is not None and not wanted.may_prune:
            raise RequestError("the configuration rules pruning out; enable it, or choose the level aggressive")
        if not 0 < ratio < 1:
            raise RequestError(f"ratio {ratio:g} is no share of the channels; give one between 0 and 1")
        step = PruneStep(method="structured", ratio=ratio)

        def work(program: ExportedProgram, calls: Calls) -> _Made:
            pruned, layers = prune_program(step, program, calls if validation_data is not None else [])
            return _Made(pruned, step, (f"{len(layers)} layers lost channels",), layers)

        return _run(model, example_inputs, validation_data, seed, work)


def _optimization(config: Config | None) -> OptimizationConfig:
    if config is None:
        return OptimizationConfig()
    return config.optimization if isinstance(config, DeploymentConfig) else config


def _run(
    model: Model,
    example_inputs: tuple[Any, ...] | None,
    data: Data | None,
    seed: int,
    work: Callable[[ExportedProgram, Calls], _Made],
) -> TorchResult:
    """Export, split, work and validate."""
    samples = read_samples(data) if data is not None else None
    with quiet():
        original = export_model(model, example_inputs, samples)
        parts: Split = split(original, samples, seed)
        made = work(copy_program(original), parts.calibration)
        checked = validate(original, made.program, parts.judgement, parts.labels, synthetic=samples is None)
    return TorchResult(made.program, made.step, made.notes, made.layers, checked)


def export_model(model: Model, example_inputs: tuple[Any, ...] | None, samples: Samples | None) -> ExportedProgram:
    """Export a module with the first axis of its inputs free, or fixed where it cannot be; a program stays.

    Raises:
        RequestError: there is nothing to trace the module on.
        ModelFileError: it cannot be exported; torch's reason is given.
    """
    if isinstance(model, ExportedProgram):
        return model
    if example_inputs is None and samples is None:
        raise RequestError("a module is exported by running it: give example_inputs or validation_data")
    example = example_inputs or ()
    if example_inputs is None and samples is not None:
        example = example_from(model, samples)
    training = {part: part.training for part in model.modules()}
    model.eval()
    try:
        return _exported(model, example)
    finally:
        for part, was in training.items():
            part.training = was


def _exported(module: torch.nn.Module, example: tuple[Any, ...]) -> ExportedProgram:
    free = tuple({0: Dim.AUTO} if isinstance(each, torch.Tensor) and each.ndim else None for each in example)
    doubled = tuple(grown(each, (0,)) if shape else each for each, shape in zip(example, free, strict=True))
    try:
        return torch.export.export(module, doubled, dynamic_shapes=free)
    except Exception:  # noqa: BLE001 — tracing runs the caller's code, which may raise anything; the next trial tells
        pass
    try:
        return torch.export.export(module, example)
    except Exception as error:  # as above
        raise ModelFileError(f"the module cannot be exported: {one_line(str(error))}") from error


def _forms(config: OptimizationConfig, program: ExportedProgram, *, calibrated: bool) -> QuantizeStep:
    """Return the step that the configuration and the operators suggest."""
    if config.lowest_bits > 8:
        return QuantizeStep(storage="fp16")
    present = {unit.op_type for unit in units(ProgramEditor(program))}
    compute: dict[str, Compute] = {name: "static" for name in ("conv1d", "conv2d") if name in present and calibrated}
    if "linear" in present:
        compute["linear"] = "dynamic"
    calibration = config.quantization.calibration
    return QuantizeStep(
        compute=compute, storage="int8", calibration=calibration.method or "minmax", samples=calibration.samples
    )
