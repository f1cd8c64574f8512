"""What the zoo's manifest asks and what must come out, read without shipfit, whose parser would hide its mistakes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from shipfit.interfaces.scenarios.case import HeldOut
from shipfit.interfaces.scenarios.load import FOLDER

ZOO = FOLDER / "zoo"
CACHE = ZOO / "cache"
MANIFEST, EXPECTED = ZOO / "zoo.yaml", ZOO / "expected.yaml"
KINDS = (
    "cnn",
    "mobile",
    "lstm",
    "gru",
    "transformer",
    "audio",
    "detection",
    "quantized",
    "control flow",
    "dynamic shapes",
    "external data",
    "torch",
    "hostile",
)  # fmt: skip
HONEST = ("met", "unverified", "rolled_back")
# What nobody bounds may not get notably worse either: the guards as the README promises them.
_GUARDS = {"max_size_ratio": 1.02, "min_speedup": 1 / 1.05}
_GUARD_DROP, _GUARD_DB = 0.01, 20.0


class Expected(BaseModel):
    """One row of `expected.yaml`.

    Attributes:
        kinds: what the model stands for.
        status: how its row should end; `failed` for hostile ones alone.
        recipe: a recipe that is known to meet the request, so that it counts as feasible.
        infeasible: why no recipe can.
        says: what the reason of a failure must contain.
        original: the file that the product is compared with, where the manifest names a factory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[str, ...]
    status: Literal["met", "unverified", "rolled_back", "failed"]
    recipe: str = ""
    infeasible: str = ""
    says: str = ""
    original: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Expected:
        if unknown := set(self.kinds) - set(KINDS):
            raise ValueError(f"unknown kinds: {', '.join(sorted(unknown))}")
        if ("hostile" in self.kinds) != (self.status == "failed") or (self.status == "failed") != bool(self.says):
            raise ValueError("hostile ones fail and say why; others do not")
        return self


class Ask(BaseModel):
    """What the manifest asks of one model, its defaults filled in."""

    name: str
    original: Path
    held_out: Path | None
    bounds: HeldOut
    state: dict[str, str]


def load_expected() -> dict[str, Expected]:
    """Return what must come out, by name.

    Raises:
        ValueError: a row that does not fit.
    """
    raw = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))
    return {name: Expected.model_validate(value) for name, value in raw.items()}


def load_entries() -> dict[str, dict[str, Any]]:
    """Return the manifest's entries by name, its defaults filled in."""
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    named = {entry.get("name") or entry["glob"]: entry for entry in manifest["models"]}
    return {name: {**manifest["defaults"], "name": name, **entry} for name, entry in named.items()}


def ask(entry: dict[str, Any], expected: Expected) -> Ask:
    """Return what is asked, as bounds on figures that can be measured again."""
    data = ZOO / entry["data"] if "data" in entry else None
    held_out = data.with_name("held_out.npz") if data else None
    return Ask(
        name=entry["name"],
        original=ZOO / (expected.original or entry["path"]),
        held_out=held_out,
        bounds=_bounds(entry.get("constraints", {}), labelled=held_out is not None and _is_labelled(held_out)),
        state=entry.get("state", {}),
    )


def _is_labelled(held_out: Path) -> bool:
    import numpy as np

    with np.load(held_out) as archive:
        return bool({"labels", "targets"} & set(archive.files))


def _bounds(constraints: dict[str, Any], labelled: bool) -> HeldOut:
    """Return the manifest's bounds, and the guards of what it does not bound."""
    asked: dict[str, Any] = dict(_GUARDS)
    if "max_size" in constraints:
        asked["max_size_ratio"] = _share(constraints["max_size"])
    if "min_speedup" in constraints:
        asked["min_speedup"] = float(constraints["min_speedup"])
    if "max_drop" in constraints or labelled:
        asked["max_drop"] = _share(constraints.get("max_drop", _GUARD_DROP))
    if "min_fidelity" in constraints or not labelled:
        asked["min_fidelity_db"] = float(re.sub(r"\s*dB$", "", str(constraints.get("min_fidelity", _GUARD_DB))))
    return HeldOut(**asked)


def _share(value: object) -> float:
    text = str(value)
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)
