"""From an item to a request: what it names is found, fetched, and kept within bounds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ...contracts import DataError, ModelFileError, Request, RequestError, names_code, validate
from ..text import clean
from .fetch import Fetcher
from .inside import outside
from .item import Item
from .resource import resource_path

if TYPE_CHECKING:
    from ...agents.language.words import WordReader


@dataclass(frozen=True)
class Preparer:
    """Makes requests of items.

    Attributes:
        folder: of the manifest; what it names by path lies below.
        trust_code: whether `module:callable` may run.
        fetcher: for URLs.
    """

    folder: Path
    trust_code: bool
    fetcher: Fetcher

    def request(self, item: Item, out: Path, reader: WordReader | None = None) -> Request:
        """Return the request of an item whose product goes to `out`.

        Args:
            item: as the zoo names it.
            out: its folder below the batch's.
            reader: of words, with the language model that is set; without it the grammar alone reads.

        Raises:
            UserError: it cannot be run as asked; one line says why.
            MachineError: a download cannot be kept.
        """
        if item.fault:
            raise RequestError(item.fault)
        fields = _with_words(item.fields, reader)
        for key in ("data", "calibration_data"):
            if isinstance(fields.get(key), str):
                fields[key] = self._data(fields[key], key)
        if tokenizer := _tokenizer(fields):
            self._contained(tokenizer, "preprocess.tokenizer")
        request = validate(Request, {**fields, "model": item.source.text, "out": str(out)})
        if request.approve:
            raise RequestError(
                "approve: a batch asks nobody; drop it, or fit this model with: shipfit optimize --approve"
            )
        if request.code and not self.trust_code:
            raise RequestError(f"{clean(request.code[0])!r} would run code; if you trust it, give --trust-code")
        return request.model_copy(update={"model": self._model(item)})

    def sources(self, item: Item) -> list[Path]:
        """Return the files and folders that an item is made of, whether they are there or not.

        What lies outside of the manifest's folder is not looked at, but for resources.
        """
        if item.fault:
            return []
        named = [item.source.text] if item.source.kind == "path" else []
        named += [str(item.fields[key]) for key in ("data", "calibration_data") if item.fields.get(key)]
        named += [tokenizer] if (tokenizer := _tokenizer(item.fields)) else []
        paths = [os.path.join(self.folder, text) for text in named]
        return [*_resource(item), *(Path(path) for path in paths if not outside(path, self.folder))]

    def _model(self, item: Item) -> str:
        source = item.source
        if source.kind == "module":
            if not names_code(source.text):  # which anything that takes a model would read as a path
                raise ModelFileError(f"module: {clean(source.text)!r} is not of the form package.module:factory")
            return source.text
        if source.kind == "url":
            return str(self.fetcher.fetch(source.text, source.sha256))
        if source.kind == "resource":
            return str(resource_path(source.text))
        self._contained(source.text, "path")
        path = Path(source.text)
        if not path.exists():
            raise ModelFileError(f"there is no model at {self._shown(path)!r}")
        return str(path)

    def _data(self, given: str, key: str) -> str:
        path = os.path.join(self.folder, given)
        self._contained(path, key)
        if not os.path.exists(path):
            if names_code(given):
                return given
            raise DataError(f"{key}: {self._shown(Path(path))!r} is not there; give a path below the zoo's folder")
        return path

    def _contained(self, path: str, key: str) -> None:
        if leads := outside(path, self.folder):
            raise RequestError(f"{key}: {leads}")

    def _shown(self, path: Path) -> str:
        return clean(os.path.relpath(path, self.folder))


def _with_words(given: Mapping[str, Any], reader: WordReader | None) -> dict[str, Any]:
    """Return the fields of a request with what its words ask for laid under them."""
    words = given.get("words")
    if not isinstance(words, str):
        return dict(given)
    from ...agents.reading import merge_words, read

    understood = read(words) if reader is None else reader.read(words, given.get("llm") or {})
    return merge_words(given, words, understood).fields


def _resource(item: Item) -> list[Path]:
    if item.source.kind != "resource":
        return []
    try:
        return [resource_path(item.source.text)]
    except ModelFileError:
        return []


def _tokenizer(fields: Mapping[str, Any]) -> str:
    """Return the path of the tokenizer that texts need, or nothing."""
    preprocess = fields.get("preprocess")
    found = cast("Mapping[str, object]", preprocess).get("tokenizer") if isinstance(preprocess, Mapping) else None
    return found if isinstance(found, str) else ""
