"""Carry outcomes from one memory to another, as JSON lines. What comes in was written by somebody else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ..contracts import Outcome
from .outcome_form import MAX_CHARS, Unreadable, read_outcome
from .outcome_log import OutcomeLog

# A file with more lines than this is no memory of ours; a line holds at most 4 bytes for each character.
MAX_LINES = 1_000_000
_AT_ONCE = 500


@dataclass
class Imported:
    """What became of each line: how many outcomes are new or were known, and which lines were refused, and why.

    `refused` names the first hundred; `refused_count` counts all.
    """

    added: int = 0
    known: int = 0
    refused_count: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def refuse(self, line: int, why: str) -> None:
        """Note a line that is not taken."""
        self.refused_count += 1
        if len(self.refused) < 100:
            self.refused.append((line, why))


def export_lines(log: OutcomeLog) -> Iterator[str]:
    """Yield each outcome that can be read as one line of JSON, the oldest first."""
    for name in log.where():
        for body in log.get([name]).values():
            try:
                yield read_outcome(body).model_dump_json()
            except Unreadable:
                continue


def import_lines(file: BinaryIO, log: OutcomeLog, origin: str) -> Imported:
    """Keep the outcomes of a file whose ids are not known yet; `origin` is noted with each.

    Lines are checked one by one, so that a damaged one costs nothing but itself.
    """
    report = Imported()
    chunk: dict[str, Outcome] = {}
    for number, line in enumerate(_lines(file), start=1):
        if number > MAX_LINES:
            report.refuse(number, f"more than {MAX_LINES:,} lines; the rest is not read")
            break
        if not line.strip():
            continue
        try:
            outcome = _outcome(line)
        except Unreadable as error:
            report.refuse(number, str(error))
            continue
        report.known += outcome.id in chunk
        chunk.setdefault(outcome.id, outcome)
        if len(chunk) >= _AT_ONCE:
            _keep(chunk.values(), log, origin, report)
            chunk = {}
    _keep(chunk.values(), log, origin, report)
    return report


def _keep(outcomes: Iterable[Outcome], log: OutcomeLog, origin: str, report: Imported) -> None:
    given = list(outcomes)
    added = log.put_foreign(given, origin)
    report.added += added
    report.known += len(given) - added


def _outcome(line: bytes) -> Outcome:
    try:
        return read_outcome(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Unreadable("no UTF-8") from error


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines, of one that is too long only its beginning: it is refused for its length anyway."""
    most = 4 * MAX_CHARS + 1
    while line := file.readline(most):
        yield line
        while not line.endswith(b"\n") and len(line) == most:
            line = file.readline(most)
