"""`shipfit batch`: fit every model of a zoo, a row for each whatever becomes of it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as opt

if TYPE_CHECKING:
    from ...contracts import BatchSummary
    from ..batch.run import Batch, Crew

BATCH = "Batch"
MAX_WORKERS = 64
_OWN = frozenset({"zoo", "workers", "resume", "fail_fast", "trust_code", "ray", "store", "out", "json"})


_Zoo = Annotated[
    str,
    typer.Argument(metavar="ZOO", help="A manifest such as zoo.yaml, or a folder of models.", show_default=False),
]
_Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=MAX_WORKERS,
        metavar="N",
        rich_help_panel=BATCH,
        show_default=False,
        help="Models worked on at once; one is measured at a time. (default: one for each core)",
    ),
]
_Resume = Annotated[
    bool, typer.Option("--resume", rich_help_panel=BATCH, help="Go on with the latest batch of this zoo.")
]
_FailFast = Annotated[
    bool, typer.Option("--fail-fast", rich_help_panel=BATCH, help="Stop at the first model that fails.")
]
_TrustCode = Annotated[
    bool,
    typer.Option("--trust-code", rich_help_panel=BATCH, help="Let the zoo run code: module:factory, module:callable."),
]
_Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="HOST:PORT",
        rich_help_panel=BATCH,
        show_default=False,
        help="Run the jobs on the nodes of this Ray cluster; its token is in RAY_AUTH_TOKEN.",
    ),
]
_Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        rich_help_panel=BATCH,
        show_default=False,
        help="With --ray: s3://… or file://… that all nodes reach. (default: a folder of this machine)",
    ),
]
_Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="DIR",
        rich_help_panel=opt.OUTPUT,
        show_default=False,
        help="Folder of all products and the summary. (default: shipfit-out/<zoo>-<batch>)",
    ),
]


def batch(
    zoo: _Zoo,
    workers: _Workers = None,
    resume: _Resume = False,
    fail_fast: _FailFast = False,
    trust_code: _TrustCode = False,
    ray: _Ray = None,
    store: _Store = None,
    max_size: opt.MaxSize = None,
    max_memory: opt.MaxMemory = None,
    max_latency: opt.MaxLatency = None,
    latency_statistic: opt.LatencyStatistic = None,
    min_speedup: opt.MinSpeedup = None,
    min_throughput: opt.MinThroughput = None,
    min_accuracy: opt.MinAccuracy = None,
    max_drop: opt.MaxDrop = None,
    min_fidelity: opt.MinFidelity = None,
    min_logits_fidelity: opt.MinLogitsFidelity = None,
    allow_regression: opt.AllowRegression = None,
    forbid: opt.Forbid = None,
    strict_accuracy: opt.StrictAccuracy = None,
    platform: opt.PlatformName = None,
    runtime: opt.Runtime = None,
    level: opt.Level = None,
    objective: opt.Objective = None,
    threads: opt.Threads = None,
    max_attempts: opt.MaxAttempts = None,
    time_limit: opt.TimeLimit = None,
    seed: opt.Seed = None,
    no_memory: opt.NoMemory = None,
    llm: opt.Llm = None,
    llm_required: opt.LlmRequired = None,
    out: _Out = None,
    json: opt.Json = False,
) -> int:
    """Fit every model of ZOO to its bounds; what fails is a row, and everything else goes on."""
    given = {name: value for name, value in dict(locals()).items() if name not in _OWN}
    from ...contracts import load_settings
    from ..batch.run import Batch, BatchOptions, zoo_path
    from .paths import absolute

    options = BatchOptions(
        zoo=zoo,
        path=zoo_path(zoo),
        given=given,
        # Links are followed: products are put in place under the folder's own name.
        out=absolute(out, "--out").resolve() if out is not None else None,
        resume=resume,
        fail_fast=fail_fast,
        trust_code=trust_code,
    )
    place = _Place(_checked(ray, store, trust_code), store, workers)
    return _run(Batch(options, load_settings()), place, zoo, resume, json)


@dataclass(frozen=True)
class _Place:
    """Where the jobs run: here, or on a cluster; `workers` models at once, or as many as fit."""

    ray: str | None
    store: str | None
    workers: int | None

    @contextmanager
    def crew(self) -> Generator[Crew]:
        """Yield who works there; a cluster is connected to meanwhile."""
        from ..batch.run import Crew
        from . import seam
        from .console import say

        if self.ray is None:
            yield Crew(seam.open_service_of_many, self.workers or _cores())
            return
        with seam.open_cluster(self.ray, self.store) as cluster:
            for line in cluster.left_out:
                say(line)
            many = min(self.workers or cluster.slots, MAX_WORKERS)
            yield Crew(lambda: seam.open_service_of_many(cluster), many)


def _checked(ray: str | None, store: str | None, trust_code: bool) -> str | None:
    """Return the cluster's address, where the options that go with it do.

    Raises:
        RequestError: one does not.
    """
    from ...contracts import RequestError

    if store is not None and ray is None:
        raise RequestError("--store says where files travel through to a cluster; give --ray HOST:PORT too, or drop it")
    if ray is not None and trust_code:
        raise RequestError("--trust-code does not go with --ray: code of a zoo travels to no node")
    return ray


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(batch: Batch, place: _Place, zoo: str, resume: bool, as_json: bool) -> int:
    """Run a batch, print what it came to, and return its exit status.

    Raises:
        Interrupted: Ctrl-C or SIGTERM, or a required language model was lost; the batch can be resumed.
    """
    import shlex

    from ...contracts import Interrupted
    from ..batch.table import open_board
    from .console import print_json, say

    known = batch.find()
    if resume and known is None:
        say("there is no batch of this zoo yet; it starts from the beginning")
    try:
        with place.crew() as crew:
            summary, status = batch.run(known, open_board, crew)
    except (KeyboardInterrupt, Interrupted) as error:
        why = str(error.details.get("why", error.message)) if isinstance(error, Interrupted) else "interrupted"
        where = [*(["--ray", place.ray] if place.ray else []), *(["--store", place.store] if place.store else [])]
        out = ["--out", str(batch.out)] if batch.out else []
        again = shlex.join(["shipfit", "batch", zoo, "--resume", *where, *out])
        raise Interrupted(f"{why}; go on with: {again}") from None
    if as_json:
        print_json(summary)
    else:
        _print(summary)
    return status


def _print(summary: BatchSummary) -> None:
    """Print a line for each model, and where everything lies."""
    from ..batch.table import add_row, new_table
    from ..batch.words import STATUS_WORDS
    from ..text import clean
    from .console import results

    console = results()
    table = new_table()
    for row in summary.models:
        add_row(table, row)
    console.print(table)
    counts = ", ".join(f"{count} {STATUS_WORDS[status]}" for status, count in summary.counts.items())
    console.print(f"\n{len(summary.models)} models: {counts}", style="bold")
    console.print(f"summary: {clean(summary.out, 2000)}/summary.html", soft_wrap=True)
