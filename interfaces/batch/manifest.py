"""`zoo.yaml`: models by path, glob, URL, resource or module, with defaults. What it lists, not yet what is there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import urlsplit

from ...contracts import Request, RequestError, validate
from ..cli.config_file import MAX_BYTES, REQUEST_KEYS, load_yaml, refuse_unknown, request_fields
from ..cli.paths import text_file
from ..text import clean
from .folder import MOST_MODELS, is_product
from .inside import outside
from .item import MODEL_SUFFIXES, Item, Source, name_fault
from .lines import Lines, read_lines
from .merge import merge
from .names import Naming, settle

SOURCES = ("path", "glob", "url", "resource", "module")
_OWN_KEYS = frozenset({*SOURCES, "name", "sha256"})
# A manifest may come from anywhere: it cannot have prompts and keys sent to a server of its own.
_DEFAULT_KEYS = REQUEST_KEYS - {"model", "out", "llm"}
_KEYS = _DEFAULT_KEYS | _OWN_KEYS


def read_manifest(path: Path, given: str, without: Path | None = None) -> list[Item]:
    """Return the models that a manifest lists, in its order.

    A model that is asked for in a way that cannot be read has a fault; what leaves the manifest as a whole without a
    meaning is refused.

    Args:
        path: of the manifest, absolute.
        given: what errors call it.
        without: folder that globs leave out.

    Raises:
        RequestError: no YAML, an unknown key, an entry without a source or with two, two models of one name, or no
            model at all; names file, line and key.
    """
    text = text_file(str(path), "manifest", MAX_BYTES)
    return _Reader(load_yaml(text, given), read_lines(text, given), path.parent, without).items()


class _Reader:
    def __init__(self, raw: Mapping[str, Any], lines: Lines, folder: Path, without: Path | None) -> None:
        self._raw = raw
        self._lines = lines
        self._folder = folder
        self._without = without
        self._listed: set[str] = set()
        self._matched = False

    def items(self) -> list[Item]:
        self._known(self._raw, ("defaults", "models"), ())
        defaults = self._defaults()
        entries = self._raw.get("models")
        if not isinstance(entries, list) or not entries:
            raise RequestError(
                f"{self._lines.at(('models',))}: models: lists no model; write lines such as `- path: a.onnx`"
            )
        checked = [self._entry(index, entry) for index, entry in enumerate(cast("list[object]", entries))]
        self._listed = {os.path.realpath(self._folder / entry["path"]) for entry in checked if "path" in entry}
        found = [pair for index, entry in enumerate(checked) for pair in self._models(index, entry, defaults)]
        if not self._matched:
            raise RequestError(
                f"{self._lines.at(('models',))}: models: every glob is without a match; there is no model"
            )
        names = settle([naming for _, naming in found])
        return [_named(item, name) for (item, _), name in zip(found, names, strict=True)]

    def _known(self, given: Mapping[str, Any], known: Any, place: tuple[str | int, ...]) -> None:
        try:
            refuse_unknown(given, known, "key")
        except RequestError as error:
            wrong = next(key for key in given if key not in set(known))
            raise RequestError(f"{self._lines.at((*place, wrong))}: {error.message}") from error

    def _defaults(self) -> dict[str, Any]:
        raw = self._raw.get("defaults")
        if raw is None:
            return {}
        if not isinstance(raw, dict):
            raise RequestError(
                f"{self._lines.at(('defaults',))}: defaults: is no list of settings such as `max_size: 30%`"
            )
        given = cast("dict[str, Any]", raw)
        self._known(given, _DEFAULT_KEYS, ("defaults",))
        try:
            fields = request_fields(given, self._folder)
            validate(Request, {"model": "-", **fields})
        except RequestError as error:
            raise RequestError(f"{self._lines.of_fault(('defaults',), error.message)}: {error.message}") from error
        return fields

    def _entry(self, index: int, entry: object) -> dict[str, Any]:
        """Return an entry whose keys are known and whose source is one."""
        place = ("models", index)
        if not isinstance(entry, dict) or not all(isinstance(key, str) for key in cast("dict[object, object]", entry)):
            raise RequestError(f"{self._lines.at(place)}: a model is a list of settings such as `path: a.onnx`")
        given = cast("dict[str, Any]", entry)
        self._known(given, _KEYS, place)
        sources = [key for key in SOURCES if key in given]
        if len(sources) != 1:
            found = f"has {' and '.join(sources)}" if sources else "has no source"
            raise RequestError(f"{self._lines.at(place)}: this model {found}; give one of {', '.join(SOURCES)}")
        for key in (*sources, "name", "sha256"):
            if key in given and not (isinstance(given[key], str) and given[key].strip()):
                raise RequestError(f"{self._lines.at((*place, key))}: {key}: is no text")
        if "sha256" in given and sources != ["url"]:
            raise RequestError(f"{self._lines.at((*place, 'sha256'))}: sha256: is for a url; leave it out")
        if "name" in given and (fault := name_fault(given["name"])):
            raise RequestError(f"{self._lines.at((*place, 'name'))}: name: {clean(given['name'])!r} cannot be; {fault}")
        if "name" in given and sources == ["glob"]:
            raise RequestError(f"{self._lines.at((*place, 'name'))}: name: a glob names many models; leave it out")
        return given

    def _models(self, index: int, entry: dict[str, Any], defaults: dict[str, Any]) -> Iterator[tuple[Item, Naming]]:
        where = self._lines.at(("models", index))
        kind = next(key for key in SOURCES if key in entry)
        fields, fault = self._fields(index, entry, defaults)
        if kind != "glob":
            source = self._source(kind, entry)
            self._matched = True
            naming = _naming(kind, entry, where)
            leads = outside(source.text, self._folder) if kind == "path" else ""
            fault = fault or (leads and f"{where}: path: {leads}") or name_fault(naming.name)
            yield Item(naming.name, source, where, fields, fault), naming
            return
        paths = [] if fault else self._glob(entry["glob"])
        if not paths:
            text = str(entry["glob"])
            reason = fault or f"{where}: glob: {clean(text)!r} matches no *.onnx and no *.pt2 in the manifest's folder"
            yield Item(text, Source("path", text), where, fields, reason), Naming(text, f"{text} ({where})", where)
        self._matched = self._matched or bool(paths or fault)
        for path in paths:
            whole = path.relative_to(self._folder).as_posix()
            # Found, not named: where two would be called the same, the suffix tells them apart.
            naming = replace(_naming("path", {"path": whole}, where), longer=whole)
            yield Item(naming.name, Source("path", str(path)), where, fields, name_fault(naming.name)), naming

    def _fields(self, index: int, entry: dict[str, Any], defaults: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Return the fields of the model's request, or why they cannot be read."""
        own = {key: value for key, value in entry.items() if key not in _OWN_KEYS}
        try:
            fields = merge(defaults, request_fields(own, self._folder))
            validate(Request, {"model": "-", **fields})
        except RequestError as error:
            return {}, f"{self._lines.of_fault(('models', index), error.message)}: {clean(error.message)}"
        return fields, ""

    def _source(self, kind: str, entry: dict[str, Any]) -> Source:
        text = str(entry[kind])
        if kind == "path":
            return Source("path", str(self._folder / os.path.expanduser(text)), entry.get("sha256"))
        return Source(cast("Any", kind), text, entry.get("sha256"))

    def _glob(self, pattern: str) -> list[Path]:
        """Return the models that a pattern matches and no other entry names, in order."""
        parts = PurePosixPath(pattern).parts
        if pattern.startswith(("/", "~")) or ".." in parts:
            return []
        found: list[Path] = []
        try:
            matches = sorted(self._folder.glob(pattern))
        except (ValueError, OSError):  # a pattern that no path can match
            return []
        for path in matches:
            hidden = any(part.startswith(".") for part in path.relative_to(self._folder).parts)
            real = os.path.realpath(path)
            if path.suffix.lower() not in MODEL_SUFFIXES or hidden or real in self._listed or self._is_ours(path):
                continue
            self._listed.add(real)
            found.append(path)
            if len(found) > MOST_MODELS:
                raise RequestError(f"glob {clean(pattern)!r} matches more than {MOST_MODELS} models; narrow it down")
        return found

    def _is_ours(self, path: Path) -> bool:
        """Tell whether a file is the product of an earlier run."""
        return (self._without is not None and path.is_relative_to(self._without)) or is_product(path.parent)


def _named(item: Item, name: str) -> Item:
    return Item(name, item.source, item.where, item.fields, item.fault)


def _naming(kind: str, entry: Mapping[str, Any], where: str) -> Naming:
    """Return what a model is called: as it says, or after its file."""
    if "name" in entry:
        return Naming(entry["name"], None, where)
    text = str(entry[kind])
    if kind == "module":
        return Naming(text.replace(":", "."), None, where)
    whole = {"path": text, "url": urlsplit(text).path.rpartition("/")[2], "resource": text.replace(":", "/", 1)}[kind]
    whole = os.path.normpath(whole).lstrip("/") if whole else "model"
    path = PurePosixPath(whole)
    short = whole.removesuffix(path.suffix) if path.suffix.lower() in MODEL_SUFFIXES else whole
    return Naming(short, None, where)
