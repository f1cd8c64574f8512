"""Samples from outside, one kind of source per file; what a path is decides which reads it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from ....contracts import DataError, names_code
from .archive import read_archive, read_arrays
from .code import read_code
from .images import IMAGE_SUFFIXES, image_files, read_images
from .sample import RawSample, Wanted, bounded, inside
from .table import read_table
from .text import TEXT_SUFFIXES, read_texts

_KINDS = "an .npz file, a .csv table, texts (.txt, .jsonl), a folder of .npz, .npy or images, or module:callable"
TABLE_SUFFIXES = frozenset({".csv", ".tsv"})


def read_source(source: str, wanted: Wanted) -> Iterator[RawSample]:
    """Yield the samples of `source` in its own order, within limits.

    Args:
        source: a path, or `module:callable`.
        wanted: what the model takes, and how raw samples become that.

    Raises:
        DataError: it is missing, damaged, holds pickles, or its arrays are not the model's inputs.
    """
    return bounded(_read(source, wanted), source)


def _read(source: str, wanted: Wanted) -> Iterator[RawSample]:
    path = wanted.base / source
    if path.is_dir():
        return _read_folder(path, wanted)
    if path.exists():
        return _read_file(path, wanted)
    if names_code(source):
        return read_code(source, wanted)
    raise DataError(f"no data at {source!r}; give {_KINDS}")


def _read_file(path: Path, wanted: Wanted) -> Iterator[RawSample]:
    suffix = path.suffix.lower()
    if suffix in TEXT_SUFFIXES or (suffix in TABLE_SUFFIXES and wanted.preprocess.tokenizer is not None):
        return read_texts(path, wanted)
    if suffix in TABLE_SUFFIXES:
        return read_table(path, wanted)
    if suffix in IMAGE_SUFFIXES:
        raise DataError(f"{path.name} is a single image; give the folder of images that it lies in")
    return read_archive(path, wanted)


def _read_folder(path: Path, wanted: Wanted) -> Iterator[RawSample]:
    archives = inside(path, path.glob("*.npz"))
    if archives:
        return itertools.chain.from_iterable(read_archive(file, wanted) for file in archives)
    if arrays := inside(path, path.glob("*.npy")):
        return read_arrays(arrays, wanted)
    if images := image_files(path):
        return read_images(path, images, wanted)
    raise DataError(f"the folder {path.name!r} holds no .npz file, no .npy arrays and no images; put the samples there")
