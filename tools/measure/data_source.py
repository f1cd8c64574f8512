"""Read samples from outside: `.npz` archives, folders of them, and `module:callable`.

Archives are hostile: no pickle is ever loaded, what a member unpacks to is bounded before it is read,
and rows are streamed, so that memory does not grow with the archive.
"""

from __future__ import annotations

import itertools
import lzma
import sys
import zipfile
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ...contracts import DataError

MAX_UNPACKED_BYTES = 8 * 2**30
MAX_MEMBERS = 4096
RESERVED = ("labels", "targets")
# What user code may yield: nobody waits for a generator that never ends, and no disk holds it.
MAX_YIELDED = 1_000_000
_ARCHIVE_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError, RuntimeError, OSError,
)  # fmt: skip


class RawSample(NamedTuple):
    """One sample as it came: rows by input name, its class index if any, and where it stands, for messages."""

    inputs: Mapping[str, np.ndarray]
    label: np.ndarray | None
    where: str


def read_source(source: str, names: list[str], working_directory: Path | None = None) -> Iterator[RawSample]:
    """Yield the samples of `source` in its own order.

    Args:
        source: path of an `.npz` file or of a folder of them, or `module:callable`.
        names: the model's inputs.
        working_directory: where relative paths and the module are looked for.

    Raises:
        DataError: it is missing, damaged, holds pickles, or its arrays are not the model's inputs.
    """
    base = working_directory or Path.cwd()
    path = base / source
    if path.exists():
        return itertools.chain.from_iterable(_read_archive(file, names) for file in _archives(path))
    module, colon, name = source.partition(":")
    if colon and name.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        return _call(module, name, names, base)
    raise DataError(f"no data at {source!r}; give an .npz file, a folder of them, or module:callable")


