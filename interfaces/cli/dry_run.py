"""`shipfit optimize --dry-run`: profile, plans and predictions, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...contracts import Plan, Request, units
from ..facts import levers_text
from ..host import host_text
from ..text import clean
from .console import print_json, results
from .inspect import print_profile
from .seam import open_service

if TYPE_CHECKING:
    from rich.table import Table


def show_dry_run(request: Request, as_json: bool) -> int:
    """Print what a run would try, and how long it would take."""
    dry = open_service().dry_run(request)
    if as_json:
        print_json(dry)
        return 0
    console = results()
    print_profile(dry.profile)
    console.print()
    console.print(_plans(dry.plans))
    for number, plan in enumerate(dry.plans, start=1):
        console.print(f"{number}. {clean(plan.reason)}", style="dim")
    console.print(f"int8 speed on this machine, {host_text(dry.host)}", style="dim")
    for note in dry.notes:
        console.print(f"note: {clean(note)}", style="yellow")
    low, high = (units.format_seconds(seconds) for seconds in dry.seconds_estimate)
    console.print(f"takes about {low} when the first plan holds, {high} at most; verdicts use measurements only")
    return 0


def _plans(plans: tuple[Plan, ...]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("#", "plan", "size", "speed", "fidelity", "chance"):
        table.add_column(heading, justify="left" if heading == "plan" else "right", overflow="fold")
    for number, plan in enumerate(plans, start=1):
        table.add_row(str(number), levers_text(plan), *_predicted(plan))
    return table


def _predicted(plan: Plan) -> tuple[str, str, str, str]:
    predicted = plan.predicted
    if predicted is None:
        return ("–", "–", "–", "–")
    return (
        units.format_share(predicted.size_ratio),
        units.format_factor(predicted.speedup),
        units.format_decibels(predicted.fidelity_db),
        f"{predicted.chance:.0%}",
    )
