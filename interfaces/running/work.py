"""Do what is ordered, through the floor below; nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from ...contracts import Contract, Event, Interrupted, Request, check_served, load_settings, validate
from .orders import (
    BenchmarkOrder,
    CheckOrder,
    Ended,
    InspectOrder,
    OptimizeOrder,
    Order,
    RecallOrder,
    ResumeOrder,
    UnderstandOrder,
)

if TYPE_CHECKING:
    from ...agents.language.words import WordReader
    from ...agents.service import Service

Tell = Callable[[Event], None]


def perform(order: Order, tell: Tell) -> Contract:
    """Do what is ordered and return what came of it.

    Args:
        order: what to do.
        tell: is told what happens meanwhile.

    Raises:
        OptimizationError: it cannot be done.
        Interrupted: it was stopped; its details name the run, where there is one by then.
    """
    match order:
        case OptimizeOrder():
            return _optimize(order, tell)
        case ResumeOrder():
            return _resume(order, tell)
        case UnderstandOrder():
            return _understand(order)
        case RecallOrder():
            return _recall(order)
        case InspectOrder() | BenchmarkOrder() | CheckOrder():
            return _use_tool(order, tell)
        case _:
            assert_never(order)


def _optimize(order: OptimizeOrder, tell: Tell) -> Ended:
    from ..delivery import default_folder

    service, reader = _service(), _reader()
    try:
        request = request_of(order.fields, reader) if order.read else check_served(validate(Request, order.fields))
        run = service.start(request, reader.advised)
    except (KeyboardInterrupt, Interrupted) as error:
        raise _stopped(_own_run(service)) from error
    if request.out is None:
        service.ledger.runs.update(run, out=default_folder(request.model, run, Path(order.base)))
    return _follow(service, run, tell)


def _resume(order: ResumeOrder, tell: Tell) -> Ended:
    from ..cli.run import undelivered
    from ..delivery import deliver_run

    service = _service()
    run = service.run(order.run).id
    if order.answer is not None:
        service.answer(run, order.answer)
    if undelivered(service, run):
        deliver_run(service, run)
        return Ended(run=run)
    try:
        service.resume(run)
    except (KeyboardInterrupt, Interrupted) as error:
        raise _stopped(run) from error
    return _follow(service, run, tell)


def _follow(service: Service, run: str, tell: Tell) -> Ended:
    from ..delivery import deliver_run

    try:
        for event in service.events(run):
            tell(event)
        if service.question(run) is not None:
            return Ended(run=run, waits=True)
        deliver_run(service, run)
    except (KeyboardInterrupt, Interrupted) as error:
        service.cancel(run)
        raise _stopped(run) from error
    return Ended(run=run)


def _use_tool(order: InspectOrder | BenchmarkOrder | CheckOrder, tell: Tell) -> Contract:
    from ...agents.standalone import benchmark_models, check_model, inspect_model

    settings, shape = load_settings(), order.shape or None
    match order:
        case InspectOrder():
            return inspect_model(settings, order.model, data=order.data, shape=shape, progress=tell)
        case CheckOrder():
            return check_model(settings, order.model, order.runtime, data=order.data, shape=shape, progress=tell)
        case BenchmarkOrder():
            return benchmark_models(
                settings,
                order.original,
                order.candidate,
                data=order.data,
                threads=order.threads,
                seconds=order.seconds,
                shape=shape,
                handling=order.handling,
                progress=tell,
            )


def _understand(order: UnderstandOrder) -> Contract:
    reader = _reader()
    try:
        return reader.read(order.words, order.llm)
    finally:
        reader.advised.close()


def _recall(order: RecallOrder) -> Contract:
    return _service().search_memory(request_of(order.fields, _reader()), order.limit)


def request_of(fields: Mapping[str, Any], reader: WordReader) -> Request:
    """Return the request of these fields, with what their `words` ask for laid under them.

    Raises:
        RequestError: a value that a field cannot have, words that say nothing or contradict themselves.
        LanguageModelError: a required language model cannot be reached.
    """
    from ..cli.words import read_words

    asked = read_words(fields, reader)
    return check_served(validate(Request, asked.fields if asked else fields))


def _service() -> Service:
    from ...agents.service import Service

    return Service(load_settings())


def _reader() -> WordReader:
    from ...agents.language.words import WordReader

    return WordReader(load_settings())


def _own_run(service: Service) -> str | None:
    """Return the run that this process had entered when it was stopped, if it had come so far."""
    from ...memory.owner import this_process

    own = this_process()
    return next((record.id for record in service.ledger.runs.latest(20) if record.owner == own), None)


def _stopped(run: str | None) -> Interrupted:
    if run is None:
        return Interrupted("stopped before there was a run")
    return Interrupted(f"run {run} was stopped and can be resumed", details={"run": run})
