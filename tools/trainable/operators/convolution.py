"""Convolutions over one, two or three axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.nn import functional

from ....contracts import ToolError
from ..call import Call, Inputs, bounded
from ..registry import operator

_FORWARD: tuple[Callable[..., Tensor], ...] = (functional.conv1d, functional.conv2d, functional.conv3d)
_BACKWARD: tuple[Callable[..., Tensor], ...] = (
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.conv_transpose3d,
)


def of_rank(functions: Sequence[Callable[..., Tensor]], rank: int) -> Callable[..., Tensor]:
    """Return the one of three functions that works on `rank` spatial axes."""
    if not 1 <= rank <= len(functions):
        raise ToolError(f"{rank} spatial axes are not computed with in torch")
    return functions[rank - 1]


def per_axis(call: Call, name: str, rank: int) -> list[int]:
    """Return an attribute that holds a number for each spatial axis, 1 where it is left out."""
    found = call.integers(name) or [1] * rank
    if len(found) != rank or any(each < 1 for each in found):
        raise ToolError(f"{name} {found[:8]} does not fit {rank} spatial axes")
    return found


def sides(call: Call, sizes: Sequence[int], spans: Sequence[int], steps: Sequence[int]) -> list[tuple[int, int]]:
    """Return what is padded before and after each axis; `spans` are the kernel's, dilation included."""
    mode = call.text("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        pads = call.integers("pads") or [0] * (2 * len(sizes))
        return list(zip(pads[: len(sizes)], pads[len(sizes) :], strict=True))
    if mode == "VALID":
        return [(0, 0)] * len(sizes)
    totals = [
        max(0, (-(-size // step) - 1) * step + span - size)
        for size, span, step in zip(sizes, spans, steps, strict=True)
    ]
    small = [(total // 2, total - total // 2) for total in totals]
    return small if mode == "SAME_UPPER" else [(after, before) for before, after in small]


def padded(x: Tensor, pads: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Pad the last axes of x."""
    if not any(each for pair in pads for each in pair):
        return x
    first = x.dim() - len(pads)
    after = [size + sum(pair) for size, pair in zip(x.shape[first:], pads, strict=True)]
    bounded([*x.shape[:first], *after])
    return functional.pad(x, [each for pair in reversed(pads) for each in pair], value=value)


@operator("Conv")
def conv(call: Call, inputs: Inputs) -> Tensor:
    x, weight = inputs[0], inputs[1]
    rank = x.dim() - 2
    steps, grain = per_axis(call, "strides", rank), per_axis(call, "dilations", rank)
    spans = [(kernel - 1) * each + 1 for kernel, each in zip(weight.shape[2:], grain, strict=True)]
    pads = sides(call, x.shape[2:], spans, steps)
    even = all(before == after >= 0 for before, after in pads)
    inside = [before for before, _ in pads] if even else [0] * rank
    bounded([*x.shape[:2], *(size + sum(pair) for size, pair in zip(x.shape[2:], pads, strict=True))])
    x = x if even else padded(x, pads)
    return of_rank(_FORWARD, rank)(
        x, weight, inputs.get(2), steps, inside, dilation=grain, groups=call.integer("group", 1)
    )


@operator("ConvTranspose")
def conv_transpose(call: Call, inputs: Inputs) -> Tensor:
    """Computed in full and then cut to size, so that any pads are served; the bias comes last for that."""
    x, weight, bias = inputs[0], inputs[1], inputs.get(2)
    rank = x.dim() - 2
    steps, grain = per_axis(call, "strides", rank), per_axis(call, "dilations", rank)
    extra = call.integers("output_padding") or [0] * rank
    full = [
        (size - 1) * step + (kernel - 1) * each + 1
        for size, step, kernel, each in zip(x.shape[2:], steps, weight.shape[2:], grain, strict=True)
    ]
    group = call.integer("group", 1)
    bounded([len(x), weight.shape[1] * group, *full])
    answer = of_rank(_BACKWARD, rank)(x, weight, None, steps, groups=group, dilation=grain)
    pads = _cuts(call, x.shape[2:], [whole + each for whole, each in zip(full, extra, strict=True)], steps)
    answer = padded(answer, [(-before, each - after) for (before, after), each in zip(pads, extra, strict=True)])
    return answer if bias is None else answer + bias.reshape(-1, *[1] * rank)


def _cuts(call: Call, sizes: Sequence[int], full: Sequence[int], steps: Sequence[int]) -> list[tuple[int, int]]:
    """Return what is cut off the full answer before and after each axis."""
    mode, wanted = call.text("auto_pad", "NOTSET"), call.integers("output_shape")
    if wanted is None and mode in ("NOTSET", "", "VALID"):
        pads = (call.integers("pads") if mode != "VALID" else None) or [0] * (2 * len(sizes))
        return list(zip(pads[: len(sizes)], pads[len(sizes) :], strict=True))
    if wanted is None:
        wanted = [size * step for size, step in zip(sizes, steps, strict=True)]
    totals = [max(0, whole - each) for whole, each in zip(full, wanted[-len(sizes) :], strict=True)]
    small = [(total // 2, total - total // 2) for total in totals]
    return small if mode == "SAME_UPPER" else [(after, before) for before, after in small]
