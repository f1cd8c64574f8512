"""Weights of a large model stay in files, and each is read when somebody asks for its values.

Such a tensor is external in ONNX's own words; its location is the absolute path of a file. Only files that were
registered here are ever read, whatever a model says of itself. What is computed from such weights is put away into a
file as well, so that a model beyond protobuf's limit is a few kilobytes in memory, and as quickly copied.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..contracts import ModelFileError
from ..contracts.sealed import is_sealed
from .artifact_files import may_share

# Smaller tensors are held in memory: tools look at shapes, axes and scales all the time.
LEAST_BYTES = 1 << 16
# As onnx itself aligns: what can be mapped into memory begins on a boundary of it.
_ALIGNED_FROM, _ALIGNMENT = 1 << 20, 1 << 16
# A file of which this share is in use is handed on as it is.
_MOSTLY = 0.99
_PIECE = 1 << 24

_files: dict[tuple[int, int], Path] = {}
_known: set[str] = set()
_folders: list[Path] = []


@dataclass(frozen=True)
class Extent:
    """Where the bytes of a tensor lie."""

    path: Path
    offset: int
    length: int


def register(path: Path) -> Path:
    """Let tensors refer to `path`; return the name under which the same file is known already, else its own."""
    found = path.stat()
    key = (found.st_dev, found.st_ino)
    known = _files.get(key)
    if known is None or not known.exists() or not os.path.samefile(known, path):
        _files[key] = known = path.absolute()
        _known.add(str(known))
    return known


def refer(tensor: TensorProto, extent: Extent) -> None:
    """Make `tensor` refer to bytes in a registered file, in place of any values that it holds."""
    for name in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "external_data"):
        tensor.ClearField(name)
    tensor.data_location = TensorProto.EXTERNAL
    entries = (("location", str(extent.path)), ("offset", str(extent.offset)), ("length", str(extent.length)))
    for key, value in entries:
        tensor.external_data.add(key=key, value=value)


def extent_of(tensor: TensorProto) -> Extent | None:
    """Return where the bytes of `tensor` lie, None where it is not one of those that refer to a registered file."""
    if tensor.data_location != TensorProto.EXTERNAL:
        return None
    entries = {each.key: each.value for each in tensor.external_data}
    location = entries.get("location", "")
    if location not in _known:
        return None
    return Extent(Path(location), int(entries["offset"]), int(entries["length"]))


def values_of(tensor: TensorProto, extent: Extent) -> np.ndarray[Any, Any]:
    """Return the values of a tensor that refers to a file; what is written to them stays in memory."""
    kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if kind.itemsize * prod(tensor.dims) != extent.length:  # two values to a byte
        bare = TensorProto(data_type=tensor.data_type, dims=tensor.dims, raw_data=read(extent))
        return numpy_helper.to_array(bare)
    mapped = np.memmap(extent.path, kind, "c", extent.offset, tuple(tensor.dims))
    return mapped.view(np.ndarray)


def read(extent: Extent) -> bytes:
    """Return the bytes of an extent."""
    with extent.path.open("rb") as file:
        file.seek(extent.offset)
        return file.read(extent.length)


def start_of(extent: Extent, length: int) -> bytes:
    """Return the first bytes of an extent, which tell most weights apart."""
    return read(Extent(extent.path, extent.offset, min(length, extent.length)))


def lasting_folder() -> Path:
    """Return a new folder that goes with the process, or with the folder of the job."""
    folder = Path(tempfile.mkdtemp(prefix="shipfit-weights-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _folders.append(folder)
    return folder


class Spool:
    """A file that takes what is too much for memory; it goes with the process."""

    def __init__(self) -> None:
        path = lasting_folder() / "weights"
        path.touch(exist_ok=False)
        self._path, self._end = register(path), 0

    def take(self, tensor: TensorProto, content: bytes) -> None:
        """Append `content`, which is the raw data of `tensor`, and have the tensor refer to it."""
        offset = aligned(self._end, len(content))
        with self._path.open("r+b") as file:
            file.seek(offset)
            file.write(content)
        self._end = offset + len(content)
        refer(tensor, Extent(self._path, offset, len(content)))


@dataclass
class Spilling:
    """Whether what is computed goes to a file, and to which."""

    wanted: bool = False
    spool: Spool | None = None


spilling = Spilling()


def spill(wanted: bool) -> None:
    """Say whether the model that is being worked on is beyond protobuf's limit, so that `settle` puts values away."""
    spilling.wanted = wanted


