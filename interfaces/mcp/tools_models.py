"""Tools that need no run: `inspect`, `check`, `benchmark`, `understand`, `recall`."""

from __future__ import annotations

from typing import Any

from ...agents.recollection import Found
from ...agents.standalone import BenchmarkResult
from ...contracts import CompatibilityReport, Understanding, validate
from ..running.orders import BenchmarkOrder, CheckOrder, InspectOrder, RecallOrder, UnderstandOrder
from .answers import past_case, planned
from .call import Call
from .context import Shop
from .inputs import BenchmarkInput, CheckInput, InspectInput, RecallInput, UnderstandInput, given
from .outputs import Benchmarked, Checked, Inspected, Recollected, Understands
from .paths import confined, path_of

_HANDLING = ("calibration_data", "metric", "output", "preprocess", "state")


async def inspect(shop: Shop, asked: InspectInput, call: Call) -> Inspected:
    """Say what is in a model, and where its time goes."""
    order = InspectOrder(**confined(shop.workspace, given(asked)))
    return validate(Inspected, await shop.desk.use_tool(order, call))


async def check(shop: Shop, asked: CheckInput, call: Call) -> Checked:
    """Say whether a model loads and runs in a runtime."""
    order = CheckOrder(**confined(shop.workspace, given(asked)))
    report = validate(CompatibilityReport, await shop.desk.use_tool(order, call))
    return Checked(**report.model_dump(), verdict="compatible" if report.compatible else "not compatible")


async def benchmark(shop: Shop, asked: BenchmarkInput, call: Call) -> Benchmarked:
    """Measure one model against another in one process."""
    fields = confined(shop.workspace, given(asked))
    for name in ("original", "candidate"):
        fields[name] = path_of(shop.workspace, name, fields[name])
    handling: dict[str, Any] = {name: fields.pop(name) for name in _HANDLING if name in fields}
    order = BenchmarkOrder(**fields, handling=handling)
    return Benchmarked(**validate(BenchmarkResult, await shop.desk.use_tool(order, call)).model_dump())


async def understand(shop: Shop, asked: UnderstandInput, call: Call) -> Understands:
    """Say what words ask for; nothing is run."""
    order = UnderstandOrder(words=asked.words, llm=shop.llm)
    found = validate(Understanding, await shop.desk.use_tool(order, call))
    return Understands(**{name: getattr(found, name) for name in found.model_fields_set})


async def recall(shop: Shop, asked: RecallInput, call: Call) -> Recollected:
    """Say what a run of a request would recall from past runs, and what it would try first."""
    fields = confined(shop.workspace, given(asked, "limit"))
    if shop.llm:
        fields["llm"] = shop.llm
    found = validate(Found, await shop.desk.use_tool(RecallOrder(fields=fields, limit=asked.limit), call))
    return Recollected(cases=tuple(map(past_case, found.recalled)), first=planned(found.first) if found.first else None)
