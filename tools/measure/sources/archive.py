"""Read samples from `.npz` archives and from folders of `.npy` files.

They are hostile: no pickle is ever loaded, what a member unpacks to is bounded before it is read, and rows are
streamed, so that memory does not grow with the file.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ....contracts import DataError
from . import sample as limits
from .npy import Member, open_member, samples
from .sample import RESERVED, RawSample, Wanted, first_line

MAX_MEMBERS = 4096
_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError, RuntimeError, OSError,
)  # fmt: skip
# What a file's name cannot hold everywhere.
_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|\0]')


def read_archive(path: Path, wanted: Wanted) -> Iterator[RawSample]:
    """Yield the samples of one `.npz` file.

    Raises:
        DataError: it is damaged, holds pickles or too much, or its arrays are not the model's inputs.
    """
    with ExitStack() as stack, _readable(f"{path.name} is no readable .npz archive", "write it with numpy.savez"):
        archive = stack.enter_context(zipfile.ZipFile(path))
        infos = _infos(archive, path)
        members = {member.name: member for member in (_open(archive, info, stack, path) for info in infos)}
        yield from samples(members, wanted, path.name)


def read_arrays(files: list[Path], wanted: Wanted) -> Iterator[RawSample]:
    """Yield the samples of a folder that holds one `.npy` per input, and `labels.npy` or `targets.npy`.

    What a name of an input has that no file's name can have (`/`, `:` …) is written `_`.

    Raises:
        DataError: as `read_archive`.
    """
    folder = files[0].parent.name
    names = [*wanted.names, *(spec.name for spec in wanted.states), *RESERVED]
    known = {_NOT_IN_NAMES.sub("_", name): name for name in names}
    with ExitStack() as stack, _readable(f"{folder} holds an array that cannot be read", "write it with numpy.save"):
        members: dict[str, Member] = {}
        for path in files:
            name = known.get(path.stem, path.stem)
            stream = stack.enter_context(path.open("rb"))
            members[name] = open_member(name, stream, path.stat().st_size, f"{folder}/{path.name}")
        yield from samples(members, wanted, folder)


@contextmanager
def _readable(what: str, mend: str) -> Generator[None]:
    """Turn what reading a damaged file raises into one line."""
    try:
        yield
    except _ERRORS as error:
        raise DataError(f"{what}: {first_line(error)}; {mend}") from error


def _infos(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    infos = archive.infolist()
    unpacked = sum(info.file_size for info in infos)
    if len(infos) > MAX_MEMBERS or unpacked > limits.MAX_BYTES:
        raise DataError(
            f"{path.name} unpacks to {unpacked} bytes in {len(infos)} arrays, more than the limit of "
            f"{limits.MAX_BYTES} bytes in {MAX_MEMBERS}; split it into a folder of archives"
        )
    return infos


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo, stack: ExitStack, path: Path) -> Member:
    stream = stack.enter_context(archive.open(info))
    return open_member(info.filename.removesuffix(".npy"), stream, info.file_size, path.name)
