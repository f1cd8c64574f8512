"""Arrays in NumPy's own format, opened behind their header and streamed along their first axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from ....contracts import DataError
from .sample import RawSample, Wanted, as_target, check_names

# Rows of plain text that are kept per element; more makes a header that only hostile files have.
_MAX_CHARACTERS = 100_000


@dataclass(frozen=True)
class Member:
    """One array, opened behind its header."""

    name: str
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    stream: IO[bytes]

    def rows(self) -> Iterator[np.ndarray]:
        """Yield the array along its first axis, reading as it goes (whole, where it is stored by columns)."""
        if self.fortran and len(self.shape) > 1:
            yield from self.whole()
            return
        count = int(np.prod(self.shape[1:]))
        for _ in range(self.shape[0] if self.shape else 0):
            yield np.frombuffer(self._read(count), self.dtype).reshape(self.shape[1:])

    def whole(self) -> np.ndarray:
        """Read the whole array."""
        flat = np.frombuffer(self._read(int(np.prod(self.shape))), self.dtype)
        return flat.reshape(self.shape, order="F" if self.fortran else "C")

    def _read(self, count: int) -> bytes:
        size = count * self.dtype.itemsize
        data = self.stream.read(size)
        if len(data) != size:
            raise ValueError("the array is shorter than its header says")
        return data


def open_member(name: str, stream: IO[bytes], size: int, where: str) -> Member:
    """Read the header of an array; `size` bytes hold all of it.

    Raises:
        DataError: objects or structures, or fewer bytes than the header promises.
        ValueError: no array at all.
    """
    version = np.lib.format.read_magic(stream)
    if version not in {(1, 0), (2, 0)}:
        raise DataError(f"{where}: array {name!r} has a structured type; store one plain array per input")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(stream)
    text = name == "targets" and dtype.kind == "U" and dtype.itemsize <= 4 * _MAX_CHARACTERS
    if dtype.hasobject or (dtype.kind not in "biuf" and not text):
        raise DataError(f"{where}: array {name!r} has type {dtype}; only numbers are read, never objects")
    if int(np.prod([int(dim) for dim in shape], dtype=object)) * dtype.itemsize > size:
        raise DataError(f"{where}: array {name!r} is shorter than its header says; the file is damaged")
    return Member(name, shape, fortran, dtype, stream)


def samples(members: Mapping[str, Member], wanted: Wanted, where: str) -> Iterator[RawSample]:
    """Yield the samples of arrays that share their first axis.

    Raises:
        DataError: other names than the model's inputs, or arrays of different lengths.
    """
    check_names(set(members), wanted, where)
    once = {name: member.whole() for name, member in members.items() if wanted.state_rank(name) == len(member.shape)}
    listed = {name: member for name, member in members.items() if name not in once}
    count = _common_length(listed, where)
    streams = {name: member.rows() for name, member in listed.items()}
    for index in range(count):
        yield _sample(
            {name: next(stream) for name, stream in streams.items()}, once, wanted, f"sample {index} of {where}"
        )


def _sample(rows: dict[str, Any], once: Mapping[str, np.ndarray], wanted: Wanted, where: str) -> RawSample:
    names = wanted.names
    label = None if "labels" in names else rows.pop("labels", None)
    target = None if "targets" in names else rows.pop("targets", None)
    own = {name: rows.pop(name) for name in [*rows] if wanted.state_rank(name) is not None}
    return RawSample(rows, label, where, None if target is None else as_target(target, where), {**once, **own})


def _common_length(members: Mapping[str, Member], where: str) -> int:
    for member in members.values():
        if not member.shape:
            raise DataError(f"{where}: array {member.name!r} is a scalar; its first axis must be the sample")
    lengths = {member.name: member.shape[0] for member in members.values()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise DataError(f"{where}: the arrays differ in their number of samples ({listed})")
    return next(iter(lengths.values()), 0)
