"""`shipfit memory`: what past runs left for later ones, and how it is looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import options as opt

if TYPE_CHECKING:
    from ...agents.recollection import Remembered

memory = typer.Typer(no_args_is_help=True, help="Look after what past runs left for later ones.")

_Run = Annotated[str | None, typer.Option("--run", metavar="RUN", help="Of runs whose id begins so.")]
_OfModel = Annotated[
    str | None, typer.Option("--model", metavar="DIGEST", help="Of models whose digest begins so, as `list` shows it.")
]
_Id = Annotated[str, typer.Argument(metavar="ID", help="An outcome's id, or the beginning of it.")]
# Lines that an import refuses are named up to here; --json names a hundred.
_LINES_NAMED = 10
_Verdict = Literal["met", "not_met", "inconclusive", "failed"]


@memory.command("list")
def list_outcomes(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100_000, help="At most so many.")] = 20,
    run: _Run = None,
    model: _OfModel = None,
    verdict: Annotated[_Verdict | None, typer.Option("--verdict", help="With this verdict.")] = None,
    json: opt.Json = False,
) -> int:
    """List what is remembered, the latest first."""
    from .console import print_json, results
    from .memory_table import outcome_table
    from .seam import open_service

    found = open_service().memory.latest(limit, run=run, model=model, verdict=verdict)
    if json:
        print_json({"outcomes": [item.model_dump(mode="json") for item in found]})
        return 0
    console = results()
    console.print(outcome_table(found) if found else "nothing is remembered that fits; runs remember their attempts")
    _tell_damage(found)
    return 0


@memory.command("show")
def show_outcome(outcome: _Id, json: opt.Json = False) -> int:
    """Show one outcome with everything that is kept of it."""
    from ..text import clean
    from .console import print_json, results
    from .memory_table import facts
    from .seam import open_service

    found = open_service().memory.show(outcome)
    if json:
        print_json(found)
        return 0
    for label, text in facts(found):
        results().print(f"{label:12} {clean(text, 4000)}", soft_wrap=True)
    return 0


@memory.command("search")
def search(
    model: opt.Model,
    data: opt.Data = None,
    max_size: opt.MaxSize = None,
    max_memory: opt.MaxMemory = None,
    max_latency: opt.MaxLatency = None,
    min_speedup: opt.MinSpeedup = None,
    min_throughput: opt.MinThroughput = None,
    min_accuracy: opt.MinAccuracy = None,
    max_drop: opt.MaxDrop = None,
    min_fidelity: opt.MinFidelity = None,
    level: opt.Level = None,
    objective: opt.Objective = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=200, help="At most so many.")] = 24,
    json: opt.Json = False,
) -> int:
    """Show what a run of MODEL under these bounds would recall, and what it would try first; nothing is kept."""
    given = {name: value for name, value in locals().items() if name not in ("limit", "json")}
    from ..facts import levers_text
    from ..text import clean
    from .console import print_json, results
    from .memory_table import recalled_table
    from .request import build_request
    from .seam import open_service

    found = open_service().search_memory(build_request(given), limit)
    if json:
        print_json(found)
        return 0
    console = results()
    console.print(recalled_table(found.recalled) if found.recalled else "nothing similar is remembered")
    if found.first is not None:
        source = "recalled" if found.first.proposer == "memory" else "the policy's own"
        console.print(f"tried first ({source}): {clean(levers_text(found.first))}")
        console.print(clean(found.first.reason), style="dim")
    return 0


@memory.command("export")
def export_outcomes(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file of JSON lines, or - for stdout.")],
    json: opt.Json = False,
) -> int:
    """Write what is remembered as JSON lines, for another installation."""
    import sys

    from .console import print_json, results
    from .memory_files import write_lines
    from .seam import open_service

    lines = open_service().memory.export_lines()
    if file == "-":
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return 0
    path, count = write_lines(file, lines)
    if json:
        print_json({"exported": count, "path": str(path)})
    else:
        results().print(f"{count:,} outcomes written to {path}", soft_wrap=True)
    return 0


@memory.command("import")
def import_outcomes(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines that `shipfit memory export` wrote.")],
    json: opt.Json = False,
) -> int:
    """Take in outcomes of another installation; each is checked, marked as foreign, and taken once."""
    from dataclasses import asdict

    from ...contracts import RequestError
    from .console import print_json, results, say
    from .memory_files import open_lines
    from .seam import open_service

    with open_lines(file) as (opened, origin):
        report = open_service().memory.import_lines(opened, origin)
    if report.refused and not report.added + report.known:
        line, why = report.refused[0]
        raise RequestError(f"nothing in {file!r} is an outcome (line {line}: {why}); give what `memory export` wrote")
    for line, why in report.refused[:_LINES_NAMED]:
        say(f"line {line} refused: {why}", style="dim")
    if report.refused_count > _LINES_NAMED:
        say(f"and {report.refused_count - _LINES_NAMED:,} more", style="dim")
    if json:
        print_json(asdict(report))
    else:
        told = (
            f"{report.added:,} outcomes taken in, {report.known:,} were known, {report.refused_count:,} lines refused"
        )
        results().print(told)
    return 0


@memory.command("forget")
def forget(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or beginnings of them.")] = None,
    run: _Run = None,
    model: _OfModel = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything; needs --yes.", show_default=False)] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether --all is meant.", show_default=False)] = False,
    json: opt.Json = False,
) -> int:
    """Forget outcomes by id, run or model, or all of them. Runs and their products stay."""
    from ...contracts import RequestError
    from .console import print_json, results
    from .seam import open_service

    if not (ids or run or model or everything):
        raise RequestError("nothing is named that shall be forgotten; give ids, --run, --model, or --all --yes")
    if everything and (ids or run or model):
        raise RequestError("--all forgets everything; give it without ids, --run and --model")
    if everything and not yes:
        raise RequestError("--all forgets everything that past runs found out; add --yes if that is meant")
    memory_of = open_service().memory
    count = memory_of.forget_all() if everything else memory_of.forget(ids=ids or (), run=run, model=model)
    if json:
        print_json({"forgotten": count})
    else:
        results().print(f"{count:,} outcomes forgotten")
    return 0


@memory.command("rebuild")
def rebuild(json: opt.Json = False) -> int:
    """Build the index of outcomes anew from the ledger."""
    from .console import print_json, results, say
    from .seam import open_service

    indexed, damaged = open_service().memory.rebuild()
    for name, why in damaged.items():
        say(f"{name}: {why}", style="dim")
    if json:
        print_json({"indexed": indexed, "skipped": damaged})
    else:
        results().print(f"{indexed:,} outcomes indexed, {len(damaged):,} skipped")
    return 0


@memory.command("stats")
def stats(json: opt.Json = False) -> int:
    """Tell how much is remembered, and what of it cannot be read."""
    from ..text import clean
    from .console import print_json, results
    from .memory_table import stat_lines
    from .seam import open_service

    found = open_service().memory.stats()
    if json:
        print_json(found)
        return 0
    console = results()
    for label, text in stat_lines(found):
        console.print(f"{label:12} {clean(text, 1000)}")
    for name, why in found.damages.items():
        console.print(f"{clean(name, 100)}: {clean(why)}", style="yellow")
    return 0


def _tell_damage(found: list[Remembered]) -> None:
    from .console import say

    for item in found:
        if item.damage:
            say(f"{item.id} cannot be read: {item.damage}", style="dim")
