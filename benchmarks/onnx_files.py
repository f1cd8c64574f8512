"""What an ONNX model consists of on disk, and which operators it asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})


def files_of(model: Path) -> list[Path]:
    """Return the model file and every file of external data that it names, in whatever graph."""
    if model.suffix != ".onnx":
        return [model]
    named = {
        entry.value
        for tensor in _messages(_load(model), "TensorProto")
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return [model, *(model.parent / name for name in sorted(named))]


def size_of(model: Path) -> int:
    """Return the bytes of every file that loading the model needs."""
    return sum(path.stat().st_size for path in files_of(model))


def foreign_domains(model: Path) -> list[str]:
    """Return the operator sets in use that a stock onnxruntime does not have."""
    if model.suffix != ".onnx":
        return []
    return sorted({node.domain for node in _messages(_load(model), "NodeProto")} - STANDARD_DOMAINS)


def same_bytes(first: Path, second: Path) -> bool:
    """Tell whether two models have the same files with the same content, whatever the model file is called."""
    return _contents(first) == _contents(second)


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _contents(model: Path) -> dict[str, str]:
    main, *others = files_of(model)
    return {"": sha256(main), **{str(path.relative_to(model.parent)): sha256(path) for path in others}}


def _load(model: Path) -> Any:
    import onnx

    return onnx.load(model, load_external_data=False)


def _messages(message: Any, kind: str) -> Iterator[Any]:
    """Yield every message of the type `kind` in `message`, nested ones too."""
    if message.DESCRIPTOR.name == kind:
        yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in [value] if hasattr(value, "DESCRIPTOR") else value:
                yield from _messages(item, kind)
