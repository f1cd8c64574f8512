"""Admit a model at the door: copy it, then check the copy. The original is only read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import onnx
from onnx import ModelProto

from ..contracts import AdmitReport, ModelFileError, ToolError, names_code, units
from .bounds import check_structure, check_text
from .context import MODEL_FILE, ToolAnswer, ToolContext
from .external_data import copy_bounded, location_parts, open_inside
from .normalize.order import sort_nodes
from .onnx_model import external_files, is_large_file, load_structure, one_line, quoted
from .session import open_session, plain_options
from .sniff import HEAD_BYTES, foreign_format, is_program

# Outputs of unknown rank: the specification wants a shape, but converters leave it out and runtimes do not mind.
_SHAPELESS = "Field 'shape' of 'type' is required"

# A list of nodes that is not sorted is against the specification, but converters write it and runtimes sort it.
_UNSORTED = "must be topologically sorted"

# What protobuf can hold in one message.
_PROTOBUF_LIMIT = 2**31 - 1


def admit_tool(context: ToolContext) -> ToolAnswer:
    """Admit `params["source"]` of at most `params["max_bytes"]` bytes as the artifact `model`.

    With `params["load"]` false, a model that the runtime refuses comes in too: to be told what stands in the way.
    Where the source is `module:factory`, `params["working_directory"]` says where the module is looked for, and
    `params["data"]` may serve as example inputs. `params["runtime"]` is where the model shall run: what torch shall
    run must be an exported program, or is exported as one.
    """
    folder = context.work / "model"
    folder.mkdir()
    params = context.job.params
    if names_code(str(params["source"])):
        from .pytorch.admit_torch import admit_factory

        report = admit_factory(str(params["source"]), folder, context.work, params)
        return ToolAnswer(report=report, outputs={"model": folder})
    report = admit(Path(params["source"]), folder, int(params["max_bytes"]), load=bool(params.get("load", True)))
    if params.get("runtime") == "torch" and MODEL_FILE in report.files:
        raise ModelFileError(
            f"{Path(params['source']).name!r} is an ONNX model, which torch does not run; drop --runtime torch, "
            "or give a .pt2 file or module:factory"
        )
    return ToolAnswer(report=report, outputs={"model": folder})


def admit(source: Path, folder: Path, max_bytes: int, load: bool = True) -> AdmitReport:
    """Copy the model at `source` into the empty `folder` and check the copy.

    Args:
        source: an .onnx or .pt2 file, or a folder that holds exactly one.
        folder: receives `model.pt2`, or `model.onnx` and external data under the names that the model uses.
        max_bytes: bound on the model with all its external data.
        load: whether the runtime must be able to load it.

    Raises:
        ModelFileError: one line that says what is wrong with the model and how to mend it.
        MachineError: the copy cannot be written.
    """
    path = find_model(source)
    if path.is_file() and is_program(path):
        from .pytorch.admit_torch import admit_program

        return admit_program(path, folder, max_bytes, load)
    digest, copied = _copy_model(path, folder / MODEL_FILE, max_bytes)
    files, sizes = {MODEL_FILE: digest}, {MODEL_FILE: copied}
    model = _parse(folder / MODEL_FILE, path.name)
    check_text(model)
    for location in external_files(model):
        target = folder.joinpath(*location_parts(location))
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_inside(path.parent, location) as stream:
            allowance = max_bytes - sum(sizes.values())
            files[location], sizes[location] = copy_bounded(stream, target, allowance, max_bytes)
    nodes, tensors = check_structure(model, sizes)
    _check_standard(folder / MODEL_FILE, path.name)
    if load:
        _check_runs(folder / MODEL_FILE, path.name)
    return AdmitReport(source=str(source), files=files, size_bytes=sum(sizes.values()), nodes=nodes, tensors=tensors)


def find_model(source: Path) -> Path:
    """Return the one .onnx or .pt2 file that `source` is or holds.

    Raises:
        ModelFileError: nothing is there, or several.
    """
    if source.is_dir():
        found = sorted(each for each in source.iterdir() if each.suffix.lower() in (".onnx", ".pt2"))
        if len(found) != 1:
            names = ", ".join(quoted(each.name) for each in found[:5]) or "none"
            raise ModelFileError(
                f"folder {str(source)!r} must hold exactly one .onnx or .pt2 file, and holds {names}; name it"
            )
        if found[0].is_symlink():
            raise ModelFileError(f"{quoted(found[0].name)} in {str(source)!r} is a link; give the file itself")
        return found[0]
    if not source.exists():
        raise ModelFileError(f"there is no model at {str(source)!r}; give an .onnx file or a folder that holds one")
    # External data lie beside the file itself, not beside a link to it.
    return source.resolve()


def _copy_model(path: Path, target: Path, max_bytes: int) -> tuple[str, int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ModelFileError(f"the model {str(path)!r} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ModelFileError(f"{str(path)!r} is not a regular file; give an .onnx file")
        foreign = foreign_format(stream.read(HEAD_BYTES))
        if foreign is not None:
            raise ModelFileError(f"{path.name!r} is {foreign[0]}, not an ONNX model; {foreign[1]}")
        stream.seek(0)
        return copy_bounded(stream, target, max_bytes, max_bytes)


def _damaged(name: str, why: str) -> ModelFileError:
    return ModelFileError(f"{name!r} is damaged, truncated or not an ONNX model ({why}); copy or export it again")


def _parse(path: Path, name: str) -> ModelProto:
    size = path.stat().st_size
    if size > _PROTOBUF_LIMIT:
        raise ModelFileError(
            f"{name!r} is a single file of {units.format_bytes(size)}, more than ONNX allows; "
            "export it with external data"
        )
    return load_structure(path, name)


def _check_standard(path: Path, name: str) -> None:
    """Check the copy against the ONNX specification."""
    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, UnicodeDecodeError, ValueError, RuntimeError) as error:
        if _SHAPELESS in str(error):
            return  # the runtime will judge
        if _UNSORTED in str(error) and _check_sorted(path, name):
            return
        raise _damaged(name, one_line(str(error))) from error


def _check_sorted(path: Path, name: str) -> bool:
    """Check the copy as it would be with its nodes sorted; false where sorting changes nothing."""
    model = load_structure(path, name)
    if sort_nodes(model) is None:
        return False
    beside = path.with_name(f".sorted-{path.name}")
    try:
        beside.write_bytes(model.SerializeToString())
        _check_standard(beside, name)
    finally:
        beside.unlink(missing_ok=True)
    return True


def _check_runs(path: Path, name: str) -> None:
    """Load the copy in the runtime, which knows best what it cannot run."""
    try:
        open_session(path, plain_options() if is_large_file(path) else None)
    except ToolError as error:
        raise ModelFileError(f"{name!r} cannot run: {error.message}") from error
