"""The table of what must be reached, read from `table.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

TABLE = Path(__file__).resolve().with_name("table.yaml")
_LIMIT = "120s"  # of a run, where the row has none: the whole table is to take twenty minutes


class Bounds(BaseModel):
    """What a product is held to; the units are those of `table.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: float | None = None
    speedup: float | None = None
    drop: float | None = None
    output_db: float | None = None
    logits_db: float | None = None
    cosine: float | None = None

    def given(self) -> dict[str, float]:
        """Return what is bounded, in the order of the fields."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class Asked(BaseModel):
    """One row of the table.

    Attributes:
        options: long options of `shipfit optimize` without the dashes; `config`: its configuration file.
        stretch_db: SQNR that is enough for the stretch, where it is less than the bar's.
        limit: what was measured where a bar is out of reach, and why it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    about: str
    model: str
    stock: str
    options: dict[str, str | int | float]
    config: dict[str, Any] = {}
    bars: Bounds
    stretch: Bounds = Bounds()
    stretch_db: float | None = None
    limit: str = ""

    @property
    def state(self) -> dict[str, str]:
        """Input → output whose last value it is fed."""
        return dict(self.config.get("state", {}))

    def arguments(self, limit: str | None = None) -> list[str]:
        """Return the options as the command line takes them."""
        options = {**self.options, "time-limit": limit or self.options.get("time-limit", _LIMIT), "seed": 0}
        return [part for name, value in options.items() for part in (f"--{name}", str(value))]


def load() -> dict[str, Asked]:
    """Return the rows by name, in the order of the file."""
    raw = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {name: Asked(name=name, **fields) for name, fields in raw.items()}
