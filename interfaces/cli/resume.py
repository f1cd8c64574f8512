"""`shipfit resume`: go on with a run that was interrupted."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as opt


def resume(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Its id, or the beginning of it; else the latest unfinished.")
    ] = None,
    json: opt.Json = False,
) -> int:
    """Go on with a run that was interrupted, and deliver to the folder that it was asked for."""
    from .run import conclude, follow, undelivered
    from .seam import open_service

    service = open_service()
    if finished := undelivered(service, run):
        return conclude(service, finished, json)
    return follow(service, service.resume(run), json)
