"""The zoo's figures as JSON and as a page."""

from __future__ import annotations

from pathlib import Path

from bars import Bar
from judge import Row
from machine import Machine
from picture import draw
from pydantic import BaseModel
from verify import Figure


class Zoo(BaseModel):
    """A whole run of the zoo. Seconds of wall time."""

    machine: Machine
    workers: int
    build_s: float
    batch_s: float
    verify_s: float
    resume_s: float
    coordinator_peak_bytes: int
    rows: list[Row]
    bars: list[Bar]

    @property
    def all_reached(self) -> bool:
        """Whether no bar was missed."""
        return all(bar.reached for bar in self.bars)


def write(zoo: Zoo, folder: Path) -> None:
    """Write `zoo.json`, `zoo.md` and `zoo.svg` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zoo.json").write_text(zoo.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "zoo.md").write_text(markdown(zoo), encoding="utf-8")
    (folder / "zoo.svg").write_text(draw(zoo.rows), encoding="utf-8")


def markdown(zoo: Zoo) -> str:
    """Return the figures as a page."""
    machine = zoo.machine
    good, hostile = ([row for row in zoo.rows if row.hostile is kind] for kind in (False, True))
    parts = [
        "# The zoo",
        f"- {machine.date}, commit {machine.commit}, `{machine.command}`\n"
        f"- {machine.cpu}, {machine.cores} cores, {machine.memory_gb} GB; load average at start {machine.load:.2f}\n"
        f"- {zoo.workers} workers; making the models {zoo.build_s:.0f} s, the batches {zoo.batch_s:.0f} s, measuring "
        f"again {zoo.verify_s:.0f} s, a second run with `--resume` {zoo.resume_s:.1f} s; the coordinator's peak is "
        f"{zoo.coordinator_peak_bytes / 1e6:.0f} MB",
        _table("bar|bound|found|", [[bar.name, bar.bound, bar.found, _word(bar)] for bar in zoo.bars]),
        "## Models",
        "Size, speed, drop and fidelity were measured on the delivered file by `benchmarks/verify.py`, which knows "
        "nothing of shipfit, on samples that the run had not seen, with 95 % intervals. Speed is thread CPU time, "
        "original / product, in interleaved stock sessions of one thread.",
        _table("model|kinds|status|attempts|wall|size|speed|drop|fidelity|", [_good(row) for row in good]),
        "## Hostile",
        _table("entry|status|reason|", [[row.name, row.status, row.reason, _missed(row)] for row in hostile]),
    ]
    return "\n\n".join(parts) + "\n"


def _good(row: Row) -> list[str]:
    proof = row.proof
    return [
        row.name,
        ", ".join(row.kinds),
        row.status + (f" ({row.infeasible})" if row.infeasible else ""),
        str(row.attempts),
        f"{row.wall_s:.0f} s",
        f"{proof.size_ratio:.3f}" if proof else "–",
        _figure(proof.speedup if proof else None, 2, "×"),
        _figure(proof.drop if proof else None, 4),
        _figure(proof.fidelity_db if proof else None, 1, " dB"),
        _missed(row),
    ]


def _missed(row: Row) -> str:
    missed = ", ".join(bar.name for bar in row.bars if not bar.reached)
    return f"**missed: {missed}**" if missed else ""


def _word(bar: Bar) -> str:
    return "reached" if bar.reached else "**missed**"


def _figure(figure: Figure | None, digits: int, unit: str = "") -> str:
    if figure is None:
        return "–"
    return f"{figure.value:.{digits}f}{unit} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def _table(head: str, rows: list[list[str]]) -> str:
    columns = head.count("|") + 1
    lines = [f"| {' | '.join(head.split('|'))} |", "|" + "---|" * columns]
    return "\n".join([*lines, *(f"| {' | '.join(map(_cell, cells))} |" for cells in rows)])


def _cell(text: str) -> str:
    """Return text that a page shows as it is: names of hostile entries are hostile."""
    plain = "".join(each if each.isprintable() else "?" for each in text)
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|")):
        plain = plain.replace(sign, instead)
    return plain
