"""Turn a live torch module, or a program exported from one, into an ONNX model that answers the same.

BatchNorm stays a node of its own, because pruning may follow and needs it. Two exporters of torch are there:

- `torch.export` with the dynamo exporter and `optimize=False`: the maintained one, which keeps BatchNorm and LSTM,
  takes programs as well as modules, and says which operator it lacks. It goes first.
- TorchScript tracing (`dynamo=False`): twenty times faster but deprecated. It takes what `torch.export` refuses, such
  as control flow that does not depend on the batch. With `TrainingMode.PRESERVE` it does not fold BatchNorm.

What either gives is compared with the module, on its example inputs and on two of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch

from ...contracts import MissingExtraError, ModelFileError
from ..measure.fidelity import OutputError
from ..measure.session import open_onnx
from ..model_files import load, save
from ..onnx_model import iter_graphs, one_line
from .live import LiveModel
from .program import BATCH
from .quiet import quiet

# What the exporter's own functions are written in: no conversion follows.
OPSET = 18
# Single precision leaves 100 to 140 dB between two ways to compute the same.
SAME_DB = 80.0
_ANY_BYTES = 2**31
_FOLDED_BYTES = 2**29

_OPERATOR = re.compile(
    r"(?:No ONNX function found for|Exporting the operator|Unsupported.*?operator)[^\w]*"
    r"(?:<?OpOverload\(op=)?'?(\w+)(?:::|\.)(\w+)"
)


def export_module(live: LiveModel, target: Path) -> str:
    """Write `live` as ONNX to `target` and return how that was done.

    Raises:
        ModelFileError: no exporter can, which names the operator, or what it made answers differently.
    """
    live.answer()
    ways: list[tuple[str, Callable[[LiveModel, bool], onnx.ModelProto]]] = [
        ("torch.onnx", _by_dynamo),
        ("torch.onnx (TorchScript)", _by_tracing),
    ]
    refusals: list[BaseException] = []
    for name, way in ways:
        for free in (True, False):
            try:
                decibels = _attempt(live, free, way, target)
            except MissingExtraError:
                raise
            except Exception as error:  # noqa: BLE001 - exporters raise anything, down to bare assertions
                refusals.append(error)
            else:
                return f"exported by {name}, {shown(decibels)} from the module"
    raise _refused(live.name, refusals)


def shown(decibels: float) -> str:
    """Return how far two answers are apart, for people."""
    return "exact" if decibels == float("inf") else f"{decibels:.0f} dB"


def _attempt(live: LiveModel, free: bool, way: Callable[[LiveModel, bool], onnx.ModelProto], target: Path) -> float:
    """Export with a free batch axis or a fixed one, and compare; a free one must hold for one sample and for two."""
    traced = live.doubled() if free else live
    if traced is None:
        raise ModelFileError(f"{live.name}: the inputs share no first axis")
    with quiet():
        model = way(traced, free)
    write(model, target)
    return min(compare(each, target) for each in ((live, traced) if free else (live,)))


def _by_dynamo(live: LiveModel, free: bool) -> onnx.ModelProto:
    return program_to_onnx(to_program(live, free), list(live.tensors), list(live.answer()))


def to_program(live: LiveModel, free: bool) -> torch.export.ExportedProgram:
    """Export with torch.export, the first axis of all inputs free or fixed."""
    args, kwargs = live.call()
    axis = {0: torch.export.Dim.AUTO} if free else {}
    shapes = {
        name: axis if isinstance(value, torch.Tensor) else tuple(axis for _ in value)
        for name, value in live.arguments.items()
    }
    return torch.export.export(live.module, args, kwargs, dynamic_shapes=shapes if free else None, strict=False)


def program_to_onnx(
    program: torch.export.ExportedProgram, inputs: Sequence[str], outputs: Sequence[str], opset: int = OPSET
) -> onnx.ModelProto:
    """Convert an exported program with the dynamo exporter, and name its inputs and outputs.

    What the exporter computes from weights (a transposed matrix, the slices of an LSTM, a bias of zeros) is folded:
    weights that stand behind operators cannot be quantized. BatchNorm is not folded by that.

    Raises:
        MissingExtraError: the exporter needs onnxscript.
    """
    try:
        from onnxscript import optimizer
    except ImportError as error:
        raise MissingExtraError('exporting needs onnxscript: pip install "shipfit[torch]"') from error
    made = torch.onnx.export(
        program,
        dynamo=True,
        optimize=False,
        verbose=False,
        opset_version=opset,
        input_names=inputs,
        output_names=outputs,
    )
    assert made is not None
    optimizer.fold_constants(made.model, input_size_limit=_ANY_BYTES, output_size_limit=_FOLDED_BYTES)
    optimizer.remove_unused_nodes(made.model)
    return made.model_proto


def _by_tracing(live: LiveModel, free: bool) -> onnx.ModelProto:
    args, kwargs = live.call()
    names, outputs = list(live.tensors), list(live.answer())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "traced.onnx"
        torch.onnx.export(
            live.module,
            args,
            path,
            kwargs=kwargs or None,
            dynamo=False,
            opset_version=17,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            input_names=names,
            output_names=outputs,
            dynamic_axes={name: {0: BATCH} for name in (*names, *outputs)} if free else None,
        )
        return load(path)


def write(model: onnx.ModelProto, target: Path) -> None:
    """Write the model without what exporters remark about the machine and the code it comes from."""
    for graph in iter_graphs(model):
        for each in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
            each.ClearField("doc_string")
            each.ClearField("metadata_props")
        graph.ClearField("doc_string")
        graph.ClearField("metadata_props")
    model.ClearField("doc_string")
    model.ClearField("metadata_props")
    _name_batch(model)
    save(model, target)


def _name_batch(model: onnx.ModelProto) -> None:
    """Call the free first axis what people call it; exporters number it."""
    shapes = [each.type.tensor_type.shape.dim for each in model.graph.input]
    numbered = {dims[0].dim_param for dims in shapes if len(dims) and dims[0].dim_param}
    if len(numbered) != 1:
        return
    for each in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in each.type.tensor_type.shape.dim:
            if dim.dim_param in numbered:
                dim.dim_param = BATCH


def compare(live: LiveModel, path: Path) -> float:
    """Return the SQNR in dB at the worst output of the model at `path` against the module, on its example inputs.

    Raises:
        ModelFileError: it does not run, or answers with other outputs or more noise than rounding.
    """
    session = open_onnx(path)
    tensors = [each.numpy() for each in live.tensors.values()]
    if len(session.input_names) != len(tensors):
        raise ModelFileError(f"{live.name}: the export has {len(session.input_names)} inputs for {len(tensors)}")
    answers = session.run(dict(zip(session.input_names, tensors, strict=True)))
    return worst(live.name, [each.numpy() for each in live.answer().values()], answers)


def worst(name: str, expected: Sequence[np.ndarray], answers: Sequence[Any]) -> float:
    """Return the SQNR in dB at the worst of several outputs.

    Raises:
        ModelFileError: other outputs, or more noise than rounding.
    """
    if len(expected) != len(answers):
        raise ModelFileError(f"{name}: the export has {len(answers)} outputs for {len(expected)}")
    errors = [OutputError() for _ in expected]
    for error, reference, answer in zip(errors, expected, answers, strict=True):
        error.add(reference, answer)
    decibels = min(error.decibels for error in errors)
    if not decibels >= SAME_DB:
        raise ModelFileError(
            f"{name}: the exported model answers differently ({decibels:.0f} dB): does forward draw random numbers, "
            "or depend on values that tracing fixes?"
        )
    return decibels


def _refused(name: str, refusals: Sequence[BaseException]) -> ModelFileError:
    """Return the error that helps most: a missing operator, else the first reason."""
    for error in refusals:
        operator = missing_operator(error)
        if operator:
            return ModelFileError(
                f"{name}: export failed at {operator}, which has no ONNX form; replace it, or keep the model in "
                "torch with --runtime torch"
            )
    ours = next((each for each in refusals if isinstance(each, ModelFileError)), None)
    first = ours.message if ours else f"{name}: export failed: {_reason(refusals[0])}"
    return ModelFileError(first)


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return one_line(f"{type(error).__name__}: {lines[0] if lines else 'no message'}")


def missing_operator(error: BaseException | None) -> str | None:
    """Return the operator, as `aten::foo`, that an exporter's error or its cause says it has no form for."""
    while error is not None:
        found = _OPERATOR.search(str(error))
        if found:
            return f"{found[1]}::{found[2]}"
        error = error.__cause__ or error.__context__
    return None
