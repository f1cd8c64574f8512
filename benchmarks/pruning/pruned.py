"""What each tool made of each model, as records, and what they come to over the seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from arms import Figures
from machine import Machine, describe
from pydantic import BaseModel, ConfigDict
from verify import Figure

HERE = Path(__file__).resolve().parent
OURS, OURS_INT8, PEER = "shipfit", "shipfit, int8", "torch-pruning"
ARMS = (PEER, OURS, OURS_INT8)
RATIOS = (0.3, 0.5, 0.7)
FILE = "pruning.json"
LOWER_IS_BETTER = frozenset({"drop", "size", "seconds"})
# Student's t at 97.5 % by degrees of freedom.
_T = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571}


class Row(BaseModel):
    """A model of the table; `bars`: arm → ratio → quantity → bound."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    int8: dict[str, str]
    bars: dict[str, dict[float, dict[str, float]]] = {}


class Product(Figures):
    """One tool on one model with one seed.

    Attributes:
        made_of: digest of what decides what it is.
        cpu_s, wall_s: from file to file; of ours only the latter is known, for its tools run in processes of their own.
        load: of the machine when it was made.
        same_arm: time of a second session of the original over the first's, in the same run.
    """

    model: str
    seed: int
    ratio: float
    arm: str
    made_of: str
    cpu_s: float | None = None
    wall_s: float = 0.0
    load: float = 0.0
    same_arm: float = 1.0
    notes: list[str] = []
    commit: str = ""


class Table(BaseModel):
    """All products. `budget_s`: CPU seconds of recovery that each tool is given."""

    machine: Machine
    budget_s: float
    products: list[Product] = []

    def of(self, model: str, ratio: float, arm: str) -> list[Product]:
        """Return one tool's products of one model, a seed each."""
        return [each for each in self.products if (each.model, each.ratio, each.arm) == (model, ratio, arm)]


def load_rows() -> dict[str, Row]:
    """Return the table of models by name, in the order of the file."""
    raw = yaml.safe_load((HERE / "table.yaml").read_text(encoding="utf-8"))
    return {name: Row.model_validate(fields) for name, fields in raw.items()}


def read(folder: Path, budget_s: float) -> Table:
    """Return the last run's products, none where it had another budget."""
    path = folder / FILE
    if path.is_file():
        table = Table.model_validate_json(path.read_text(encoding="utf-8"))
        if table.budget_s == budget_s:
            return table
    return Table(machine=describe(), budget_s=budget_s)


def values(products: Sequence[Product], quantity: str) -> list[float]:
    """Return a quantity of each product that has it: `size`, `speedup`, `drop`, `seconds` or a field."""
    return list(_values(products, quantity))


def _values(products: Sequence[Product], quantity: str) -> Iterator[float]:
    for each in products:
        if each.size is None or each.speed is None:
            continue
        if quantity == "drop" and each.drop:
            yield each.drop.value
        elif quantity == "speedup":
            yield each.speed.value
        elif quantity == "seconds":
            yield each.wall_s
        elif quantity in ("size", "cpu_s") and (found := getattr(each, quantity)) is not None:
            yield found


def over_seeds(found: Sequence[float]) -> Figure | None:
    """Return the mean over seeds and its 95 % interval by Student's t; of one seed alone, the figure without any."""
    if not found:
        return None
    mean = sum(found) / len(found)
    if len(found) == 1:
        return Figure(value=mean, low=mean, high=mean)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in found) / (len(found) - 1))
    half = _T.get(len(found) - 1, 1.96) * deviation / math.sqrt(len(found))
    return Figure(value=mean, low=mean - half, high=mean + half)


def reaches(quantity: str, bound: float, value: float) -> bool:
    """Tell whether a mean reaches a bar."""
    return value <= bound + 1e-9 if quantity in LOWER_IS_BETTER else value >= bound - 1e-9
