"""What a client names by path: looked up in the workspace, and nothing that would run code."""

from __future__ import annotations

from typing import Any, cast

from ...contracts import RequestError, names_code
from ..text import clean
from ..workspace import Workspace

_PATHS = ("model", "data", "calibration_data")


def path_of(workspace: Workspace, name: str, given: str) -> str:
    """Return the absolute path of what `given`, the field `name`, means in the workspace.

    Raises:
        RequestError: it leads out, is not there, or names code.
    """
    try:
        return str(workspace.find(given))
    except RequestError as error:
        if names_code(given):
            raise _code(name, given) from error
        raise RequestError(f"{name}: {error.message}", details=error.details) from error


def confined(workspace: Workspace, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a request with their paths looked up in the workspace.

    Raises:
        RequestError: a path leads out or is not there, or something would run code.
    """
    found = dict(fields)
    for name in _PATHS:
        if name in found:
            found[name] = path_of(workspace, name, found[name])
    if names_code(str(found.get("metric", ""))):
        raise _code("metric", str(found["metric"]))
    preprocess = cast("dict[str, Any]", found.get("preprocess") or {})
    if "tokenizer" in preprocess:
        tokenizer = path_of(workspace, "preprocess.tokenizer", str(preprocess["tokenizer"]))
        found["preprocess"] = {**preprocess, "tokenizer": tokenizer}
    return found


def _code(name: str, given: str) -> RequestError:
    return RequestError(f"{name}: {clean(given, 80)!r} would run code, which is never done from here; name a file")
