"""Read and write ONNX models, with the weights that lie beside them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import EncodeError  # type: ignore[import-untyped]  # it ships no types
from onnx import ModelProto, TensorProto

from ..contracts import ModelFileError, ToolError
from . import onnx_model, weight_files
from .artifact_files import may_share
from .external_data import open_inside
from .onnx_model import (
    external_files,
    external_location,
    is_external,
    is_large,
    iter_tensors,
    load_structure,
    one_line,
    quoted,
    tensor_bytes,
    weight_bytes,
)

EXTERNAL_FILE = "model.onnx.data"


def load(path: Path) -> ModelProto:
    """Read a model with all its weights; those of a large one stay in files until `to_array` is asked for them.

    Raises:
        ModelFileError: no such file, it does not parse, or its external data are missing or too short.
    """
    model = load_structure(path)
    large = is_large(model)
    weight_files.spill(large)
    for tensor in iter_tensors(model):
        if is_external(tensor):
            _find_values(tensor, path, large)
        elif large and tensor.HasField("raw_data"):
            weight_files.put_away(tensor)
    return model


def _find_values(tensor: TensorProto, path: Path, large: bool) -> None:
    """Have an external tensor hold its values, or refer to them if it is of a large model and large itself."""
    try:
        extent = _extent(tensor, path.parent)
    except (OSError, ValueError) as error:
        reason = one_line(str(error))
        raise ModelFileError(f"external data of {path.name!r} cannot be read: {reason}") from error
    if large and extent.length >= weight_files.LEAST_BYTES:
        weight_files.refer(tensor, extent)
        return
    tensor.raw_data = weight_files.read(extent)
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")


def _extent(tensor: TensorProto, folder: Path) -> weight_files.Extent:
    """Return where the values of an external tensor lie, which must be in a plain file inside `folder`."""
    location = external_location(tensor)
    entries = {each.key: each.value for each in tensor.external_data}
    offset, needed = int(entries.get("offset") or 0), tensor_bytes(tensor)
    with open_inside(folder, location, shared=True) as file:
        size = os.fstat(file.fileno()).st_size
    if offset < 0 or offset + needed > size:
        raise ValueError(f"{quoted(location)} is shorter than the model says")
    return weight_files.Extent(weight_files.register(folder / location), offset, needed)


def save(model: ModelProto, path: Path) -> None:
    """Write `model` in one file; above 1.5 GB of weights they go to `model.onnx.data` beside it.

    What was made of such a model is written likewise above a sixteenth of that: the runtime then maps weights into
    memory instead of parsing them, as it did before.

    Raises:
        ToolError: what remains after moving large weights out is still beyond protobuf's limit.
    """
    _save(model, path, lend=False)


def save_briefly(model: ModelProto, path: Path) -> None:
    """Write `model` as `save` does into a folder that is gone soon: weights that lie in files get a second name there.

    Raises:
        ToolError: as `save`.
    """
    _save(model, path, lend=True)


def _save(model: ModelProto, path: Path, *, lend: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if is_large(model) or (weight_files.spilling.wanted and weight_bytes(model) > onnx_model.LARGE_BYTES // 16):
            path.write_bytes(_laid_out(model, path.parent, lend=lend).SerializeToString(deterministic=True))
        else:
            path.write_bytes(serialized(model))
    except (ValueError, EncodeError) as error:
        raise ToolError(f"the model is too large to be written: {one_line(str(error))}") from error


def serialized(model: ModelProto) -> bytes:
    """Return `model` as one message, with the weights that lie in files; for those that protobuf can hold."""
    referring = [each for each in iter_tensors(model) if weight_files.extent_of(each)]
    if referring:
        model = _copied(model)
        for tensor in iter_tensors(model):
            if (extent := weight_files.extent_of(tensor)) is not None:
                tensor.raw_data = weight_files.read(extent)
                tensor.ClearField("external_data")
                tensor.ClearField("data_location")
    return model.SerializeToString(deterministic=True)


def _laid_out(model: ModelProto, folder: Path, *, lend: bool) -> ModelProto:
    """Return a copy whose large weights are in files in `folder`."""
    copied = _copied(model)
    tensors = list(iter_tensors(copied))  # held, so that nothing else gets their identities
    for tensor in tensors:
        if not is_external(tensor):
            weight_files.put_away(tensor)
    outer = {id(each) for each in copied.graph.initializer}
    inside = [each for each in tensors if id(each) not in outer]
    weight_files.lay_out(copied.graph.initializer, inside, folder, _data_names(), lend=lend)
    return copied


def _data_names() -> Iterator[str]:
    yield EXTERNAL_FILE
    yield from (f"model.{number}.onnx.data" for number in itertools.count(1))


def _copied(model: ModelProto) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    return made


def copy_files(source: Path, target: Path) -> None:
    """Copy a model with its external data, byte for byte; what lies in the artifact store is not written twice."""
    for name in ("", *external_files(load_structure(source))):
        given, made = (source.parent / name, target.parent / name) if name else (source, target)
        weight_files.hand_on(given, made, link=bool(name) and may_share(given))
