"""Which sensitivity table tells the damage of a unit's form."""

from __future__ import annotations

from collections.abc import Mapping

TABLE_FORMS: Mapping[str, str] = {
    "int8 static": "static",
    "int8 dynamic": "dynamic",
    "int8 stored": "int8",
    "fp16 stored": "fp16",
}
