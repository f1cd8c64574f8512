"""The benchmark's figures, as JSON and as a table for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bars import Bar
from machine import Machine
from pydantic import BaseModel
from verify import Figure, Proof
from watch import Watched


class Row(BaseModel):
    """One scenario: what the run said of itself, what was measured of it and of its product, and the bars."""

    name: str
    about: str
    note: str = ""
    command: str = ""
    digests: dict[str, str] = {}
    samples: dict[str, int] = {}
    status: str = "-"
    reason: str = ""
    attempts: int = 0
    first_met: int | None = None
    verdicts: list[str] = []
    reported: dict[str, float | None] = {}
    timing: dict[str, float] = {}
    effort: dict[str, float] = {}
    wall_s: float = 0.0
    own_cpu_s: float = 0.0
    children_cpu_s: float = 0.0
    peak_bytes: int = 0
    proof: Proof | None = None
    bars: list[Bar] = []

    def take_run(self, watched: Watched) -> None:
        """Keep what the command cost; paths in its words are cut to names, for they say nothing to others."""
        self.command = " ".join(Path(word).name if word.startswith("/") else word for word in watched.command)
        self.wall_s, self.own_cpu_s = watched.wall_s, watched.own_cpu_s
        self.children_cpu_s, self.peak_bytes = watched.children_cpu_s, watched.peak_bytes

    def take_report(self, report: dict[str, Any]) -> None:
        """Keep what the run says of itself."""
        self.status, self.reason, self.first_met = report["status"], report["reason"], report["first_met"]
        self.attempts = len(report["attempts"])
        self.verdicts = [_verdict(attempt) for attempt in report["attempts"]]
        self.reported = {name: _value(quantity) for name, quantity in (report["comparison"] or {}).items()}
        self.timing, self.effort = report["timing"], report["effort"]

    @property
    def outside_s(self) -> float:
        """CPU seconds of the command's own process beyond importing third-party packages."""
        return self.own_cpu_s - self.timing.get("import_cpu_s", 0.0)

    @property
    def missed(self) -> list[Bar]:
        """The bars that were not reached."""
        return [bar for bar in self.bars if not bar.reached]


class Results(BaseModel):
    """A whole run of the benchmark. `import_cpu_s`: the coordinator's third-party imports, measured by themselves."""

    machine: Machine
    import_cpu_s: float
    rows: list[Row] = []
    door: list[Bar] = []

    @property
    def all_reached(self) -> bool:
        """Whether no bar was missed."""
        return not any(row.missed for row in self.rows) and all(bar.reached for bar in self.door)


def write(results: Results, folder: Path) -> None:
    """Write `main_job.json` and `main_job.md` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main_job.json").write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "main_job.md").write_text(markdown(results), encoding="utf-8")


def markdown(results: Results) -> str:
    """Return the figures as a page."""
    columns = "case,status,attempts (first met),size,speed,drop,fidelity,wall,own CPU beyond imports,peak,bars"
    head = f"{_cells(*columns.split(','))}\n|{'---|' * 11}"
    door = [_cells(bar.name, bar.found, bar.bound, "reached" if bar.reached else "**missed**") for bar in results.door]
    parts = [
        "# The main job against its bars",
        _machine(results),
        "Size, speed, drop and fidelity were measured on the delivered file by `benchmarks/verify.py`, on samples that "
        "the run had not seen, with 95 % intervals; speed is thread CPU time, original / product, in interleaved stock "
        "sessions of one thread. Wall time, CPU and peak resident size are those of the command's own process; the "
        "imports that are taken off are those that the run itself counted.",
        "\n".join([head, *map(_row, results.rows)]),
    ]
    if door:
        parts += ["## At the door", "\n".join(["| command | found | bar | |\n|---|---|---|---|", *door])]
    parts += ["## What was asked, and every bar", *map(_details, results.rows)]
    return "\n\n".join(parts) + "\n"


def _machine(results: Results) -> str:
    machine = results.machine
    libraries = ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
    return "\n".join(
        [
            f"- {machine.date}, commit {machine.commit}, `{machine.command}`",
            f"- {machine.cpu}, {machine.cores} cores, {machine.memory_gb} GB, flags {', '.join(machine.flags) or '-'}; "
            f"load average at the start {machine.load:.2f}",
            f"- {machine.system}, Python {machine.python}, {libraries}",
            f"- importing the coordinator's third-party packages by itself: {results.import_cpu_s:.2f} s CPU",
        ]
    )


def _row(row: Row) -> str:
    proof = row.proof
    first = f" ({row.first_met})" if row.first_met else ""
    return _cells(
        row.name,
        row.status,
        f"{row.attempts}{first}",
        f"{proof.size_ratio:.3f}" if proof else "-",
        _figure(proof.speedup if proof else None, 2, "×"),
        _figure(proof.drop if proof else None, 4),
        _figure(proof.fidelity_db if proof else None, 1, " dB"),
        f"{row.wall_s:.1f} s",
        f"{row.outside_s:.2f} s",
        f"{row.peak_bytes / 1e6:.0f} MB",
        _bars_cell(row),
    )


def _bars_cell(row: Row) -> str:
    if not row.bars:
        return row.note or "-"
    missed = ", ".join(bar.name for bar in row.missed)
    return f"**missed: {missed}**" if missed else f"{len(row.bars)} of {len(row.bars)}"


def _details(row: Row) -> str:
    bars = [_cells(bar.name, bar.found, bar.bound, "reached" if bar.reached else "**missed**") for bar in row.bars]
    lines = [f"### {row.name}", row.about, f"`{row.command}`" if row.command else ""]
    lines += [row.note, row.reason, "\n".join(f"- {verdict}" for verdict in row.verdicts)]
    if bars:
        lines.append("\n".join(["| bar | found | bound | |\n|---|---|---|---|", *bars]))
    return "\n\n".join(line for line in lines if line)


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _figure(figure: Figure | None, digits: int, unit: str = "") -> str:
    if figure is None:
        return "-"
    return f"{figure.value:.{digits}f}{unit} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def _verdict(attempt: dict[str, Any]) -> str:
    verdict, plan = attempt["verdict"], attempt["plan"]
    compute = (plan["quantize"] or {}).get("compute", {})
    storage = (plan["quantize"] or {}).get("storage", "none")
    forms = [*(f"{operator} {form}" for operator, form in compute.items()), f"storage {storage}"]
    return f"attempt {attempt['index']}: {verdict['kind']}, {verdict['reason']} ({', '.join(forms)})"


def _value(quantity: Any) -> float | None:
    """Return a quantity's number; contracts write infinite ones as strings."""
    value = quantity.get("value") if isinstance(quantity, dict) else None
    return float(value) if value is not None else None
