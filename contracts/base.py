"""The base of every contract type: immutable, closed, JSON-serialisable."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """An immutable record that refuses unknown fields.

    Contracts cross process and machine boundaries as JSON, so a field that is
    not declared is an error at the door, never silently dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", allow_inf_nan=True)
