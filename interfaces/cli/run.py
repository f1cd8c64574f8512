"""Follow a run from its start, or from where it was interrupted, to its product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...contracts import Interrupted, MachineError, OptimizationResponse, Question, Request
from ..delivery import DELIVERED, default_folder, deliver_run
from .ask import ask
from .console import print_json
from .progress import open_display
from .seam import open_service
from .summary import print_summary

if TYPE_CHECKING:
    from ...agents.language.opening import Advised
    from ...agents.service import Service


def start_run(request: Request, as_json: bool, advised: Advised | None = None, trace: str | None = None) -> int:
    """Start a run for `request` and follow it; returns its exit status.

    `advised` is the language model that read its words, if one did; `trace` a file that the run is traced in.
    """
    service = open_service(trace)
    run = service.start(request, advised)
    if request.out is None:
        # Fixed now: whoever resumes the run may do so from another working directory.
        service.ledger.runs.update(run, out=default_folder(request.model, run))
    return follow(service, run, as_json)


def follow(service: Service, run: str, as_json: bool) -> int:
    """Show a run until it ends, deliver its product, print what it came to, and return its exit status.

    Raises:
        Interrupted: Ctrl-C or SIGTERM, or nobody is there to be asked; the run can be resumed.
        MachineError: the product could not be written.
    """
    try:
        while (question := _shown(service, run)) is not None:
            ask(service, run, question, as_json)
            service.resume(run)
        return conclude(service, run, as_json)
    except KeyboardInterrupt:
        service.cancel(run)
        raise Interrupted(f"interrupted; go on with: shipfit resume {run}", details={"run": run}) from None


def _shown(service: Service, run: str) -> Question | None:
    """Show what a run does until it ends, or until it waits to be told what is returned."""
    with open_display(service.run(run).request.budget) as display:
        for event in service.events(run):
            display.show(event)
    return service.question(run)


def conclude(service: Service, run: str, as_json: bool) -> int:
    """Deliver the product of a finished run, print what it came to, and return its exit status.

    Raises:
        MachineError: the product could not be written.
    """
    response = _deliver(service, run)
    if as_json:
        print_json(response)
    else:
        print_summary(response)
    return response.exit_status


def undelivered(service: Service, run: str | None) -> str | None:
    """Return the finished run whose product never came to its folder: `run` itself, or without one the latest.

    A run that ends needs one more moment to be delivered; one that was killed in it is resumed by delivering it.
    """
    records = [service.run(run)] if run else service.runs()
    for record in records:
        if not record.finished and run is None:
            return None
        waits = record.finished and record.out is not None and not record.owner.is_alive()
        if waits and record.response and not service.ledger.trail.of(record.id, DELIVERED):
            return record.id
    return None


def _deliver(service: Service, run: str) -> OptimizationResponse:
    try:
        return deliver_run(service, run)
    except MachineError as error:
        raise MachineError(f"{error.message}; then: shipfit resume {run}", details={"run": run}) from error
