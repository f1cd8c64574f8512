"""Run a batch, or go on with one: from a zoo to its summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...contracts import BatchSummary, ModelFileError, RequestError, Settings
from ...memory.batches import BatchRecord, ItemRecord
from ...memory.ledger import Ledger
from ...memory.owner import this_process
from ..cli.paths import absolute, output_folder
from ..cli.request import validated, with_options
from ..text import clean
from .coordinator import Board, Coordinator
from .fetch import Fetcher
from .files import content, stamp
from .folder import read_folder
from .item import FILE_NAME, Item
from .manifest import read_manifest
from .prepare import Preparer
from .product import delivered_run, remove_product
from .scheduler import Scheduler, compare
from .summary import Summary, exit_status

if TYPE_CHECKING:
    from ...agents.service import Service

OpenBoard = Callable[[int], AbstractContextManager[Board]]


@dataclass(frozen=True)
class Crew:
    """So many threads, and what gives each a service of its own."""

    open_service: Callable[[], Service]
    workers: int


@dataclass(frozen=True)
class BatchOptions:
    """What the command line says about a batch.

    Attributes:
        zoo: as it was typed, `path` the same absolute.
        given: options that override what the zoo asks, by Python name; None where not typed.
        out: folder of the products, absolute; None for a new one named after the zoo.
    """

    zoo: str
    path: Path
    given: Mapping[str, Any]
    out: Path | None = None
    resume: bool = False
    fail_fast: bool = False
    trust_code: bool = False


def zoo_path(given: str) -> Path:
    """Return the manifest or the folder that ZOO names; a folder with `zoo.yaml` means that file.

    Raises:
        RequestError: there is none.
    """
    path = absolute(given, "ZOO")
    if path.is_dir():
        return path / FILE_NAME if (path / FILE_NAME).is_file() else path
    if not path.is_file():
        raise ModelFileError(f"there is no zoo at {clean(given)!r}; give a manifest such as {FILE_NAME}, or a folder")
    return path


def read_zoo(options: BatchOptions) -> dict[str, Item]:
    """Return name → item of a zoo, with the options of the command line laid over what it asks.

    Raises:
        RequestError: the zoo as a whole has no meaning, or an option none.
    """
    # What is wrong with an option is wrong with every model.
    validated({"model": "-", **with_options({}, options.given)})
    path, without = options.path, options.out
    items = read_folder(path, without) if path.is_dir() else read_manifest(path, clean(path.name), without)
    return {item.name: _overridden(item, options.given) for item in items}


def _overridden(item: Item, given: Mapping[str, Any]) -> Item:
    fields = with_options(item.fields, given)
    return item if item.fault else replace(item, fields=fields)


class Batch:
    """A batch as it was asked for, over an installation's ledger."""

    def __init__(self, options: BatchOptions, settings: Settings) -> None:
        self._options = options
        self._settings = settings
        self.items = read_zoo(options)
        self.out = options.out
        self._folder = options.path if options.path.is_dir() else options.path.parent

    def find(self) -> BatchRecord | None:
        """Return the batch that this one goes on with, or None where it begins anew.

        Raises:
            RequestError: the folder holds a batch already, or something else.
        """
        if not self._settings.ledger.exists():
            known = None
        else:
            with Ledger(self._settings.ledger) as ledger:
                place = self._options.out
                known = ledger.batches.latest(self._options.path) if place is None else ledger.batches.on(place)
        if self._options.resume and known is not None:
            if known.zoo != str(self._options.path):
                raise RequestError(
                    f"--out {clean(known.out)!r} holds a batch of {clean(known.zoo)!r}; give another --out"
                )
            return known
        self._check_new(known)
        return None

    def _check_new(self, known: BatchRecord | None) -> None:
        out = self._options.out
        if out is None:
            return
        if known is not None and out.is_dir() and any(out.iterdir()):
            raise RequestError(
                f"--out {clean(out)!r} holds a batch already; go on with it by --resume, or give another --out"
            )
        output_folder(str(out))

    def run(self, known: BatchRecord | None, open_board: OpenBoard, crew: Crew) -> tuple[BatchSummary, int]:
        """Work on the batch until it is complete; returns its summary and exit status.

        Raises:
            KeyboardInterrupt: stopped; it can be resumed.
            MachineError: it could not finish.
        """
        with Ledger(self._settings.ledger) as ledger:
            batch = known or ledger.batches.create(self._options.path, self._options.out or self._default_out)
            self.out = Path(batch.out)
            scheduler = Scheduler(ledger.batches, batch.id, this_process())
            self._bring_up_to_date(ledger, batch, self.out, scheduler)
            summary = Summary(ledger, batch, self.items, scheduler, self._settings.home / "locks")
            found = self._work(scheduler, self.out, summary, open_board, crew)
            again = any(item.again for item in ledger.batches.items(batch.id))
        return found, exit_status(found, machine_at_fault=again)

    def _work(
        self, scheduler: Scheduler, out: Path, summary: Summary, open_board: OpenBoard, crew: Crew
    ) -> BatchSummary:
        if scheduler.is_complete():
            return summary.write()
        coordinator = Coordinator(
            scheduler, self._preparer(), self.items, out, summary, crew.open_service,
            workers=min(crew.workers, len(self.items)), fail_fast=self._options.fail_fast,
        )  # fmt: skip
        with open_board(len(self.items)) as board:
            return coordinator.run(board)

    def _default_out(self, batch: str) -> Path:
        return Path.cwd() / "shipfit-out" / f"{self._folder.name or 'zoo'}-{batch}"

    def _preparer(self) -> Preparer:
        settings = self._settings
        fetcher = Fetcher(settings.home / "downloads", settings.max_model_bytes)
        return Preparer(self._folder, self._options.trust_code, fetcher)

    def _bring_up_to_date(self, ledger: Ledger, batch: BatchRecord, out: Path, scheduler: Scheduler) -> None:
        """Have the ledger hold what the zoo asks now; what another process works on stays as it is."""
        asked = {name: item.asked(self._options.trust_code) for name, item in self.items.items()}
        items = ledger.batches.items(batch.id)
        leased = {item.name for item in items if scheduler.is_leased(item)}
        known = [item for item in items if item.name not in leased]
        found = compare(known, asked, self._has_same_files, lambda record: _is_delivered(record, out))
        for name in (*found.drop, *found.replace):
            ledger.runs.vacate(out / name)
            remove_product(out / name)
        add = [ItemRecord(name, place, asked[name]) for place, name in enumerate(asked) if name not in leased]
        ledger.batches.change(batch.id, add, found.drop, found.reopen)

    def _has_same_files(self, record: ItemRecord) -> bool:
        sources = self._preparer().sources(self.items[record.name])
        return record.stamp == stamp(sources) or record.content == content(sources)


def _is_delivered(record: ItemRecord, out: Path) -> bool:
    row = record.row
    return row is None or row.report is None or delivered_run(out / record.name) == row.run
