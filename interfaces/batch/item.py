"""One model of a zoo: where it comes from, what is asked of it, what it is called."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...contracts import names_code

SourceKind = Literal["path", "url", "resource", "module"]
# The manifest's usual name.
FILE_NAME = "zoo.yaml"
MODEL_SUFFIXES = (".onnx", ".pt2")
# Files that the batch itself writes beside the products' folders.
SUMMARY_FILES = frozenset({"summary.json", "summary.csv", "summary.html"})
_MOST_BYTES = 200
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Source:
    """Where a model comes from: an absolute path, a URL, `package:path` or `module:factory`."""

    kind: SourceKind
    text: str
    sha256: str | None = None


@dataclass(frozen=True)
class Item:
    """One model of a zoo.

    Attributes:
        where: the place that names it, such as `zoo.yaml, line 12`.
        fields: of its request, without the model and the folder of the product.
        fault: why it cannot be run, where that is known already.
    """

    name: str
    source: Source
    where: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fault: str = ""

    @property
    def code(self) -> str:
        """The `module:callable` that it would run, or nothing."""
        named = [self.source.text if self.source.kind == "module" else ""]
        named += [str(self.fields.get(key) or "") for key in ("data", "calibration_data", "metric")]
        return next((text for text in named if names_code(text)), "")

    def asked(self, trust_code: bool) -> str:
        """Return the digest of everything that is asked; another request has another."""
        facts = [vars(self.source), self.fields, self.fault, trust_code and bool(self.code)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def name_fault(name: str) -> str:
    """Return why `name` cannot be the folder of a product below the batch's, or nothing."""
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") for part in parts):
        return "a name is a relative path such as vision/digits"
    if _FORBIDDEN.search(name) or any(part.startswith(".") for part in parts):
        return "a name holds no control characters, and no part of it begins with a dot"
    if any(len(part.encode("utf-8", "surrogateescape")) > _MOST_BYTES for part in parts) or len(parts) > 20:
        return f"no part of a name is longer than {_MOST_BYTES} bytes"
    if parts[0] in SUMMARY_FILES:
        return f"{parts[0]} is the batch's own file"
    return ""
