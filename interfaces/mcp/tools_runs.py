"""Tools that work on runs: `optimize`, `resume`, `answer`, `cancel`."""

from __future__ import annotations

from anyio.to_thread import run_sync as _thread

from ...contracts import Interrupted, RequestError, validate
from ..answers import read_answer
from ..running.orders import Ended, OptimizeOrder, Order, ResumeOrder
from .answers import run_answer
from .call import Asked, Call
from .context import Shop
from .inputs import AnswerInput, OptimizeInput, ResumeInput, RunInput, given
from .outputs import Cancelled, RunAnswer
from .paths import confined

_PRODUCTS = "shipfit-out"
_POLL_S = 0.2


async def optimize(shop: Shop, asked: OptimizeInput, call: Call) -> RunAnswer:
    """Fit a model to its bounds, or hand the original back with the nearest offers."""
    if (back := call.came_back()) is not None:
        return await _go_on(shop, call, back, asked.wait_s)
    fields = confined(shop.workspace, given(asked, "wait_s"))
    place = shop.workspace.root / _PRODUCTS
    if place.is_symlink():
        raise RequestError(f"{_PRODUCTS!r} in the workspace is a link; products are not written through links")
    if shop.llm:
        fields["llm"] = shop.llm
    return await _work(shop, call, OptimizeOrder(fields=fields, base=str(shop.workspace.root)), asked.wait_s)


async def resume(shop: Shop, asked: ResumeInput, call: Call) -> RunAnswer:
    """Go on with a run, or wait for one that is being worked on."""
    if (back := call.came_back()) is not None:
        return await _go_on(shop, call, back, asked.wait_s)
    record = await _thread(shop.past.find, asked.run)
    if record.finished and record.response_json:
        return await _thread(run_answer, shop.past, record.id)
    running = shop.desk.find(record.id)
    if running is not None:
        found = await shop.desk.attend(running, call, asked.wait_s)
        return await _ended(shop, call, record.id, found is not None, asked.wait_s)
    if record.state == "waiting":
        return await _ended(shop, call, record.id, True, asked.wait_s)
    return await _work(shop, call, ResumeOrder(run=record.id), asked.wait_s)


async def answer(shop: Shop, asked: AnswerInput, call: Call) -> RunAnswer:
    """Answer a run that waits, and go on with it."""
    if (back := call.came_back()) is not None:
        return await _go_on(shop, call, back, asked.wait_s)
    record = await _thread(shop.past.find, asked.run)
    question = await _thread(shop.past.question, record.id)
    if question is None:
        raise RequestError(f"run {record.id} waits for no answer ({record.state})")
    said = read_answer(asked.answer, call.who, question.request)
    return await _work(shop, call, ResumeOrder(run=record.id, answer=said), asked.wait_s)


async def cancel(shop: Shop, asked: RunInput, _call: Call) -> Cancelled:
    """Stop the work on a run; it can be resumed."""
    record = await _thread(shop.past.find, asked.run)
    running = shop.desk.find(record.id)
    if running is None:
        raise RequestError(f"run {record.id} is not being worked on by this server ({record.state})")
    await running.stop()
    record = await _thread(shop.past.find, record.id)
    return Cancelled(run=record.id, status=record.state)


async def _work(shop: Shop, call: Call, order: Order, wait_s: float | None) -> RunAnswer:
    """Work on an order, and ask whoever can be asked on the way."""
    running = shop.desk.begin(order)
    try:
        found = await shop.desk.attend(running, call, wait_s)
        while found is None and running.run is None:  # nobody could go on with a run that has no id yet
            found = await shop.desk.attend(running, call, _POLL_S)
    except Interrupted as error:
        if (run := error.details.get("run")) is None:
            raise
        return await _thread(run_answer, shop.past, str(run), error.message)
    run = validate(Ended, found).run if found else running.run
    return await _ended(shop, call, str(run), found is not None, wait_s)


async def _ended(shop: Shop, call: Call, run: str, is_over: bool, wait_s: float | None) -> RunAnswer:
    """Return what the work on a run came to; a question is put to a person, where there is one."""
    question = await _thread(shop.past.question, run) if is_over else None
    if question is not None and (said := await call.ask(run, question)) is not None:
        return await _work(shop, call, ResumeOrder(run=run, answer=said), wait_s)
    reason = "" if is_over else "it goes on; wait for it by the tool `resume`"
    return await _thread(run_answer, shop.past, run, reason)


async def _go_on(shop: Shop, call: Call, back: tuple[Asked, str | None], wait_s: float | None) -> RunAnswer:
    """Go on with a run whose question a person has answered meanwhile."""
    asked, text = back
    record = await _thread(shop.past.find, asked.run)
    question = await _thread(shop.past.question, record.id)
    if text is None or question is None or question.id != asked.question:
        return await _thread(run_answer, shop.past, record.id)
    try:
        said = read_answer(text, call.who, question.request)
    except RequestError as error:
        again = await call.ask(record.id, question, error.message)
        assert again is None  # the client comes back with it
        return await _thread(run_answer, shop.past, record.id)
    return await _work(shop, call, ResumeOrder(run=record.id, answer=said), wait_s)
