"""What a batch shows while it runs."""

from __future__ import annotations

import io

from rich.console import Console

from shipfit.contracts import BatchRow, NodeStarted, Progress
from shipfit.interfaces.batch.table import LiveBoard

HOSTILE = "net\x1b[31m\u202e[bold]"


def drawn(board: LiveBoard, console: Console) -> list[str]:
    with console.capture() as capture:
        console.print(board.draw())
    return capture.get().splitlines()


def test_a_live_table_fits_its_terminal_and_shows_names_as_text():
    console = Console(file=io.StringIO(), width=120, height=20, force_terminal=True, color_system=None, markup=False)
    board = LiveBoard(300, console)
    for number in range(200):
        board.show(f"m{number}", None)
        row = BatchRow(name=f"m{number}", status="met", size_ratio=0.25, speedup=2.0, attempts=1, wall_s=3.0)
        board.show(f"m{number}", row)
    board.show(HOSTILE, None)
    board.show(HOSTILE, NodeStarted(node="measure"))
    board.show(HOSTILE, Progress(tool="benchmark", message="waiting for another measurement to end (3 s)"))
    lines = drawn(board, console)
    assert len(lines) <= 20
    assert lines[0].startswith("200 of 300 models done: 200 met")
    assert any("m199" in line and "25 %" in line and "2×" in line for line in lines)
    (running,) = [line for line in lines if "running" in line]
    assert "measure: waiting for another" in running
    assert "\x1b" not in running
    assert "\u202e" not in running
    assert "[bold]" in running
    board.show(HOSTILE, BatchRow(name=HOSTILE, status="failed", reason="a\nb"))
    assert "1 failed" in drawn(board, console)[0]
