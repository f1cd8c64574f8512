"""What the door may cost: the cases of `scenarios/command_line.yaml`."""

from __future__ import annotations

import yaml
from pydantic import TypeAdapter

from shipfit.contracts import Contract
from shipfit.interfaces.scenarios.case import Count, Positive
from shipfit.interfaces.scenarios.load import FOLDER


class DoorCase(Contract):
    """A command that does no work: CPU seconds at the median of `runs`."""

    name: str
    arguments: tuple[str, ...]
    exit_status: int
    cpu_s: Positive
    runs: Count = 5


def load_door_cases() -> list[DoorCase]:
    """Return the cases of `command_line.yaml`."""
    raw = yaml.safe_load((FOLDER / "command_line.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(list[DoorCase]).validate_python(raw)
