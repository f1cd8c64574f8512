"""Tools that read what runs left: `runs`, `report`, `explain`, `what_if`; nothing is run."""

from __future__ import annotations

from anyio.to_thread import run_sync as _thread

from ...contracts import RequestError
from ..questions import decision_text
from .answers import candidate, report_of, run_list
from .call import Call
from .context import Shop
from .inputs import ExplainInput, ReportInput, RunsInput, WhatIfInput
from .outputs import Explained, Report, RunList, Supposed
from .past import Past


async def runs(shop: Shop, asked: RunsInput, _call: Call) -> RunList:
    """List the runs of this workspace, the latest first."""
    return await _thread(_runs, shop.past, asked)


def _runs(past: Past, asked: RunsInput) -> RunList:
    found = (record for record in past.runs(asked.before) if asked.status in (None, record.state))
    return run_list(past, found, asked.limit)


async def report(shop: Shop, asked: ReportInput, _call: Call) -> Report:
    """Return the summary of a finished run, and parts of its report."""
    return await _thread(report_of, shop.past, asked.run, asked.parts)


async def explain(shop: Shop, asked: ExplainInput, _call: Call) -> Explained:
    """Say why a run went as it did."""
    found = await _thread(shop.past.explain, asked.run, asked.question)
    return Explained(
        run=found.run,
        status=found.status,
        text=found.text,
        attempts=tuple(account.text for account in found.attempts),
        alternatives=tuple(f"{each.topic} ({each.status}): {each.text}" for each in found.alternatives),
        decisions=tuple(map(decision_text, found.decisions)),
    )


async def what_if(shop: Shop, asked: WhatIfInput, _call: Call) -> Supposed:
    """Say what other bounds would cost."""
    if asked.changes.is_empty:
        raise RequestError(
            'nothing is changed; say what shall be otherwise, such as {"constraints": {"min_speedup": 3}}'
        )
    found = await _thread(shop.past.what_if, asked.run, asked.changes)
    return Supposed(
        run=found.run,
        edits=tuple(edit.text() for edit in found.edits),
        outcome=found.outcome,
        candidates=tuple(map(candidate, found.candidates)),
        text=found.text,
    )
