"""Call `module:factory`, the user's own code, for a torch module and its example inputs."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from ...contracts import DataError, ModelFileError
from ..measure.sources import read_source
from ..measure.sources.sample import Wanted
from ..onnx_model import one_line
from .live import LiveModel, argument_names, example_of, live_model

_RETURNS = "a factory returns an nn.Module, or (module, example_inputs)"


def call_factory(source: str, base: Path, data: str | None = None) -> LiveModel:
    """Import `package.module` and call its `factory`, as `source` names them.

    Args:
        source: `package.module:factory`.
        base: the working directory, where the module is looked for first.
        data: where example inputs are taken from when the factory gives none.

    Raises:
        ModelFileError: it is missing, raises, or returns something else than a module; one line says which.
    """
    found = _find(source, base)
    made = found if isinstance(found, torch.nn.Module) else _called(source, found, base)
    module, example = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, torch.nn.Module):
        raise ModelFileError(f"{source} returned {_kind(made)}; {_RETURNS}")
    if example is None and not hasattr(module, "example_inputs") and data is not None:
        return live_from_data(source, module, data, base)
    return live_model(source, module, example)


def _kind(made: Any) -> str:
    if isinstance(made, tuple):
        return f"a tuple of {', '.join(type(each).__name__ for each in made[:4]) or 'nothing'}"
    return "None" if made is None else f"an object of type {type(made).__name__}"


def _find(source: str, base: Path) -> Any:
    module, _, name = source.partition(":")
    if str(base) not in sys.path:
        sys.path.insert(0, str(base))
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise ModelFileError(f"cannot import {module!r} from the working directory: {error}") from error
    except AttributeError as error:
        raise ModelFileError(
            f"{source} cannot be used: {one_line(str(error))}; name a function of the module"
        ) from error
    except (Exception, SystemExit) as error:
        raise ModelFileError(f"importing {module!r} failed: {_words(error, base)}") from error
    if not callable(found):
        raise ModelFileError(f"{source} is {_kind(found)}, not a function; {_RETURNS}")
    return found


def _called(source: str, factory: Any, base: Path) -> Any:
    try:
        return factory()
    except (Exception, SystemExit) as error:
        raise ModelFileError(f"{source} failed: {_words(error, base)}") from error


def _words(error: BaseException, base: Path) -> str:
    """Return what was raised, and the line of the user's own file that raised it."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if Path(each.filename).is_relative_to(base)]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return one_line(f"{type(error).__name__}: {error}") + where


def live_from_data(source: str, module: torch.nn.Module, data: str, base: Path) -> LiveModel:
    """Take the first sample of the data as example: its arrays are named like the arguments of forward.

    Raises:
        ModelFileError: the module does not run on it.
        DataError: there is none, or its names are others.
    """
    names = argument_names(module)
    sample = next(iter(read_source(data, Wanted.named(names, base))), None)
    if sample is None:
        raise DataError(f"{data} holds no sample to export {source} with")
    refusal: ModelFileError | None = None
    for feed in example_of(sample.inputs):
        live = live_model(source, module, feed)
        try:
            live.answer()
        except ModelFileError as error:
            refusal = refusal or error
        else:
            return live
    assert refusal is not None
    raise refusal
