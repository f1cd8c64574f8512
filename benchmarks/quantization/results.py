"""The table's figures, as JSON, as a page and as a picture."""

from __future__ import annotations

from pathlib import Path

from asked import load
from gauges import draw
from judged import Found, Held
from machine import Machine, describe
from mixture_row import Finding, finding
from pydantic import BaseModel

_UNITS = {"size": "of the bytes", "speedup": "×", "drop": "points lost", "output_db": "dB at the outputs",
          "logits_db": "dB at the logits", "cosine": "cosine"}  # fmt: skip
_HEAD = "row|stock tools at best|size|speed|accuracy lost, points|dB at outputs|dB at logits|cosine|outcome"
_EFFORT = "row|attempts (first met)|candidates|sample runs|CPU|wall|recipe|units"
_HOW = """\
Every row is one `shipfit optimize` with the bars as its request, in a fresh home. Size, speed, accuracy and SQNR were
measured on the delivered file by code that has nothing of shipfit, on samples that the run never saw: speed by thread
CPU time in interleaved stock sessions of one thread. In brackets: the bar, and after an arrow the stretch. *Within
noise* (~): the estimate misses the bar, the 95 % interval does not. A row that was not delivered came back as the
original; what its run offers instead stands below."""


class Table(BaseModel):
    """All rows. Each has the commit and the moment of its own run; `machine` is the last run's."""

    machine: Machine
    workers: int = 1
    rows: list[Found] = []
    finding: Finding | None = None


def read(folder: Path) -> Table:
    """Return the last run's figures, or a table without rows."""
    path = folder / "quantization.json"
    return Table.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else Table(machine=describe())


def write(table: Table, folder: Path) -> None:
    """Write `quantization.json`, `.md` and `.svg` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    table.finding = finding(folder / "peers.json")
    (folder / "quantization.json").write_text(table.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "quantization.md").write_text(_page(table), encoding="utf-8")
    (folder / "quantization.svg").write_text(draw(table.rows), encoding="utf-8")


def _page(table: Table) -> str:
    reached = sum(row.state == "reached" for row in table.rows)
    noise = sum(row.state == "within noise" for row in table.rows)
    stretched = sum(row.stretched for row in table.rows)
    limits = {name: asked.limit for name, asked in load().items()}
    return (
        "\n\n".join(
            [
                "# Quantization against what it must reach",
                _machine(table),
                f"{reached} of {len(table.rows)} rows reach every bar, {noise} more within the noise of measuring; "
                f"{stretched} reach their stretch.",
                "![Found against bars and stretches](quantization.svg)",
                _HOW,
                _lines(_HEAD, [_row(row) for row in table.rows]),
                "## What it took",
                _lines(_EFFORT, [_effort(row) for row in table.rows]),
                "## Finding the mixture",
                table.finding.told()
                if table.finding
                else "Not measured: `make bench-peers` has not run on this machine.",
                "## What was asked",
                *(_details(row, limits.get(row.name, "")) for row in table.rows),
            ]
        )
        + "\n"
    )


def _machine(table: Table) -> str:
    machine = table.machine
    libraries = ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
    commits = ", ".join(sorted({row.commit for row in table.rows})) or machine.commit
    return "\n".join(
        [
            f"- {machine.date}, commit {commits}, `{machine.command}`, {table.workers} runs side by side",
            f"- {machine.cpu}, {machine.cores} cores, {machine.memory_gb} GB, flags {', '.join(machine.flags) or '–'}; "
            f"load average at the start {machine.load:.2f}",
            f"- {machine.system}, Python {machine.python}, {libraries}",
        ]
    )


def _row(row: Found) -> list[str]:
    bars = {bar.name: bar for bar in row.held}
    cells = [_found(row, name, bars.get(name)) for name in _UNITS]
    return [row.name, row.stock, *cells, _outcome(row)]


def _found(row: Found, name: str, bar: Held | None) -> str:
    if bar is None:
        return _beside(row, name)
    scale = 100 if name == "drop" else 1
    mark = "" if bar.state == "reached" else " ~" if bar.state == "within noise" else " **missed**"
    stretch = f" → {_number(bar.stretch * scale)}" if bar.stretch is not None else ""
    return f"{_number(bar.found.value * scale)} ({_number(bar.bar * scale)}{stretch}){mark}"


def _beside(row: Found, name: str) -> str:
    """Return a figure that has no bar."""
    if row.measured is None:
        return "–"
    proof = row.measured.proof
    figures = {"size": proof.size_ratio, "speedup": proof.speedup.value, "output_db": proof.fidelity_db.value}
    figures |= {"logits_db": row.measured.logits_db.value, **({"drop": 100 * proof.drop.value} if proof.drop else {})}
    return _number(figures[name]) if name in figures else "–"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def _outcome(row: Found) -> str:
    words = f"{row.state}, stretch too" if row.stretched else row.state
    return words if row.state in ("reached", "within noise") else f"**{words}** ({row.status})"


def _effort(row: Found) -> list[str]:
    effort = row.effort
    first = f" ({effort.first_met})" if effort.first_met else ""
    counts = [f"{effort.attempts}{first}", str(effort.candidates), str(effort.sample_runs)]
    return [row.name, *counts, f"{effort.cpu_s:.0f} s", f"{effort.wall_s:.0f} s", row.steps or "–", row.forms or "–"]


def _details(row: Found, limit: str) -> str:
    nearest = f"Offered instead: {row.nearest}" if row.nearest else ""
    known = f"Out of reach: {limit}" if limit and row.state != "reached" else ""
    lines = [f"### {row.name}", f"{row.about}.", f"`{row.command}`", row.reason, nearest, known]
    return "\n\n".join(line for line in [*lines, f"{row.date}, commit {row.commit}"] if line)


def _lines(head: str, rows: list[list[str]]) -> str:
    columns = head.count("|") + 1
    lines = [f"| {' | '.join(head.split('|'))} |", "|" + "---|" * columns]
    return "\n".join([*lines, *(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |" for cells in rows)])