def _archives(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.npz"))
    if not files:
        raise DataError(f"the folder {path.name!r} holds no .npz file; put the samples there as .npz archives")
    return files


@dataclass(frozen=True)
class _Member:
    """One array of an archive, opened behind its header."""

    name: str
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    stream: IO[bytes]

    def rows(self) -> Iterator[np.ndarray]:
        """Yield the array along its first axis, reading as it goes (whole, where it is stored by columns)."""
        if self.fortran and len(self.shape) > 1:
            flat = np.frombuffer(self._read(int(np.prod(self.shape))), self.dtype)
            yield from flat.reshape(self.shape, order="F")
            return
        count = int(np.prod(self.shape[1:]))
        for _ in range(self.shape[0] if self.shape else 0):
            yield np.frombuffer(self._read(count), self.dtype).reshape(self.shape[1:])

    def _read(self, count: int) -> bytes:
        size = count * self.dtype.itemsize
        data = self.stream.read(size)
        if len(data) != size:
            raise ValueError("the array is shorter than its header says")
        return data


def _read_archive(path: Path, names: list[str]) -> Iterator[RawSample]:
    with ExitStack() as stack, _readable(path):
        archive = stack.enter_context(zipfile.ZipFile(path))
        members = {
            member.name: member for member in (_open(archive, info, stack, path) for info in _infos(archive, path))
        }
        check_names(set(members), names, path.name)
        count = _common_length(members, path)
        streams = {name: member.rows() for name, member in members.items()}
        for index in range(count):
            rows = {name: next(stream) for name, stream in streams.items()}
            label = None if "labels" in names else rows.pop("labels", None)
            yield RawSample(rows, label, f"sample {index} of {path.name}")


@contextmanager
def _readable(path: Path) -> Generator[None]:
    """Turn what reading a damaged archive raises into one line."""
    try:
        yield
    except _ARCHIVE_ERRORS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{path.name} is no readable .npz archive: {reason}; write it with numpy.savez") from error


def _infos(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    infos = archive.infolist()
    unpacked = sum(info.file_size for info in infos)
    if len(infos) > MAX_MEMBERS or unpacked > MAX_UNPACKED_BYTES:
        raise DataError(
            f"{path.name} unpacks to {unpacked} bytes in {len(infos)} arrays, more than the limit of "
            f"{MAX_UNPACKED_BYTES} bytes in {MAX_MEMBERS}; split it into a folder of archives"
        )
    return infos


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo, stack: ExitStack, path: Path) -> _Member:
    name = info.filename.removesuffix(".npy")
    stream = stack.enter_context(archive.open(info))
    version = np.lib.format.read_magic(stream)
    if version not in {(1, 0), (2, 0)}:
        raise DataError(f"{path.name}: array {name!r} has a structured type; store one plain array per input")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(stream)
    if dtype.hasobject or dtype.kind not in "biuf":
        raise DataError(f"{path.name}: array {name!r} has type {dtype}; only numbers are read, never objects")
    if int(np.prod([int(dim) for dim in shape], dtype=object)) * dtype.itemsize > info.file_size:
        raise DataError(f"{path.name}: array {name!r} is shorter than its header says; the file is damaged")
    return _Member(name, shape, fortran, dtype, stream)


def check_names(found: set[str], names: list[str], where: str) -> None:
    """Require exactly the model's inputs, besides `labels`.

    Raises:
        DataError: names what is missing and what is unknown.
    """
    inputs = ", ".join(repr(name) for name in names)
    if "targets" in found - set(names):
        raise DataError(
            f"{where} holds `targets`, which need a metric of their own, and this version has none but top-1 "
            "accuracy; store class indices as `labels`"
        )
    missing = [name for name in names if name not in found]
    unknown = sorted(found - set(names) - set(RESERVED))
    if missing:
        raise DataError(f"{where} lacks {', '.join(map(repr, missing))}; name the arrays as the inputs: {inputs}")
    if unknown:
        raise DataError(f"{where} holds {', '.join(map(repr, unknown))}, which the model has not; inputs: {inputs}")


def _common_length(members: Mapping[str, _Member], path: Path) -> int:
    for member in members.values():
        if not member.shape:
            raise DataError(f"{path.name}: array {member.name!r} is a scalar; its first axis must be the sample")
    lengths = {member.name: member.shape[0] for member in members.values()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise DataError(f"{path.name}: the arrays differ in their number of samples ({listed})")
    labels = members.get("labels")
    if labels is not None and len(lengths) > 1 and len(labels.shape) != 1:
        raise DataError(f"{path.name}: `labels` has shape {labels.shape}; give one class index per sample")
    return next(iter(lengths.values()), 0)


def _call(module: str, name: str, names: list[str], base: Path) -> Iterator[RawSample]:
    where = f"{module}:{name}"
    try:
        samples = iter(_user_function(module, name, base)())
    except DataError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(f"{where} failed: {type(error).__name__}: {error}") from error
    read = 0
    for index in itertools.count():
        try:
            item = next(samples, _END)
        except (Exception, SystemExit) as error:
            raise DataError(f"{where} failed at sample {index}: {type(error).__name__}: {error}") from error
        if item is _END:
            return
        sample = _from_item(item, names, f"sample {index} of {where}")
        read += sum(row.nbytes for row in sample.inputs.values())
        if index >= MAX_YIELDED or read > MAX_UNPACKED_BYTES:
            raise DataError(
                f"{where} does not end: it gave more than {MAX_YIELDED:,} samples or {MAX_UNPACKED_BYTES:,} bytes; "
                "yield fewer"
            )
        yield sample


_END = object()


def _user_function(module: str, name: str, base: Path) -> Any:
    """Import the user's own code, which the command line and Python may name and nothing else."""
    if str(base) not in sys.path:
        sys.path.insert(0, str(base))
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise DataError(f"cannot import {module!r} from the working directory: {error}") from error
    except AttributeError as error:
        raise DataError(f"module {module!r} has no {name!r}") from error
    if not callable(found):
        raise DataError(f"{module}:{name} is not callable; give a function that returns an iterable of samples")
    return found


def _from_item(item: Any, names: list[str], where: str) -> RawSample:
    inputs, target = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
    if not isinstance(inputs, Mapping):
        if len(names) != 1:
            raise DataError(f"{where} is no mapping of input names to arrays; the inputs are {', '.join(names)}")
        inputs = {names[0]: inputs}
    check_names({str(name) for name in inputs}, names, where)
    try:
        rows = {name: np.asarray(inputs[name]) for name in names}
        label = None if target is None else np.asarray(target)
    except ValueError as error:
        raise DataError(f"{where} is not made of plain arrays: {error}") from error
    for name, row in rows.items():
        if row.dtype.kind not in "biuf":
            raise DataError(f"{where}: {name!r} has type {row.dtype}; only numbers are read, never objects")
    return RawSample(rows, label, where)
