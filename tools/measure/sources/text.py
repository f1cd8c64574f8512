"""Read samples from texts, through a tokenizer's own file.

`.txt`: a text per line, without answers; `.jsonl`: an object per line with `text` and, if any, `label` or `target`;
`.csv` and `.tsv`: the same as columns. `text_pair` is the second part of a pair. Inputs are known by their names: one
with `mask` in it takes the attention mask, with `type` or `segment` the token types, with `position` the positions, the
one that is left the token ids.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from ....contracts import DataError
from ..synthesize import InputSpec, shape_text
from .rows import LABEL_COLUMNS, TARGET_COLUMNS, Answer, answer, read_rows
from .sample import RawSample, Target, Wanted, as_target, first_line, missing_extra

TEXT_SUFFIXES = frozenset({".txt", ".jsonl"})
MAX_TOKENIZER_BYTES = 256 * 2**20
MAX_LINE = 4 * 2**20
_PADS = ("[PAD]", "<pad>", "<|pad|>", "<|endoftext|>")
_PAIR = "text_pair"


class _Text(NamedTuple):
    """One text with its answer."""

    text: str
    pair: str | None
    where: str
    label: np.ndarray | None = None
    target: Target | None = None


def read_texts(path: Path, wanted: Wanted) -> Iterator[RawSample]:
    """Yield one sample per text.

    Raises:
        DataError: no tokenizer, an input that tokens cannot feed, or a line that cannot be read; names it.
        MissingExtraError: `tokenizers` is not installed.
    """
    given = wanted.preprocess
    if given.tokenizer is None:
        raise DataError(f"{path.name} holds texts: name the tokenizer's file as `preprocess: {{tokenizer: …}}`")
    roles = {spec.name: _role(spec, wanted) for spec in wanted.specs}
    length = _length(wanted)
    encode = _encoder(wanted.base / given.tokenizer, _shorter(length, given.max_length), length)
    wanted.notes.append(_told(roles, length, given.max_length))
    readers: Mapping[str, Callable[[Path, Wanted], Iterator[_Text]]] = {".txt": _plain, ".jsonl": _objects}
    for item in readers.get(path.suffix.lower(), _columns)(path, wanted):
        encoded = encode(item.text, item.pair, item.where)
        rows = {spec.name: np.asarray(encoded[roles[spec.name]], np.int64) for spec in wanted.specs}
        yield RawSample(rows, item.label, item.where, item.target)


def _told(roles: Mapping[str, str], length: int | None, most: int | None) -> str:
    cut = f"padded and cut to {length} tokens" if length else f"cut to {most} tokens" if most else "not cut"
    return f"texts are {cut}; " + ", ".join(f"{name!r} takes {role}" for name, role in roles.items())


def _role(spec: InputSpec, wanted: Wanted) -> str:
    """Return which part of an encoding an input takes."""
    name = spec.name.lower()
    if spec.dtype.kind not in "iu" or len(spec.shape) != 2:
        raise DataError(f"input {spec.name!r} takes {spec.dtype}{shape_text(spec)}, which are no tokens")
    for part, role in (("mask", "mask"), ("type", "types"), ("segment", "types"), ("position", "positions")):
        if part in name:
            return role
    others = [other.name for other in wanted.specs if not _is_named(other.name)]
    if len(others) > 1:
        raise DataError(f"cannot tell which input takes the token ids: {', '.join(map(repr, others))}; give arrays")
    return "ids"


def _is_named(name: str) -> bool:
    return any(part in name.lower() for part in ("mask", "type", "segment", "position"))


def _length(wanted: Wanted) -> int | None:
    """Return the fixed length of a sequence, None where it is free."""
    fixed = {spec.shape[1] for spec in wanted.specs if isinstance(spec.shape[1], int)}
    if len(fixed) > 1:
        raise DataError("the inputs have different fixed lengths, so texts cannot feed them; give arrays")
    return next(iter(fixed), None)


def _shorter(length: int | None, most: int | None) -> int | None:
    given = [size for size in (length, most) if size is not None]
    return min(given, default=None)


def _encoder(
    path: Path, most: int | None, length: int | None
) -> Callable[[str, str | None, str], dict[str, list[int]]]:
    """Return what encodes a text, cut to `most` tokens and padded to `length`."""
    tokenizer = _load(path)
    pad = next((found for name in _PADS if (found := tokenizer.token_to_id(name)) is not None), 0)
    pad = (tokenizer.padding or {}).get("pad_id", pad)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if most is not None:
        special = int(tokenizer.num_special_tokens_to_add(True))
        if most <= special:
            raise DataError(f"preprocess.max_length {most} leaves no room beside {special} special tokens")
        tokenizer.enable_truncation(most)

    def encode(text: str, pair: str | None, where: str) -> dict[str, list[int]]:
        encoded = tokenizer.encode(text, pair)
        missing = max(0, (length or 0) - len(encoded.ids))
        if not encoded.ids and not missing:
            raise DataError(f"{where}: the text has no tokens")
        return {
            "ids": encoded.ids + [pad] * missing,
            "mask": encoded.attention_mask + [0] * missing,
            "types": encoded.type_ids + [0] * missing,
            "positions": list(range(len(encoded.ids) + missing)),
        }

    return encode


def _load(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise missing_extra("texts need the package tokenizers") from error
    if not path.is_file() or path.stat().st_size > MAX_TOKENIZER_BYTES:
        raise DataError(f"preprocess.tokenizer: {path.name!r} is no tokenizer.json; give the file of `tokenizers`")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower, whatever is wrong with the file
        raise DataError(f"preprocess.tokenizer: {path.name!r} cannot be read: {first_line(error)}") from error


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (line, where) of a UTF-8 file, empty lines left out."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            count = 0
            while line := file.readline(MAX_LINE):
                count += 1
                where = f"{path.name}, line {count}"
                if len(line) >= MAX_LINE:
                    raise DataError(f"{where} is longer than {MAX_LINE:,} characters")
                if line.strip():
                    yield line.rstrip("\r\n"), where
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 text; save it as UTF-8") from error


def _plain(path: Path, wanted: Wanted) -> Iterator[_Text]:
    return (_Text(line, None, where) for line, where in _lines(path))


def _objects(path: Path, wanted: Wanted) -> Iterator[_Text]:
    for line, where in _lines(path):
        try:
            found: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} is no JSON: {first_line(error)}") from error
        if not isinstance(found, dict):
            raise DataError(f"{where} is no JSON object with a text")
        item = cast("dict[str, Any]", found)
        text, pair = item.get(wanted.preprocess.text), item.get(_PAIR)
        if not isinstance(text, str) or not (pair is None or isinstance(pair, str)):
            raise DataError(f"{where} has no text under {wanted.preprocess.text!r}")
        yield _Text(text, pair, where, *_answered(item, where))


def _answered(item: Mapping[str, Any], where: str) -> Answer:
    label = next((item[name] for name in sorted(LABEL_COLUMNS) if name in item), None)
    target = next((item[name] for name in sorted(TARGET_COLUMNS) if name in item), None)
    if label is not None and (not isinstance(label, int) or isinstance(label, bool) or abs(label) >= 2**53):
        raise DataError(f"{where}: its label is no class index, which is a whole number")
    try:
        found = None if target is None else as_target(target, where)
    except ValueError as error:
        raise DataError(f"{where}: its target is no text, number or array of numbers") from error
    return None if label is None else np.asarray(label), found


def _columns(path: Path, wanted: Wanted) -> Iterator[_Text]:
    header, rows = read_rows(path)
    column = wanted.preprocess.text
    if column not in header:
        raise DataError(f"{path.name} has no column {column!r}; name the text's column as `preprocess: {{text: …}}`")
    text, pair = header.index(column), header.index(_PAIR) if _PAIR in header else None
    answers = [i for i, name in enumerate(header) if name in LABEL_COLUMNS | TARGET_COLUMNS]
    for row in rows:
        label, target = answer(row, answers, header, texts=wanted.texts)
        yield _Text(row.cells[text], row.cells[pair] if pair is not None else None, row.where, label, target)
