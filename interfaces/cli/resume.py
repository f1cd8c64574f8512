"""`shipfit resume`: go on with a run that was interrupted."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as opt


def resume(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Its id, or the beginning of it; else the latest unfinished.")
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(
            "--answer",
            metavar="TEXT",
            help="To what the run asks: go, reject, stop, or what shall be otherwise, such as 'max_size 8MB'.",
            show_default=False,
        ),
    ] = None,
    trace: opt.Trace = None,
    json: opt.Json = False,
) -> int:
    """Go on with a run that was interrupted or waits for an answer, and deliver to the folder it was asked for."""
    from .run import conclude, follow, undelivered
    from .seam import open_service

    service = open_service(trace)
    if answer is not None:
        from ..answers import read_answer
        from .ask import person, tell_edits

        run = service.run(run).id if run else service.ledger.runs.latest_unfinished().id
        question = service.question(run)
        given = read_answer(answer, person(), question.request if question else None)
        service.answer(run, given)
        if question is not None:
            tell_edits(question, given)
    if finished := undelivered(service, run):
        return conclude(service, finished, json)
    return follow(service, service.resume(run), json)
