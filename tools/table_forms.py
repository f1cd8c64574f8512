"""Which sensitivity table tells the damage of a unit's form."""

from __future__ import annotations

from collections.abc import Mapping

from ..contracts import QuantizedForm

TABLE_FORMS: Mapping[str, QuantizedForm] = {
    "int8 static": "static",
    "int8 dynamic": "dynamic",
    "fp16 half": "half",
    "int8 stored": "int8",
    "int8 block stored": "int8_block",
    "int4 stored": "int4",
    "fp16 stored": "fp16",
}
