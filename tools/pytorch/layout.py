"""Choose memory layout and kernels of the convolutions: what is faster here is measured, not believed.

- `channels_last`: weights lie with their channels innermost; activations follow them.
- `onednn`: a convolution and the activation after it become one of oneDNN's fused operators, which stock torch on
  Linux and Windows has for every processor. Weights stay plain tensors: nothing is packed for one machine.
- `onednn_channels_last`: both.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.export import ExportedProgram

from ...contracts import Layout
from .editor import Call, ProgramEditor, copy_program
from .feeds import Calls
from .timing import call_seconds, one_thread

aten = torch.ops.aten

_CHOICES: tuple[Layout, ...] = ("channels_last", "onednn", "onednn_channels_last")
_CONV = aten.conv2d.default
_DEFAULTS: tuple[Any, ...] = (None, [1, 1], [0, 0], [1, 1], 1)
# A layout is kept only when it is faster by more than two runs of the same program differ.
_FASTER = 1.05
_ROUNDS = 9

# activation → oneDNN's name of it; its scalars come from the call.
_ACTIVATIONS: Mapping[Any, str] = {
    aten.relu.default: "relu",
    aten.relu_.default: "relu",
    aten.sigmoid.default: "sigmoid",
    aten.tanh.default: "tanh",
    aten.hardswish.default: "hardswish",
    aten.hardswish_.default: "hardswish",
    aten.silu.default: "swish",
    aten.silu_.default: "swish",
    aten.hardtanh.default: "hardtanh",
    aten.hardtanh_.default: "hardtanh",
    aten.relu6.default: "hardtanh",
    aten.relu6_.default: "hardtanh",
}


def choose_layout(program: ExportedProgram, calls: Calls) -> tuple[Layout, dict[str, float]]:
    """Time every layout on `calls` and return the best with the speedup of each over the program as it is.

    Programs are timed in turn, so that what else the machine does hits all of them.
    """
    editor = ProgramEditor(copy_program(program))
    if not any(_is_plain(editor, node) for node in editor.calls(_CONV)):
        return "keep", {}
    programs: dict[Layout, ExportedProgram] = {"keep": program}
    for layout in _CHOICES:
        candidate = ProgramEditor(copy_program(program))
        if apply_layout(candidate, layout):
            programs[layout] = candidate.finish()
    times = _times({name: each.module() for name, each in programs.items()}, calls)
    gains = {name: statistics.median(a / b for a, b in zip(times["keep"], times[name], strict=True)) for name in times}
    faster: list[Layout] = [name for name in times if gains[name] >= _FASTER]
    best: Layout = max(faster, key=lambda name: gains[name]) if faster else "keep"
    return best, {name: round(gain, 3) for name, gain in gains.items() if name != "keep"}


def apply_layout(editor: ProgramEditor, layout: Layout) -> int:
    """Lay the program out as named, and return how many convolutions changed."""
    changed = 0
    if layout != "keep":
        relax_views(editor)
    for node in editor.calls(_CONV):
        if not _is_plain(editor, node):
            continue
        if "channels_last" in layout:
            _lay_channels_last(editor, node)
        if layout.startswith("onednn"):
            _fuse(editor, node)
        changed += layout != "keep"
    return changed


def relax_views(editor: ProgramEditor) -> None:
    """Let reshapes copy where they must: what a convolution answers may have its channels innermost."""
    for node in editor.calls(aten.view.default):
        node.target = aten.reshape.default


def _is_plain(editor: ProgramEditor, node: Call) -> bool:
    return editor.holds(node.args[1]) and editor.tensor(node.args[1]).dtype == torch.float32


def _lay_channels_last(editor: ProgramEditor, node: Call) -> None:
    weight = editor.tensor(node.args[1]).contiguous(memory_format=torch.channels_last)
    node.update_arg(1, editor.add_tensor(f"{node.name}.weight", weight))


def _fuse(editor: ProgramEditor, node: Call) -> None:
    args = (*node.args, *_DEFAULTS[len(node.args) - 2 :])
    value, weight, bias, stride, padding, dilation, groups = args
    users = list(node.users)
    activation = users[0] if len(users) == 1 and users[0].target in _ACTIVATIONS else None
    name = _ACTIVATIONS[activation.target] if activation is not None else "none"
    scalars = _scalars(activation) if activation is not None else [0.0]
    last = activation or node
    fused = editor.call(
        last,
        torch.ops.mkldnn._convolution_pointwise.default,
        (value, weight, bias, padding, stride, dilation, groups, name, scalars, ""),
        last.meta["val"],
    )
    editor.replace(last, fused)


def _scalars(activation: Call) -> list[float]:
    if activation.target in (aten.relu6.default, aten.relu6_.default):
        return [0.0, 6.0]
    if _ACTIVATIONS[activation.target] != "hardtanh":
        return [0.0]  # read by nothing, but an exported program cannot hold an empty list of numbers
    bounds = [*activation.args[1:], -1.0, 1.0][:2] if len(activation.args) != 2 else [activation.args[1], 1.0]
    return [float(bound) for bound in bounds]


def _times(programs: Mapping[Layout, Callable[..., Any]], calls: Calls) -> dict[Layout, list[float]]:
    """Return the median seconds of a call of each program in each round."""
    times: dict[Layout, list[float]] = {name: [] for name in programs}
    with one_thread(), torch.inference_mode():
        for _ in range(_ROUNDS):
            for name, run in programs.items():
                times[name].append(call_seconds(run, calls))
    return times
