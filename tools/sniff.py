"""Recognise what a file is from its first bytes, so that the wrong file gets a helpful answer."""

from __future__ import annotations

import zipfile
from pathlib import Path

HEAD_BYTES = 512

_EXPORT = "export the model with torch.onnx.export and give the .onnx file"
_FACTORY = (
    "write a function that returns the module with these weights (torch.load(…, weights_only=True)) and its example "
    "inputs, and give module:function"
)
_UNPACK = "unpack it and give the .onnx file"

# First bytes, offset → what it is, and how to go on.
_SIGNATURES: tuple[tuple[bytes, int, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", 0, "an HDF5 file (Keras)", "convert it with tf2onnx and give the .onnx file"),
    (b"TFL3", 4, "a TensorFlow Lite model", "convert it with tf2onnx and give the .onnx file"),
    (b"ORTM", 4, "an ORT-format model", "give the .onnx file that it was made from"),
    (b"GGUF", 0, "a GGUF model", "generative language models are not served; give an .onnx file"),
    (b"\x1f\x8b", 0, "a gzip archive", _UNPACK),
    (b"BZh", 0, "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\x00", 0, "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", 0, "a zstandard archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7-Zip archive", _UNPACK),
    (b"ustar", 257, "a tar archive", _UNPACK),
    (b"\x93NUMPY", 0, "a NumPy array", "give the .onnx file; data go to --data"),
    (b"version https://git-lfs", 0, "a Git LFS pointer", "fetch the file itself with `git lfs pull`"),
    (b"<", 0, "a text file (HTML or XML)", "the download probably failed; fetch the .onnx file again"),
)
_PICKLE_PROTOCOLS = range(2, 6)


def is_program(path: Path) -> bool:
    """Tell whether a file is an exported torch program (`.pt2`), by its name or by the records it holds."""
    try:
        if path.suffix.lower() == ".pt2" or not zipfile.is_zipfile(path):
            return path.suffix.lower() == ".pt2"
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(("/archive_format", "/models/model.json")) for name in archive.namelist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def foreign_format(head: bytes) -> tuple[str, str] | None:
    """Return what a file that starts with `head` is and how to mend it, or None where it may be ONNX.

    Args:
        head: the first `HEAD_BYTES` bytes of the file.
    """
    if not head:
        return "an empty file", "copy or export the model again"
    for signature, offset, what, mend in _SIGNATURES:
        if head.startswith(signature, offset):
            return what, mend
    return _pickle(head) or _zip(head) or _safetensors(head) or _text(head)


def _pickle(head: bytes) -> tuple[str, str] | None:
    if head[0] == 0x80 and len(head) > 1 and head[1] in _PICKLE_PROTOCOLS:
        return "a pickle (an old torch checkpoint), which may run code when read and is never opened", _FACTORY
    return None


def _zip(head: bytes) -> tuple[str, str] | None:
    if not head.startswith(b"PK\x03\x04"):
        return None
    if any(mark in head for mark in (b".pkl", b"/data/", b"/code/")):
        return "a torch checkpoint or TorchScript archive, which may run code when read and is never opened", _FACTORY
    return "a zip archive", _UNPACK


def _safetensors(head: bytes) -> tuple[str, str] | None:
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 100_000_000:
        return "a safetensors file, which holds weights without a graph", _FACTORY
    return None


def _text(head: bytes) -> tuple[str, str] | None:
    text = head.decode("utf-8", errors="ignore")  # the head may end inside a character
    if len(text.encode()) < len(head) - 3 or any(not (each.isprintable() or each in "\t\n\r\f\ufeff") for each in text):
        return None
    return "a text file", "give the .onnx file"
