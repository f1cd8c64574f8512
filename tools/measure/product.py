"""Open a delivered product the way its `runtime.json` says, from an allow-list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...contracts import RequestError, RuntimeSettings
from ..context import MODEL_FILE, TORCH_FILE, model_file
from .session import runtime_of

SETTINGS_FILE = "runtime.json"


def load(directory: str | Path) -> Any:
    """Open the product in `directory`: `model.onnx` or `model.pt2`, with `runtime.json` where it is there.

    Returns:
        An `onnxruntime.InferenceSession`, or the `torch.nn.Module` of an exported program, whose number of threads
        holds for the process.

    Raises:
        RequestError: no product, or a `runtime.json` that holds anything beyond the allow-list.
        ToolError: the runtime refuses the model.
    """
    folder = Path(directory)
    model = model_file(folder)
    if not model.is_file():
        raise RequestError(
            f"{str(folder)!r} holds no {MODEL_FILE} or {TORCH_FILE}; give the folder that `shipfit optimize` wrote"
        )
    settings = read_settings(folder / SETTINGS_FILE)
    own = runtime_of(model)
    if (folder / SETTINGS_FILE).exists() and settings.runtime != own.name:
        raise RequestError(f"{SETTINGS_FILE} speaks of {settings.runtime}, but {model.name} is for {own.name}")
    session: Any = own.open(model, settings)
    return session.inner


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
