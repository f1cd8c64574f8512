"""A folder as a zoo: its models, with what stands beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...contracts import Request, RequestError, names_code, validate
from ..cli.config_file import MAX_BYTES, load_yaml, request_fields
from ..cli.paths import text_file
from ..text import clean
from .item import MODEL_SUFFIXES, Item, Source
from .lines import read_lines
from .names import Naming, settle

DESCRIPTION = "shipfit.yaml"
MOST_MODELS = 100_000
# Tells a product that was delivered here from a model that is to be optimized.
_PRODUCT = ("report.json", "recipe.json", "runtime.json")


def read_folder(zoo: Path, without: Path | None = None) -> list[Item]:
    """Return the models below a folder, in the order of their names.

    A folder that holds `shipfit.yaml` is one model, described there. Elsewhere every file is a model of its own; its
    data are the `.npz` of the same name, or `data.npz` where it is the only model of the folder. Products that were
    delivered below the folder are none, nor is anything in `without` or in hidden folders.

    Raises:
        RequestError: there is no model, or two of one name.
    """
    found = [item for folder in _folders(zoo, without) for item in _models(zoo, folder)]
    if not found:
        raise RequestError(f"{clean(zoo)!r} holds no model: neither *.onnx nor *.pt2, nor a folder with {DESCRIPTION}")
    names = settle([naming for _, naming in found])
    return [
        Item(name, item.source, item.where, item.fields, item.fault)
        for (item, _), name in zip(found, names, strict=True)
    ]


def _folders(zoo: Path, without: Path | None) -> Iterator[Path]:
    """Yield the folders that may hold models; a described one is not looked into further."""
    for place, folders, files in os.walk(zoo):
        folder = Path(place)
        if folder == without or (folder != zoo and set(_PRODUCT) <= set(files)):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield folder
        if DESCRIPTION in files:
            folders.clear()


def is_product(folder: Path) -> bool:
    """Tell whether a folder holds what was delivered by an earlier run."""
    return all((folder / name).is_file() for name in _PRODUCT)


def model_files(folder: Path) -> list[Path]:
    """Return the model files that lie in a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in MODEL_SUFFIXES and not path.is_dir())


def _models(zoo: Path, folder: Path) -> Iterator[tuple[Item, Naming]]:
    if (folder / DESCRIPTION).is_file():
        yield _described(zoo, folder)
        return
    models = model_files(folder)
    for model in models:
        fields = _data_beside(model, alone=len(models) == 1)
        source = Source("path", str(model))
        naming = _naming(zoo, model, alone=len(models) == 1)
        yield Item(naming.name, source, naming.where, fields), naming


def _naming(zoo: Path, model: Path, alone: bool) -> Naming:
    whole = model.relative_to(zoo).as_posix()
    if alone and model.stem == "model" and model.parent != zoo:
        return Naming(model.parent.relative_to(zoo).as_posix(), whole, whole)
    return Naming(whole.removesuffix(model.suffix), whole, whole)


def _data_beside(model: Path, alone: bool) -> dict[str, Any]:
    beside = [model.with_suffix(".npz"), *([model.parent / "data.npz"] if alone else [])]
    found = next((path for path in beside if path.is_file()), None)
    return {} if found is None else {"data": str(found)}


def _described(zoo: Path, folder: Path) -> tuple[Item, Naming]:
    """Return the one model of a folder with `shipfit.yaml`; what is wrong with it becomes its fault."""
    path = folder / DESCRIPTION
    where = path.relative_to(zoo).as_posix()
    name = folder.name if folder == zoo else folder.relative_to(zoo).as_posix()
    naming = Naming(name, None, where)
    try:
        fields = describe(path, where)
        source = _source(folder, fields.pop("model", None))
    except RequestError as error:
        return Item(name, Source("path", str(folder)), where, {}, clean(error.message)), naming
    return Item(name, source, where, fields), naming


def _source(folder: Path, model: str | None) -> Source:
    """Return where a described model comes from; `model` is a path already made absolute, or was a factory."""
    if model is None:
        return Source("path", str(_only_model(folder)))
    named = os.path.relpath(model, folder)
    factory = names_code(named) and not os.path.exists(model)
    return Source("module", named) if factory else Source("path", model)


def describe(path: Path, where: str) -> dict[str, Any]:
    """Return the fields of a request that a `shipfit.yaml` holds.

    Raises:
        RequestError: what is wrong, with the line.
    """
    text = text_file(str(path), DESCRIPTION, MAX_BYTES)
    raw = load_yaml(text, where)
    lines = read_lines(text, where)
    try:
        if "out" in raw:
            raise RequestError("out: the batch decides where products go; leave it out")
        if "llm" in raw:
            raise RequestError("llm: a zoo cannot name a language model; use --llm or SHIPFIT_LLM")
        fields = request_fields(raw, path.parent)
        validate(Request, {"model": "-", **fields})
    except RequestError as error:
        raise RequestError(f"{lines.of_fault((), error.message)}: {error.message}") from error
    return fields


def _only_model(folder: Path) -> Path:
    models = model_files(folder)
    if len(models) != 1:
        found = f"there are {len(models)} models beside it" if models else "there is no model beside it"
        raise RequestError(f"{DESCRIPTION}: {found}; name one with `model:`")
    return models[0]
