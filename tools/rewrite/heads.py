"""Where the heads of attention come from, and how they are joined, whichever way an exporter writes that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from onnx import NodeProto, helper

from .inferred_dims import Dims
from .numbered import SIZES, Numbering, Numbers, Path, paths
from .scope import Scope


@dataclass(frozen=True)
class Source:
    """One of Q, K and V: which columns of which value of (batch, length, columns) it is, heads after each other.

    Attributes:
        start: the first column; they are adjacent.
        width: of the value that it comes from.
        turned: whether that has the length before the batch, as torch's own layer has.
    """

    path: Path
    start: int
    count: int
    size: int
    width: int
    turned: bool

    @property
    def columns(self) -> int:
        """How many columns it has."""
        return self.count * self.size


@dataclass(frozen=True)
class Heads:
    """Q, K and V of one attention.

    Attributes:
        count: of heads.
        batch, queries, keys: dimensions, numbers or symbols.
        scale: that Q and K were multiplied by on the way.
    """

    sources: tuple[Source, Source, Source]
    count: int
    batch: int | str
    queries: int | str
    keys: int | str
    scale: float

    @property
    def value_size(self) -> int:
        """Channels of a head of V."""
        return self.sources[2].size

    @property
    def paths(self) -> tuple[Path, ...]:
        """From the three back to where they come from."""
        return tuple(each.path for each in self.sources)

    def inputs(self, scope: Scope, before: NodeProto) -> list[str]:
        """Return names of the three as values of three dimensions, split off before a node where that is needed."""
        made: dict[str, dict[int, str]] = {}
        for name in dict.fromkeys(each.path.name for each in self.sources):
            parts = sorted((each for each in self.sources if each.path.name == name), key=lambda each: each.start)
            whole = turn(scope, name, before) if parts[0].turned else name
            split = parts[0].columns < parts[0].width
            made[name] = _split(scope, whole, parts, before) if split else {parts[0].start: whole}
        return [made[each.path.name][each.start] for each in self.sources]


def turn(scope: Scope, name: str, before: NodeProto) -> str:
    """Return a value with its first two axes exchanged."""
    turned = scope.fresh(f"{name}_turned")
    scope.insert(before, helper.make_node("Transpose", [name], [turned], turned, perm=[1, 0, 2]))
    return turned


def _split(scope: Scope, name: str, parts: list[Source], before: NodeProto) -> dict[int, str]:
    """Split a value along its columns; return first column → name."""
    names = {part.start: scope.fresh(f"{name}_part") for part in parts}
    sizes = [part.columns for part in parts]
    node = helper.make_node("Split", [name], list(names.values()), scope.fresh(f"{name}_split"), axis=2)
    if scope.version >= 13:
        node.input.append(scope.store(np.array(sizes, np.int64), "columns"))
    else:
        node.attribute.append(helper.make_attribute("split", sizes))
    scope.insert(before, node)
    return names


def heads_of(scope: Scope, dims: Mapping[str, Dims], names: tuple[str, str, str]) -> Heads | None:
    """Return where Q, Kᵀ and V of those names come from, or None where that is not what attention takes."""
    found = [_source(scope, dims, name, turned=at == 1) for at, name in enumerate(names)]
    query, key, value = found
    if query is None or key is None or value is None:
        return None
    shapes = [_in_order(dims[each.path.name], each.turned) for each in (query, key, value)]
    alike = query.count == key.count == value.count and query.size == key.size
    scale = query.path.scale * key.path.scale
    if not alike or shapes[1][1] != shapes[2][1] or len({shape[0] for shape in shapes}) > 1:
        return None
    if value.path.scale != 1 or not scale or not _covered((query, key, value)):
        return None
    return Heads((query, key, value), query.count, shapes[0][0], shapes[0][1], shapes[1][1], scale)


def _in_order(shape: Dims, turned: bool) -> Dims:
    return (shape[1], shape[0], *shape[2:]) if turned else shape


def _covered(sources: tuple[Source, ...]) -> bool:
    """Tell whether those that share a value share all of it, each column once."""
    for name in {each.path.name for each in sources}:
        parts = sorted((each for each in sources if each.path.name == name), key=lambda each: each.start)
        ends = [0, *np.cumsum([each.columns for each in parts])]
        whole = [each for each in parts if each.columns == each.width]
        if len(whole) < len(parts) and ([each.start for each in parts] != ends[:-1] or ends[-1] != parts[0].width):
            return False
    return True


def _source(scope: Scope, dims: Mapping[str, Dims], name: str, turned: bool) -> Source | None:
    """Return the farthest value of three dimensions that heads come from."""
    for path in paths(scope, name):
        shape = dims.get(path.name, ())
        if len(shape) == 3 and isinstance(shape[2], int):
            for swapped in (False, True):
                columns = [_columns(Numbering(scope, dims, sizes), path, turned, swapped) for sizes in SIZES]
                if columns[0] is not None and columns[1] is not None and np.array_equal(columns[0], columns[1]):
                    count, size = columns[0].shape
                    start = int(columns[0][0, 0])
                    if np.array_equal(columns[0].reshape(-1), np.arange(start, start + count * size)):
                        return Source(path, start, count, size, shape[2], swapped)
    return None


def _columns(numbering: Numbering, path: Path, turned: bool, swapped: bool) -> Numbers | None:
    """Return the column of each channel of each head, where heads differ in nothing else."""
    shape, numbers = numbering.shape(path.name), numbering.along(path)
    if shape is None or numbers is None:
        return None
    batch, length, width = (shape[1], shape[0], shape[2]) if swapped else shape
    split = _by_head(numbers, batch)
    if split is None:
        return None
    split = split.swapaxes(2, 3) if turned else split
    if split.shape[0] != batch or split.shape[2] != length:
        return None
    columns, places = split[0, :, 0, :], np.arange(batch * length)
    rows = places.reshape(length, batch).T if swapped else places.reshape(batch, length)
    wanted = rows[:, None, :, None] * width + columns[None, :, None, :]
    return columns if columns.max() < width and np.array_equal(split, wanted) else None


def _by_head(numbers: Numbers, batch: int) -> Numbers | None:
    """Return values of (batch, heads, …), also where the first two are one."""
    if numbers.ndim == 3 and numbers.shape[0] % batch == 0:
        return numbers.reshape(batch, -1, *numbers.shape[1:])
    return numbers if numbers.ndim == 4 else None


@dataclass(frozen=True)
class Joined:
    """How heads are joined.

    Attributes:
        nodes: that do it.
        last: gives (batch, queries, columns), or (batch, queries, heads, channels) where they are left `apart`; the
            queries before the batch where `turned`.
    """

    nodes: tuple[NodeProto, ...]
    last: NodeProto
    apart: bool
    turned: bool


def joined_heads(scope: Scope, dims: Mapping[str, Dims], product: NodeProto, heads: Heads) -> Joined | None:
    """Return what joins the heads that `product` gives."""
    nodes: list[NodeProto] = []
    found: Joined | None = None
    node = scope.only_reader(product.output[0])
    while node is not None and node.op_type in {"Reshape", "Transpose"} and node.input[0] != "":
        nodes.append(node)
        orders = [_order(Numbering(scope, dims, sizes), product, nodes, heads) for sizes in SIZES]
        if orders[0] is not None and orders[0] == orders[1]:
            found = Joined(tuple(nodes), node, *orders[0])
            if not found.apart:
                break
        node = scope.only_reader(node.output[0])
    return found


def _order(numbering: Numbering, product: NodeProto, nodes: list[NodeProto], heads: Heads) -> tuple[bool, bool] | None:
    """Tell whether the nodes leave heads apart, and whether queries come first; None where they do other things."""
    first, rank = heads.sources[0], len(numbering.dims.get(product.output[0], ()))
    source = numbering.shape(first.path.name)
    if source is None or rank not in (3, 4):
        return None
    batch, queries = (source[1], source[0]) if first.turned else source[:2]
    split = (batch, heads.count, queries, heads.value_size)
    numbers = np.arange(prod(split), dtype=np.int32).reshape(split)
    end = numbering.moved(
        numbers if rank == 4 else numbers.reshape(-1, *split[2:]), [(node, node.output[0]) for node in nodes]
    )
    for turned, perm in ((False, (0, 2, 1, 3)), (True, (2, 0, 1, 3))):
        wanted = numbers.transpose(perm)
        for apart, form in ((True, wanted), (False, wanted.reshape(*wanted.shape[:2], -1))):
            if end is not None and np.array_equal(end, form):
                return apart, turned
    return None
