"""Look into a `.pt2` archive before torch opens it, and refuse what torch would run or unpickle.

What `torch.export.load` of torch 2.13 trusts in an archive, found by reading `torch/export/pt2_archive/_package.py`,
`torch/_export/serde/serialize.py`, `torch/export/_unlift.py`, `torch/utils/_pytree.py` and `torch/fx/graph.py`:

- weights and constants marked `use_pickle`, opaque constants (`opaque_obj_…`) and the legacy files `data/weights/….pt`
  and `data/constants/….pt` are unpickled without `weights_only`;
- example inputs are read with `weights_only` first, and without it where that fails;
- script objects (`custom_obj_…`) are unpickled in C++ into whatever class they name;
- `data/aotinductor/…` holds shared libraries, which are loaded;
- expressions of shapes go through `sympy.sympify`, which evaluates Python;
- guards are pasted into a function that is executed;
- the target of a node is looked up attribute by attribute below `torch`, `math` or `_operator`, and called when the
  program runs: `torch.hub.load` would do;
- a tree of inputs or outputs may import modules (default dictionaries, enumerations, named tuples);
- names of placeholders and parameters are pasted into the source of the graph's `forward`;
- an archive of the older format (`serialized_exported_program.json`) takes another way, with pickles throughout.

So an archive is refused unless every record, string, operator and expression in it is of a kind that is known to be
plain. Records are stored uncompressed, so that none unpacks to more than the file holds. What torch does in its own
C++ readers runs in a sandboxed child.
"""

from __future__ import annotations

import ast
import io
import json
import pickletools
import re
import zipfile
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch

from ...contracts import ModelFileError
from ..onnx_model import one_line, quoted

# torch's own reader: what it would find is looked at, not what another reader finds.
_READER: Any = import_module("torch._C").PyTorchFileReader

MAX_RECORDS = 200_000
MAX_JSON_BYTES = 256 * 2**20
_MEND = "export it again with torch.export.save, or give module:factory"

_RECORDS = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(?:version|serialization_id)|\.format_version|\.storage_alignment"
    r"|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(?:model_weights_config\.json|weight_\d+)"
    r"|data/constants/(?:model_constants_config\.json|(?:tensor|custom_obj)_\d+)"
)
_FORBIDDEN = {
    "data/aotinductor/": "compiled code",
    "data/constants/opaque_obj": "pickled objects",
    "serialized_": "the older format, which is made of pickles",
}
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,400}")
_PLAIN = re.compile(r"[\w.\-@+:<= ]{0,400}")
_TARGETS = re.compile(
    r"torch\.ops\.(?:aten|prims|quantized|quantized_decomposed|mkldnn|onednn|mkldnn_prepacked)\.\w+\.\w+"
    r"|torch\.ops\.higher_order\.(?:cond|while_loop|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|_operator\.(?:eq|ne|le|ge|lt|gt|neg|pos|mul|add|sub|floordiv|mod|pow|truediv|and_|or_|getitem|not_)"
    r"|math\.(?:trunc|floor|ceil|sqrt)|torch\.sym_(?:not|int|float|ite|max|min|sqrt|sum)"
    r"|torch\._sym_sqrt"
)
# Operators that touch files.
_BAD_OPERATORS = frozenset({"from_file", "save", "load"})
_TREES = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"})
_OBJECTS = re.compile(r"__torch__\.torch\.classes\.(?:quantized|mkldnn|onednn|xnnpack)\.\w+")
_OBJECT_GLOBALS = re.compile(
    rf"{_OBJECTS.pattern}|torch\._utils _rebuild_q?tensor(?:_v2)?|collections OrderedDict"
    r"|torch \w+Storage|torch per_(?:tensor|channel)_affine|torch\.jit\._pickle \w+"
)
_EXPRESSIONS = frozenset({
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Mod", "PythonMod", "Max", "Min", "Abs",
    "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan",
    "GreaterThan", "And", "Or", "Not", "FloorDiv", "CeilDiv", "CleanDiv", "ModularIndexing", "Where", "CeilToInt",
    "FloorToInt", "TruncToInt", "TruncToFloat", "RoundToInt", "RoundDecimal", "LShift", "RShift", "PowByNatural",
    "FloatPow", "FloatTrueDiv", "IntTrueDiv", "ToFloat", "Identity", "IsNonOverlappingAndDenseIndicator",
    "floor", "ceiling", "Piecewise", "ExprCondPair",
})  # fmt: skip
_ATTRIBUTES = frozenset({"size", "stride", "storage_offset", "shape", "ndim", "isnan", "inf"})
_NODES = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.Compare, ast.BoolOp, ast.BinOp,
    ast.UnaryOp, ast.Subscript, ast.Attribute, ast.Tuple, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
_FREE_TEXT = frozenset({"metadata", "as_string", "as_strings"})


