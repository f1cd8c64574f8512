"""Say of each unit what its form costs and gains: damage from sensitivity tables, time from a profile."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set as AbstractSet
from pathlib import Path

from onnx import ModelProto, NodeProto
from pydantic import TypeAdapter

from ..contracts import LayerForm, LayersReport, SensitivityTable, UnitDamage, units
from .claims import claimed_shares, graph_places, untouched
from .context import TABLE_FILE, ToolAnswer, ToolContext
from .measure.data import open_data
from .model_files import load
from .onnx_model import iter_graphs, iter_nodes
from .table_forms import TABLE_FORMS
from .time_shares import kernel_events

_FEEDS = 4
# A table for people; the steps' own reports are bounded likewise.
_MOST_LAYERS = 512
# What the runtime merges into the node before it; the merged node is named after the last of them.
_MERGED = frozenset(
    {"Add", "BatchNormalization", "Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "Mul", "Relu", "Sigmoid", "Tanh"}
)
_HOPS = 3


def layers_tool(context: ToolContext) -> ToolAnswer:
    """Complete `params["layers"]` (forms of units of role `model`) from the tables in roles `table_<form>`.

    Nodes with weights that are in no given layer are in the answer too, in the form that they have in the file.
    The answer is in graph order.
    """
    job = context.job
    if job.data is None:
        raise ValueError("a layers job carries the reference of its data")
    given = TypeAdapter(list[LayerForm]).validate_python(job.params["layers"])
    feeds = open_data(context.inputs["data"], job.data).feeds("selection", _FEEDS)
    model = load(context.model())
    places = graph_places(model)
    layers = [*given, *untouched(model, given)]
    shares = claimed_shares(layers, places, node_shares(model, context.model(), list(feeds)))
    damages = _damages(context.inputs)
    total = sum(layer.weight_bytes or 0 for layer in layers)
    # A weight that was pruned, then stored, has two rows: the time is told in the first one.
    completed = [_completed(layer, damages, shares.pop(layer.name, None), total) for layer in layers]
    last = len(places.order)
    completed.sort(key=lambda layer: min((places.order[node] for node in places.nodes(layer.name)), default=last))
    return ToolAnswer(report=LayersReport(layers=tuple(completed[:_MOST_LAYERS])))


def _damages(inputs: Mapping[str, Path]) -> dict[tuple[str, str], UnitDamage]:
    """Return (form, unit) → damage of every mounted table."""
    tables = [path / TABLE_FILE for role, path in inputs.items() if role.startswith("table")]
    read = [SensitivityTable.model_validate_json(path.read_text(encoding="utf-8")) for path in tables]
    return {(unit.form, unit.name): unit for table in read for unit in table.units}


def _completed(
    layer: LayerForm, damages: Mapping[tuple[str, str], UnitDamage], share: float | None, total: int
) -> LayerForm:
    damage = damages.get((TABLE_FORMS.get(layer.form, ""), layer.name))
    update = {
        "damage_db": damage.damage_db if damage else layer.damage_db,
        "time_share": share if share is not None else layer.time_share,
        "why": layer.why or _why(layer, share, total),
    }
    return layer.model_copy(update=update)


def _why(layer: LayerForm, share: float | None, total: int) -> str:
    if layer.form.endswith("stored"):
        weights = units.format_share((layer.weight_bytes or 0) / total) if total else "its part"
        return f"holds {weights} of these weights; storage costs no time"
    return f"takes {units.format_share(share)} of the time" if share is not None else ""


def node_shares(model: ModelProto, path: Path, feeds: list[Mapping[str, object]]) -> dict[str, float]:
    """Return node → share of the run time of `model`, which is the file at `path`, 0 to 1."""
    owners, names = _owners(model), {node.name for node in iter_nodes(model)}
    spent: defaultdict[str, float] = defaultdict(float)
    calls: defaultdict[str, list[int]] = defaultdict(list)
    for name, duration in kernel_events(path, feeds):
        calls[name].append(duration)
    for name, durations in calls.items():
        spent[_node_of(owners.get(name, name), names)] += statistics.median(durations) * len(durations)
    total = sum(spent.values()) or 1.0
    return {name: duration / total for name, duration in spent.items()}


def _node_of(name: str, names: AbstractSet[str]) -> str:
    """Return the node of the file that the runtime calls `name` after fusing an activation or an addition into it."""
    bare = name.removeprefix("fused ")
    return next((each for each in (name, bare, bare.removesuffix("/MatMulAddFusion")) if each in names), name)


def _owners(model: ModelProto) -> dict[str, str]:
    """Return the runtime's name of a merged node → the node of the file that does the work."""
    owners: dict[str, str] = {}
    for graph in iter_graphs(model):
        readers: defaultdict[str, list[NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                readers[name].append(node)
        for node in graph.node:
            for tensor in _chain(node, readers):
                owners.setdefault(f"{tensor}_nchwc", node.name)
    return owners


def _chain(node: NodeProto, readers: Mapping[str, list[NodeProto]]) -> Iterator[str]:
    """Yield the outputs that `node` may come to be named after."""
    for _ in range(_HOPS + 1):
        if not node.output:
            return
        yield node.output[0]
        following = readers.get(node.output[0], [])
        if len(following) != 1 or following[0].op_type not in _MERGED:
            return
        node = following[0]
