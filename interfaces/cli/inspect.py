"""`shipfit inspect`: what is in a model, and where its time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import options as opt

if TYPE_CHECKING:
    from ...contracts import Profile, TensorSpec


def inspect(model: opt.Model, data: opt.Data = None, shape: opt.Shape = None, json: opt.Json = False) -> int:
    """Show what is in MODEL: format, weights, operators with their share of time, what can be optimized."""
    from ...contracts import load_settings
    from .bounds import read_shapes
    from .console import print_json
    from .paths import data_source, model_source
    from .tool_progress import tool_progress

    path = model_source(model)
    source = data_source(data) if data is not None else None
    shapes = read_shapes(shape or [])

    from ...agents.standalone import inspect_model

    with tool_progress() as progress:
        profile = inspect_model(load_settings(), path, data=source, shape=shapes or None, progress=progress)
    if json:
        print_json(profile)
    else:
        print_profile(profile)
    return 0


def print_profile(profile: Profile) -> None:
    """Print a profile on stdout."""
    from rich.table import Table

    from ..text import clean
    from .console import results

    console = results()
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    for label, text in _facts(profile):
        facts.add_row(label, clean(text, 2000))
    console.print(facts)
    console.print()
    console.print(_operators(profile))
    for warning in profile.warnings:
        console.print(f"note: {clean(warning)}", style="yellow")


def _version(profile: Profile) -> str:
    if profile.format == "torch":
        return f"program schema {profile.opset}"
    return f"opset {profile.opset}, IR version {profile.ir_version}"


def _facts(profile: Profile) -> list[tuple[str, str]]:
    from ...contracts import units

    share, size = units.format_share, units.format_bytes
    traits = {
        "control flow": profile.control_flow,
        "free dimensions": profile.dynamic_shapes,
        "external data": profile.external_data,
    }
    producer = f", by {profile.producer}" if profile.producer else ""
    facts = [
        ("format", f"{profile.format}, {_version(profile)}{producer}"),
        ("size", f"{size(profile.size_bytes)}, of which {size(profile.weight_bytes)} weights"),
        ("parameters", f"{profile.parameters:,} in {profile.nodes} nodes"),
        ("inputs", ", ".join(map(_tensor, profile.inputs))),
        ("outputs", ", ".join(map(_tensor, profile.outputs))),
        ("weights that fit int8", share(profile.quantizable_share)),
        ("weights that may be pruned", share(profile.prunable_share)),
        ("already quantized", profile.quantized),
        ("traits", ", ".join(name for name, there in traits.items() if there) or "–"),
    ]
    if profile.format == "onnx":
        facts.append(("weights on channels that can go", share(profile.inner_share)))
    if profile.latency_ms is not None:
        facts.append(("one call takes about", units.format_milliseconds(profile.latency_ms)))
    return facts


def _tensor(spec: TensorSpec) -> str:
    shape = "?" if spec.shape is None else "×".join(str(size) for size in spec.shape) or "scalar"
    return f"{spec.name} {spec.dtype} {shape}"


def _operators(profile: Profile) -> object:
    from rich.table import Table

    from ...contracts import units
    from ..text import clean

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("operator", "nodes", "weights", "share of time"):
        table.add_column(heading, justify="left" if heading == "operator" else "right")
    for item in profile.operators:
        time_share = "–" if item.time_share is None else units.format_share(item.time_share)
        table.add_row(clean(item.op_type, 60), str(item.count), units.format_bytes(item.weight_bytes), time_share)
    return table