def check_archive(path: Path, name: str | None = None) -> dict[str, Any]:
    """Refuse a `.pt2` archive that would run code when it is opened or called, and return its `model.json`.

    Args:
        path: the file.
        name: what messages call it, where that is not the file's own name.

    Raises:
        ModelFileError: one line that says what is in it that may not be, or that it is damaged.
    """
    return _Archive(path, name or path.name).check()


class _Archive:
    """One archive under examination. Sizes come from the index, content from torch's own reader."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = quoted(name)

    def check(self) -> dict[str, Any]:
        records = self._records()
        self._check_names(records)
        try:
            reader = _READER(str(self._path))
            if set(reader.get_all_records()) != set(records):
                raise self._damaged("its two indices differ")
            self._check_payloads(reader, records)
            self._check_examples(bytes(reader.get_record("data/sample_inputs/model.pt")))
            model = self._json(reader, "models/model.json")
            self._check_model(model)
        except RecursionError as error:
            raise self._damaged("it is nested too deeply") from error
        except (RuntimeError, UnicodeDecodeError, KeyError) as error:
            raise self._damaged(one_line(str(error).split("\n")[0])) from error
        return model

    def _refused(self, what: str) -> ModelFileError:
        return ModelFileError(f"{self._name} holds {what}, which is never opened; {_MEND}")

    def _damaged(self, why: str) -> ModelFileError:
        return ModelFileError(f"{self._name} is damaged or no exported program ({why}); {_MEND}")

    def _records(self) -> dict[str, int]:
        """Return the records (without the archive's own folder) and their sizes."""
        try:
            with zipfile.ZipFile(self._path) as archive:
                infos = archive.infolist()
                comment = archive.comment
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise self._damaged(one_line(str(error))) from error
        if len(infos) > MAX_RECORDS or sum(info.file_size for info in infos) > self._path.stat().st_size:
            raise self._damaged("it unpacks to more than it holds")
        if comment or any(info.compress_type != zipfile.ZIP_STORED for info in infos):
            raise self._damaged("torch stores records as they are, without comment or compression")
        names = [info.filename for info in infos]
        if len({each.partition("/")[0] for each in names}) != 1 or len(set(names)) != len(names):
            raise self._damaged("its records are not those of one program")
        return {info.filename.partition("/")[2]: info.file_size for info in infos}

    def _check_names(self, records: Mapping[str, int]) -> None:
        for record, size in records.items():
            for prefix, what in _FORBIDDEN.items():
                if record.startswith(prefix):
                    raise self._refused(what)
            if not _RECORDS.fullmatch(record):
                raise self._refused(f"a record {quoted(record)} that is no part of a plain program")
            if record.endswith(".json") and size > MAX_JSON_BYTES:
                raise self._damaged(f"{quoted(record)} is too large")
        for needed in ("models/model.json", "archive_format", "data/sample_inputs/model.pt"):
            if needed not in records:
                raise self._damaged(f"it lacks {needed}")

    def _json(self, reader: Any, record: str) -> dict[str, Any]:
        try:
            found = json.loads(bytes(reader.get_record(record)).decode())
        except json.JSONDecodeError as error:
            raise self._damaged(f"{record} is no JSON") from error
        if not isinstance(found, dict):
            raise self._damaged(f"{record} is no mapping")
        return cast("dict[str, Any]", found)

    def _check_payloads(self, reader: Any, records: Mapping[str, int]) -> None:
        """Weights and constants are raw bytes; a script object is one of torch's own packed weights."""
        for kind in ("weights", "constants"):
            config = self._json(reader, f"data/{kind}/model_{kind}_config.json").get("config")
            for name, entry in self._mapping(config).items():
                self._plain(name)
                path = str(self._mapping(entry).get("path_name", ""))
                is_object = kind == "constants" and re.fullmatch(r"custom_obj_\d+", path) is not None
                if entry.get("use_pickle") and not is_object:
                    raise self._refused("pickled weights")
                if f"data/{kind}/{path}" not in records or not re.fullmatch(r"(?:weight|tensor|custom_obj)_\d+", path):
                    raise self._damaged(f"{quoted(path)} is not there")
                if is_object:
                    self._check_object(bytes(reader.get_record(f"data/{kind}/{path}")))

    def _mapping(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._damaged("a mapping is missing")
        return cast("dict[str, Any]", value)

    def _check_object(self, content: bytes) -> None:
        """A script object is an archive of its own: one pickle, read in C++, and tensors."""
        inner = self._stored(content)
        pickles = [name for name in inner.namelist() if name.endswith("data.pkl")]
        odd = [
            name for name in inner.namelist() if not re.fullmatch(r"[^/]+/(?:data\.pkl|data/\d+|\.data/\w+|\w+)", name)
        ]
        if len(pickles) != 1 or odd:
            raise self._refused("an object that is none of torch's packed weights")
        for name in _globals(inner.read(pickles[0])):
            if not _OBJECT_GLOBALS.fullmatch(name):
                raise self._refused(f"an object of {quoted(name)}")

    def _stored(self, content: bytes) -> zipfile.ZipFile:
        try:
            inner = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise self._refused("an object that is no plain archive") from error
        stored = all(info.compress_type == zipfile.ZIP_STORED for info in inner.infolist())
        if not stored or sum(info.file_size for info in inner.infolist()) > len(content):
            raise self._damaged("an object unpacks to more than it holds")
        return inner

    def _check_examples(self, content: bytes) -> None:
        if not content:
            return
        self._stored(content)
        try:
            torch.load(io.BytesIO(content), weights_only=True)
        except Exception as error:
            raise self._refused("example inputs that are more than tensors") from error

    def _check_model(self, model: dict[str, Any]) -> None:
        for guard in _strings(model.get("guards_code", [])):
            self._expression(guard, "a guard", plain=re.compile(r"[\w\s.\[\]'()<>=!+\-*/%,]{1,2000}"))
        self._walk({key: value for key, value in model.items() if key != "guards_code"})

    def _walk(self, value: Any, key: str = "") -> None:
        """Check every string by what it is used for; a kind that is not known must be plain."""
        if isinstance(value, dict):
            for name, each in cast("dict[str, Any]", value).items():
                self._plain(name)
                if name not in _FREE_TEXT:
                    self._walk(each, name)
        elif isinstance(value, list):
            for each in value:
                self._walk(each, key)
        elif isinstance(value, str):
            self._string(value, key)

    def _string(self, text: str, key: str) -> None:
        if key in ("target", "as_operator"):
            parts = text.split(".")
            if not _TARGETS.fullmatch(text) or (len(parts) > 3 and parts[3] in _BAD_OPERATORS):
                raise self._refused(f"a call of {quoted(text)}")
        elif key == "expr_str":
            self._expression(text, "an expression")
        elif key in ("in_spec", "out_spec"):
            self._tree(text)
        elif key == "class_fqn":
            if not _OBJECTS.fullmatch(text):
                raise self._refused(f"an object of {quoted(text)}")
        elif key in ("name", "as_name", "forward_arg_names"):
            if text and not _IDENTIFIER.fullmatch(text):
                raise self._refused(f"a name {quoted(text)}")
        else:
            self._plain(text)

    def _plain(self, text: str) -> None:
        if not _PLAIN.fullmatch(text):
            raise self._refused(f"a name {quoted(text)}")

    def _expression(self, text: str, what: str, plain: re.Pattern[str] | None = None) -> None:
        if not _is_harmless(text) or (plain is not None and not plain.fullmatch(text)):
            raise self._refused(f"{what} that is more than arithmetic ({quoted(text)})")

    def _tree(self, text: str) -> None:
        try:
            spec = json.loads(text)
        except json.JSONDecodeError as error:
            raise self._damaged("a tree of inputs or outputs is no JSON") from error
        pending = [spec[1]] if isinstance(spec, list) and len(spec) == 2 else [None]
        while pending:
            node = self._mapping(pending.pop())
            if node.get("type") not in _TREES:
                raise self._refused(f"inputs or outputs of type {quoted(str(node.get('type')))}")
            self._keys(node.get("context"))
            pending.extend(node.get("children_spec", []))

    def _keys(self, context: Any) -> None:
        try:
            keys = json.loads(context) if isinstance(context, str) else context
        except json.JSONDecodeError as error:
            raise self._damaged("a tree of inputs or outputs is no JSON") from error
        if keys is None:
            return
        if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
            raise self._refused("inputs or outputs by other keys than names")
        for key in _strings(keys):
            self._plain(key)


def _strings(values: Iterable[Any]) -> list[str]:
    return [each for each in values if isinstance(each, str)]


def _is_harmless(text: str) -> bool:
    """Tell whether Python, or sympy, can only compute with numbers and sizes when it evaluates `text`."""
    if len(text) > 2000:
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return all(isinstance(node, _NODES) and _is_harmless_node(node) for node in ast.walk(tree))


def _is_harmless_node(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in _ATTRIBUTES
    if isinstance(node, ast.Call):
        named = isinstance(node.func, ast.Name) and node.func.id in _EXPRESSIONS
        return named or isinstance(node.func, ast.Attribute)
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return _PLAIN.fullmatch(node.value) is not None
        return isinstance(node.value, int | float) and abs(node.value) < 2**64
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.LShift):
        return isinstance(node.right, ast.Constant) and isinstance(node.right.value, int) and node.right.value < 64
    if isinstance(node, ast.Name):
        return "__" not in node.id
    return True


def _globals(content: bytes) -> list[str]:
    """Return the names that a pickle refers to; anything that builds names while it runs is one that nothing allows."""
    found: list[str] = []
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            found.append(f"{module}.{name}" if module.startswith("__torch__") else f"{module} {name}")
        elif opcode.name in {"STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}:
            found.append(opcode.name)
    return found
