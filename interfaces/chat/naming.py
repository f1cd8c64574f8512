"""Files that a message names: told from its words, looked up in the workspace, and taken out of what is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...contracts import RequestError
from ..batch.item import MODEL_SUFFIXES
from ..text import clean
from ..workspace import Workspace

DATA_SUFFIXES = (".npz", ".csv", ".tsv", ".jsonl", ".txt")
# Folder below the workspace that products go to, as `shipfit optimize` names it; nothing in it is offered again.
PRODUCTS = "shipfit-out"
_MOST_OFFERED = 50
_MOST_SEEN = 5000
_DEEPEST = 4
_QUOTED = re.compile(r"\"([^\"\n]{1,500})\"|'([^'\n]{1,500})'|`([^`\n]{1,500})`|“([^”\n]{1,500})”")
_WORD = re.compile(r"\S+")
_ADDRESS = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://\S+")
_CODE = re.compile(r"(?<![\w/.])[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(?![\w/])")
_NAMES_CODE = re.compile(
    r"\b(?:model|data|metric|factory|function|callable|code|module|use|with|on|from|by|is)$", re.IGNORECASE
)
NO_CODE = "code is never run from a chat; name a file of the workspace, or give module:callable to `shipfit optimize`"


@dataclass(frozen=True)
class Named:
    """What a message names, relative to the workspace, and its words without that."""

    words: str
    model: str | None = None
    data: str | None = None


@dataclass(frozen=True)
class Offered:
    """Models and data that lie in a workspace, relative to it, in the order of their names."""

    models: tuple[str, ...] = ()
    data: tuple[str, ...] = ()

    def beside(self, model: str) -> str | None:
        """Return the data of the same name beside a model, or `data.npz` beside the only one of its folder."""
        path = Path(model)
        alone = sum(Path(other).parent == path.parent for other in self.models) == 1
        wanted = [path.with_suffix(suffix).as_posix() for suffix in DATA_SUFFIXES]
        wanted += [path.with_name("data.npz").as_posix()] if alone else []
        return next((name for name in wanted if name in self.data), None)


def offered(workspace: Workspace) -> Offered:
    """Return what could be worked on, as far as a look of bounded length finds it."""
    found = sorted(_files(workspace.root))
    models = tuple(name for name in found if name.lower().endswith(MODEL_SUFFIXES))
    data = tuple(name for name in found if name.lower().endswith(DATA_SUFFIXES))
    return Offered(models[:_MOST_OFFERED], data[:_MOST_OFFERED])


def _files(root: Path) -> Iterator[str]:
    seen = 0
    for where, folders, files in os.walk(root):
        below = Path(where).relative_to(root)
        deep = len(below.parts) >= _DEEPEST
        folders[:] = [] if deep else sorted(name for name in folders if name[0] != "." and name != PRODUCTS)
        for name in sorted(files):
            seen += 1
            if seen > _MOST_SEEN:
                return
            if name[0] != "." and not (Path(where) / name).is_symlink():
                yield (below / name).as_posix()


def named(text: str, workspace: Workspace) -> Named:
    """Return the model and the data that a message names.

    Raises:
        RequestError: a name that may not be used, code, or an address.
    """
    refuse_code(text)
    if address := _ADDRESS.search(text):
        raise RequestError(
            f"{clean(address[0], 100)!r} is an address; a chat fetches nothing, so put the file in the workspace"
        )
    found: dict[str, str] = {}
    words = text
    for written, path in _paths(text, workspace):
        place = workspace.find(path)
        kind = "model" if is_model(place) else "data"
        if found.get(kind, name := workspace.relative(place)) != name:
            raise RequestError(f"two files are named as {kind}; name one of them")
        found[kind] = name
        words = words.replace(written, "it" if kind == "model" else "the data", 1)
    return Named(words, found.get("model"), found.get("data"))


def refuse_code(text: str) -> None:
    """Refuse `module:callable`.

    Raises:
        RequestError: a message, or a name, asks for code to be run.
    """
    for match in _CODE.finditer(text):
        module = match[0].partition(":")[0]
        alone = match[0] == text.strip()
        if "." in module or alone or _NAMES_CODE.search(text[max(match.start() - 40, 0) : match.start()].rstrip(" =:")):
            raise RequestError(f"{clean(match[0], 100)!r}: {NO_CODE}", details={"why": "code"})


def is_model(place: Path) -> bool:
    """Tell whether a file or folder holds a model rather than data."""
    if place.is_dir():
        return any(entry.name.lower().endswith(MODEL_SUFFIXES) for entry in place.iterdir())
    return place.name.lower().endswith(MODEL_SUFFIXES)


def _paths(text: str, workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Yield each name of a file as it is written in the text, and as a path."""
    rest = text
    known = offered(workspace)
    for name in sorted((*known.models, *known.data), key=len, reverse=True):  # names may hold spaces
        if re.search(rf"(?<![\w/.-]){re.escape(name)}(?![\w/-]|\.\w)", rest):
            yield name, name
            rest = rest.replace(name, " ")
    for match in _QUOTED.finditer(rest):
        inner = next(group for group in match.groups() if group is not None)
        if _is_path(inner) or os.path.lexists(workspace.root / inner):
            yield match[0], inner
    rest = _QUOTED.sub(" ", rest)
    for word in _WORD.findall(rest):
        bare = word.strip("()[]{}<>,;:!?\"'`“”").rstrip(".")
        if _is_path(bare):
            yield bare, bare


def _is_path(word: str) -> bool:
    """Tell whether a word can only be meant as a file or folder."""
    if not word or len(word) > 1000 or "\0" in word:
        return False
    has_suffix = word.lower().endswith((*MODEL_SUFFIXES, *DATA_SUFFIXES)) and not word.startswith(".")
    return has_suffix or word.startswith(("./", "../", "/", "~/")) or (word.endswith("/") and len(word) > 1)
