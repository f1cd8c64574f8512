"""What the ledger knows of the runs of one workspace; nothing here runs anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...contracts import Explanation, MachineError, OptimizationResponse, Question, Request, RequestError, WhatIf
from ...contracts.approval import Changes
from ...memory.runs import RunRecord
from ..cli.seam import open_service
from ..text import clean
from ..workspace import Workspace

if TYPE_CHECKING:
    from ...agents.service import Service
    from ...memory.trail import TrailEntry


class Past:
    """Runs whose model, data and product lie in the workspace; there are no others here.

    Its methods wait for the disk: call them in a thread.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @cached_property
    def service(self) -> Service:
        """The floor below."""
        return open_service()

    def find(self, name: str) -> RunRecord:
        """Return the run whose id is `name`, or begins with it.

        Raises:
            RequestError: there is none here, or there are several.
        """
        try:
            record = self.service.run(name)
        except RequestError as error:
            if "could be" in error.message:
                raise RequestError(f"several runs begin with {clean(name, 60)!r}; give more of the id") from None
            raise _unknown(name) from None
        if not self._is_here(record):
            raise _unknown(name)
        return record

    def runs(self, before: str | None = None) -> Iterator[RunRecord]:
        """Yield the runs of this workspace, the latest first, from the one after the run `before` on.

        Raises:
            RequestError: there is no such run here.
        """
        given = None if before is None else self.find(before)
        return filter(self._is_here, self.service.ledger.runs.each(given))

    def question(self, run: str) -> Question | None:
        """Return what a run waits to be told."""
        return self.service.question(run)

    def response(self, run: str) -> OptimizationResponse:
        """Return what a run came to.

        Raises:
            RequestError: it is not over.
        """
        record = self.find(run)
        if record.response is None:
            raise RequestError(f"run {record.id} is not over ({record.state}); the tool `resume` goes on with it")
        return record.response

    def trail(self, run: str) -> list[TrailEntry]:
        """Return everything that a run found out so far."""
        return self.service.trail(self.find(run).id)

    def explain(self, run: str, question: str) -> Explanation:
        """Return why a run went as it did."""
        return self.service.explain(self.find(run).id, question)

    def what_if(self, run: str, changes: Changes) -> WhatIf:
        """Return what changed bounds would cost."""
        return self.service.what_if(self.find(run).id, changes)

    def attempts_of(self, run: str) -> int:
        """Return how many attempts a run may make."""
        return self.service.run(run).request.budget.max_attempts

    def folder(self, record: RunRecord) -> Path | None:
        """Return the folder with the product of a run, as far as it is there."""
        place = Path(record.out) if record.out else None
        return place if place and record.finished and place.is_dir() else None

    def relative(self, path: str | None) -> str | None:
        """Return how a path of a run is called in the workspace."""
        return None if path is None else os.path.relpath(os.path.realpath(path), self._workspace.root)

    def _is_here(self, record: RunRecord) -> bool:
        try:
            request = record.request
        except MachineError:  # of another version, or damaged
            return False
        return not request.code and all(map(self._is_inside, [*_paths(request), *([record.out] if record.out else [])]))

    def _is_inside(self, path: str) -> bool:
        root = self._workspace.root
        return os.path.isabs(path) and Path(os.path.realpath(path)).is_relative_to(root)


def _paths(request: Request) -> list[str]:
    tokenizer = request.preprocess.tokenizer if request.preprocess else None
    named = (request.model, request.data, request.calibration_data, tokenizer)
    return [path for path in named if path is not None]


def _unknown(name: str) -> RequestError:
    return RequestError(f"there is no run {clean(name, 60)!r} in this workspace; the tool `runs` lists them")