def settle(tensor: TensorProto) -> TensorProto:
    """Return `tensor`, whose raw data go to a file if they are large and a large model is being worked on."""
    if spilling.wanted and tensor.HasField("raw_data"):
        put_away(tensor)
    return tensor


def put_away(tensor: TensorProto) -> None:
    """Move the raw data of a tensor to a file in place, if they are large."""
    content = tensor.raw_data
    if len(content) >= LEAST_BYTES:
        spilling.spool = spilling.spool or Spool()
        spilling.spool.take(tensor, content)


def aligned(offset: int, length: int) -> int:
    """Return the next place at which a tensor of `length` bytes may begin."""
    return -(-offset // _ALIGNMENT) * _ALIGNMENT if length >= _ALIGNED_FROM else offset


def may_have_names(status: os.stat_result) -> bool:
    """Tell whether a second name of a file may be one that we gave it: nobody may write to it, or it is known here."""
    return is_sealed(status) or (status.st_dev, status.st_ino) in _files


def _may_lend(path: Path) -> bool:
    """Tell whether a file may get a second name for a while; a user's own never does, for it might keep it."""
    return may_share(path) or any(path.is_relative_to(folder) for folder in _folders)


def hand_on(source: Path, target: Path, *, link: bool) -> None:
    """Give a file a second name where that is asked for and possible, else copy it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(source, target)
        except OSError:  # another disk, or a file system without links
            pass
        else:
            return
    shutil.copyfile(source, target)


def lay_out(
    outer: Iterable[TensorProto], inner: Iterable[TensorProto], folder: Path, names: Iterator[str], *, lend: bool
) -> None:
    """Bring the files that tensors refer to into `folder`, and have them refer to those by their new names.

    A file that is used as a whole gets a second name if it may. All else is written anew, one extent after
    another, each once.

    Args:
        outer: initializers of the main graph, in the order in which they are written.
        inner: tensors inside nodes; the runtime refuses those whose file has a second name.
        folder: where the model is.
        names: of the files, as many as are needed.
        lend: the folder is gone before the files are: one may get a second name whatever is used of it.
    """
    first, second = _uses(outer), _uses(inner)
    places = {path: _second_name(path, folder, names) for path in _whole_files(first, lend=lend)}
    rest = [extent for _, extent in first if extent.path not in places] + [extent for _, extent in second]
    written = _written(dict.fromkeys(rest), folder / next(names)) if rest else {}
    for tensor, extent in first:
        place = places.get(extent.path)
        moved = written[extent] if place is None else Extent(place, extent.offset, extent.length)
        refer(tensor, Extent(Path(moved.path.name), moved.offset, moved.length))
    for tensor, extent in second:
        moved = written[extent]
        refer(tensor, Extent(Path(moved.path.name), moved.offset, moved.length))


def _uses(tensors: Iterable[TensorProto]) -> list[tuple[TensorProto, Extent]]:
    return [(tensor, extent) for tensor in tensors if (extent := extent_of(tensor)) is not None]


def _written(extents: Iterable[Extent], path: Path) -> dict[Extent, Extent]:
    """Write a file of `extents`; return where each is in it."""
    places: dict[Extent, Extent] = {}
    with path.open("xb") as out:
        for extent in extents:
            offset = aligned(out.tell(), extent.length)
            out.seek(offset)
            with extent.path.open("rb") as source:
                _copy_range(source, out, extent)
            places[extent] = Extent(path, offset, extent.length)
    return places


def _whole_files(uses: Iterable[tuple[TensorProto, Extent]], *, lend: bool) -> list[Path]:
    used: dict[Path, set[Extent]] = {}
    for _, extent in uses:
        used.setdefault(extent.path, set()).add(extent)
    if lend:
        return [path for path in used if _may_lend(path)]
    return [path for path, extents in used.items() if may_share(path) and _share(path, extents) >= _MOSTLY]


def _share(path: Path, extents: Iterable[Extent]) -> float:
    return sum(aligned(each.length, each.length) for each in extents) / max(path.stat().st_size, 1)


def _second_name(path: Path, folder: Path, names: Iterator[str]) -> Path:
    target = folder / next(names)
    hand_on(path, target, link=True)
    return target


def _copy_range(source: BinaryIO, target: BinaryIO, extent: Extent) -> None:
    source.seek(extent.offset)
    left = extent.length
    while left and (piece := source.read(min(left, _PIECE))):
        target.write(piece)
        left -= len(piece)
    if left:
        raise ModelFileError(f"external data {extent.path.name!r} are shorter than the model says")
