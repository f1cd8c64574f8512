"""Say in plain words what stands in the way of common levers. Names from the model are not repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnx import ModelProto, TensorProto

from ..contracts import Profile
from .onnx_model import is_standard, iter_nodes, iter_tensors, tensor_bytes
from .weight_roles import weight_uses

_PER_CHANNEL_OPSET = 13
_NOTEWORTHY = 0.1


def warnings_of(model: ModelProto, profile: Profile) -> tuple[str, ...]:
    """Return one line for each obstacle that `model` has."""
    return tuple(line for find in _FINDERS if (line := find(model, profile)) is not None)


def _old_opset(_: ModelProto, profile: Profile) -> str | None:
    if profile.opset >= _PER_CHANNEL_OPSET:
        return None
    return f"opset {profile.opset} is below {_PER_CHANNEL_OPSET}: per-channel int8 needs the opset lifted (normalize)"


def _constant_bytes(model: ModelProto) -> int:
    held = (each for node in iter_nodes(model) if node.op_type == "Constant" for each in node.attribute)
    return sum(tensor_bytes(each.t) for each in held if each.HasField("t"))


def _constant_nodes(model: ModelProto, profile: Profile) -> str | None:
    held = _constant_bytes(model)
    if held < _NOTEWORTHY * max(profile.weight_bytes, 1):
        return None
    return f"{held / profile.weight_bytes:.0%} of the weights are Constant nodes, which quantizers overlook: normalize"


def _computed_weights(model: ModelProto, _: Profile) -> str | None:
    uses = weight_uses(model)
    direct = {(id(use.node), use.index) for use in uses}
    recurrent = [node for node in iter_nodes(model) if node.op_type in {"LSTM", "GRU", "RNN"} and is_standard(node)]
    count = sum(1 for node in recurrent if (id(node), 1) not in direct)
    if not count:
        return None
    return f"{count} recurrent layers compute their weights from others, which quantizers overlook: normalize"


def _quantized_already(_: ModelProto, profile: Profile) -> str | None:
    if profile.quantized == "no":
        return None
    return "the model is quantized already" + (", in part" if profile.quantized == "partly" else "")


def _half_precision(model: ModelProto, profile: Profile) -> str | None:
    half = sum(tensor_bytes(each) for each in iter_tensors(model) if each.data_type == TensorProto.FLOAT16)
    if profile.quantized != "no" or half < _NOTEWORTHY * max(profile.weight_bytes, 1):
        return None
    return f"{half / profile.weight_bytes:.0%} of the weights are fp16, which int8 compute and storage do not take"


def _control_flow(_: ModelProto, profile: Profile) -> str | None:
    if not profile.control_flow:
        return None
    return "control flow: static int8 reaches only bodies that calibration runs through, and times depend on the inputs"


def _depthwise(_: ModelProto, profile: Profile) -> str | None:
    conv = profile.operator("Conv")
    if conv is None or conv.depthwise < _NOTEWORTHY * conv.count:
        return None
    return f"{conv.depthwise} of {conv.count} convolutions are depthwise, which int8 compute usually slows down"


def _gru(_: ModelProto, profile: Profile) -> str | None:
    gru = profile.operator("GRU")
    return None if gru is None else f"{gru.count} GRU layers have no int8 kernel; their weights can be stored small"


def _fixed(model: ModelProto, profile: Profile) -> str | None:
    known = profile.quantized != "no" or _constant_bytes(model) > _NOTEWORTHY * profile.weight_bytes
    if known or profile.storable_bytes > profile.weight_bytes / 2:
        return None
    return f"only {profile.storable_bytes / max(profile.weight_bytes, 1):.0%} of the weight bytes can be stored small"


_FINDERS: Sequence[Callable[[ModelProto, Profile], str | None]] = (
    _old_opset,
    _constant_nodes,
    _computed_weights,
    _quantized_already,
    _half_precision,
    _control_flow,
    _depthwise,
    _gru,
    _fixed,
)
