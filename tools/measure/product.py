"""Open a delivered product the way its `runtime.json` says, from an allow-list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ...contracts import RequestError, RuntimeSettings
from ..context import MODEL_FILE
from .session import open_session

if TYPE_CHECKING:
    import onnxruntime

SETTINGS_FILE = "runtime.json"


def load(directory: str | Path) -> onnxruntime.InferenceSession:
    """Open the product in `directory`: `model.onnx`, with `runtime.json` where it is there.

    Raises:
        RequestError: no product, or a `runtime.json` that holds anything beyond the allow-list.
        ToolError: the runtime refuses the model.
    """
    folder = Path(directory)
    model = folder / MODEL_FILE
    if not model.is_file():
        raise RequestError(f"{str(folder)!r} holds no {MODEL_FILE}; give the folder that `shipfit optimize` wrote")
    return open_session(model, read_settings(folder / SETTINGS_FILE)).inner


def read_settings(path: Path) -> RuntimeSettings:
    """Return the settings in `path`, or those of a stock session where there is no such file.

    Raises:
        RequestError: an unknown key, or a value of the wrong type, named.
    """
    if not path.exists():
        return RuntimeSettings()
    try:
        return RuntimeSettings.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RequestError(f"{path.name}: {where}: {first['msg']}; it may hold onnxruntime's own names only") from error
