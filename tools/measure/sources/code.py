"""Read samples from the user's own code, which the command line and Python may name and nothing else."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ....contracts import DataError
from .sample import RESERVED, RawSample, Wanted, as_target, check_names, first_line

_END = object()


def user_function(name: str, base: Path) -> Any:
    """Import `module:function` with `base` on the path.

    Raises:
        DataError: it cannot be imported, or is no function.
    """
    module, _, function = name.partition(":")
    if str(base) not in sys.path:
        sys.path.insert(0, str(base))
    try:
        found = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        raise DataError(f"cannot import {module!r} from the working directory: {error}") from error
    except AttributeError as error:
        raise DataError(f"module {module!r} has no {function!r}") from error
    except (Exception, SystemExit) as error:
        raise DataError(f"importing {module!r} failed: {type(error).__name__}: {first_line(error)}") from error
    if not callable(found):
        raise DataError(f"{name} is not callable; give a function")
    return found


def read_code(name: str, wanted: Wanted) -> Iterator[RawSample]:
    """Yield the samples that `module:callable` returns: `inputs`, or `(inputs, target)`.

    `inputs` is a mapping of input names to arrays, or the only input. A target that is one whole number is also a
    class index.

    Raises:
        DataError: the code failed, or what it gave is no sample.
    """
    try:
        given = iter(user_function(name, wanted.base)())
    except DataError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(f"{name} failed: {type(error).__name__}: {first_line(error)}") from error
    for index in itertools.count():
        try:
            item = next(given, _END)
        except (Exception, SystemExit) as error:
            raise DataError(f"{name} failed at sample {index}: {type(error).__name__}: {first_line(error)}") from error
        if item is _END:
            return
        yield _from_item(item, wanted, f"sample {index} of {name}")


def _from_item(item: Any, wanted: Wanted, where: str) -> RawSample:
    inputs, target = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
    names = wanted.names
    if not isinstance(inputs, Mapping):
        if len(names) != 1:
            raise DataError(f"{where} is no mapping of input names to arrays; the inputs are {', '.join(names)}")
        inputs = {names[0]: inputs}
    found = {str(name) for name in inputs}
    check_names(found, wanted, where)
    if stray := sorted(found & set(RESERVED) - set(names)):
        raise DataError(f"{where} holds {stray[0]!r} among its inputs; yield (inputs, target) instead")
    try:
        rows = {name: np.asarray(inputs[name]) for name in found}
        goal = None if target is None else np.asarray(target)
    except ValueError as error:
        raise DataError(f"{where} is not made of plain arrays: {error}") from error
    for name, row in rows.items():
        if row.dtype.kind not in "biuf":
            raise DataError(f"{where}: {name!r} has type {row.dtype}; only numbers are read, never objects")
    own = {name: rows.pop(name) for name in [*rows] if wanted.state_rank(name) is not None}
    label = goal if goal is not None and goal.dtype.kind != "U" else None
    return RawSample(rows, label, where, None if goal is None else as_target(goal, where), own)
