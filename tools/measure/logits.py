"""The logits of a model: what its outputs are made of before a last activation squeezes differences away.

A Softmax or Sigmoid hides most of what quantization broke: near 0 and 1 it answers alike to very different inputs.
So fidelity is measured before it too, on a copy of the model that gives the tensor out. What only moves or retypes
values between the activation and the output is looked through; an activation inside a branch is left where it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, helper

from ..context import TORCH_SUFFIX
from ..onnx_model import external_files, load_structure
from ..session import open_bytes
from .fidelity import OutputError
from .session import OnnxSession, session_options, stock

_ACTIVATIONS = frozenset({"HardSigmoid", "LogSoftmax", "Sigmoid", "Softmax"})
_MOVERS = frozenset(
    {
        "Cast",
        "DequantizeLinear",
        "Flatten",
        "Identity",
        "QuantizeLinear",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
# What a mask adds before a Softmax, such as −1e9, is no logit; its square would drown every other.
_MASKED = 1e4
# A copy that gives more out may run other kernels than the file; beyond float32 rounding it measures another model.
_SAME_DB = 80.0


def logits_of(model: ModelProto) -> dict[str, str]:
    """Return output → the tensor of the main graph before its last activation, for the outputs that have one."""
    makers = {name: node for node in model.graph.node for name in node.output if name}
    found = {each.name: _before_activation(each.name, makers) for each in model.graph.output}
    fixed = _given(model.graph)
    return {output: tensor for output, tensor in found.items() if tensor and tensor not in fixed}


def _before_activation(tensor: str, makers: Mapping[str, NodeProto]) -> str:
    """Walk back from an output; a graph has no cycles, so this ends."""
    while (node := makers.get(tensor)) is not None and node.input:
        if node.op_type in _ACTIVATIONS:
            return node.input[0]
        if node.op_type == "Div" and (exponent := _exponent(node, makers)):
            return exponent
        if node.op_type not in _MOVERS:
            return ""
        tensor = node.input[0]
    return ""


def _exponent(node: NodeProto, makers: Mapping[str, NodeProto]) -> str:
    """Return x of `exp(x) / Σ exp(x)`, a Softmax that was written out; empty where `node` divides something else.

    Of `exp(x − max x)`, as it is usually written against overflow, x is returned too: as a Softmax of its own has it.
    """
    power = makers.get(node.input[0])
    below = _moved(node.input[1], makers)
    if power is None or power.op_type != "Exp" or below is None or below.op_type != "ReduceSum":
        return ""
    return _unshifted(power.input[0], makers) if _moved(below.input[0], makers) is power else ""


def _unshifted(tensor: str, makers: Mapping[str, NodeProto]) -> str:
    """Return x of `x − max x`, and the tensor itself where it is nothing of the kind."""
    node = makers.get(tensor)
    if node is None or node.op_type != "Sub":
        return tensor
    highest = _moved(node.input[1], makers)
    while highest is not None and highest.op_type == "Max":  # with −∞, as some write it
        found = (_moved(name, makers) for name in highest.input)
        highest = next((each for each in found if each is not None), None)
    if highest is None or highest.op_type != "ReduceMax" or highest.input[0] != node.input[0]:
        return tensor
    return node.input[0]


def _moved(tensor: str, makers: Mapping[str, NodeProto]) -> NodeProto | None:
    """Return what made a tensor, before it was moved and repeated."""
    while (node := makers.get(tensor)) is not None and node.op_type in {*_MOVERS, "Expand"}:
        tensor = node.input[0]
    return node


def _given(graph: GraphProto) -> set[str]:
    return {each.name for each in (*graph.input, *graph.initializer)}


def with_outputs(model: ModelProto, tensors: Sequence[str]) -> ModelProto:
    """Return a copy that gives out `tensors` of the main graph too, after its own outputs, each once."""
    copied = ModelProto()
    copied.CopyFrom(model)
    known = {each.name for each in copied.graph.output}
    for tensor in dict.fromkeys(tensors):
        if tensor not in known:
            copied.graph.output.append(helper.make_empty_tensor_value_info(tensor))
    return copied


def has_logits(path: Path) -> bool:
    """Tell whether the model at `path` has logits; of torch programs none are known."""
    return path.suffix != TORCH_SUFFIX and bool(logits_of(load_structure(path)))


def paired_logits(original: Path, candidate: Path) -> list[tuple[str, str]]:
    """Return (tensor of the original, tensor of the candidate) for each output's logits; none unless both have all.

    Torch programs have none that could be had without running other code than the program's.
    """
    if TORCH_SUFFIX in (original.suffix, candidate.suffix):
        return []
    first, second = (logits_of(load_structure(path)) for path in (original, candidate))
    if first.keys() != second.keys():
        return []
    return list(dict.fromkeys((first[output], second[output]) for output in first))


def open_exposed(path: Path, tensors: Sequence[str], threads: int = 1) -> OnnxSession:
    """Load the model at `path` so that it gives out `tensors` too, after its own outputs.

    Raises:
        ToolError: the runtime refuses the copy.
    """
    structure = with_outputs(load_structure(path), tensors)
    options = session_options(stock(threads))
    if external_files(structure):
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(path.parent))
    return OnnxSession(open_bytes(structure.SerializeToString(), options))


def same_answers(before: Sequence[Any], after: Sequence[Any]) -> bool:
    """Tell whether outputs are equal within float32 rounding; `after` may have more of them."""
    for known, answer in zip(before, after, strict=False):
        error = OutputError()
        error.add(known, answer)
        if error.decibels < _SAME_DB and not _both_still(known, answer):
            return False
    return True


def _both_still(known: Any, answer: Any) -> bool:
    """Tell whether both are equal where no signal says so, NaN included."""
    numbers = isinstance(known, np.ndarray) and isinstance(answer, np.ndarray) and known.dtype.kind == "f"
    return numbers and bool(np.array_equal(known, answer, equal_nan=True))


class LogitsError:
    """Adds up the error at the logits, sample by sample; it has no answer once two shapes differ.

    Axes of length 1 are no difference: a candidate may squeeze them before its activation or after.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = list(pairs)
        self._errors = [OutputError() for _ in pairs]

    def add(self, original: Mapping[str, Any], candidate: Mapping[str, Any]) -> None:
        """Account for one sample: name → value of all that each model gives out."""
        for (ours, theirs), error in zip(self._pairs, self._errors, strict=True):
            known, answer = original[ours], candidate[theirs]
            if not _comparable(known, answer):
                self._pairs, self._errors = [], []
                return
            error.add(unmasked(known), answer.reshape(known.shape))

    @property
    def decibels(self) -> float | None:
        """SQNR in dB at the worst logits, None where they cannot be compared."""
        return min((error.decibels for error in self._errors), default=None)


def _comparable(known: Any, answer: Any) -> bool:
    both = isinstance(known, np.ndarray) and isinstance(answer, np.ndarray)
    floats = both and known.dtype.kind == answer.dtype.kind == "f"
    return floats and known.squeeze().shape == answer.squeeze().shape


def unmasked(logits: np.ndarray) -> np.ndarray:
    """Return logits with infinity, which is not compared, in place of what a mask made of them."""
    return np.where(np.abs(logits) < _MASKED, logits, logits.dtype.type(np.inf))
