"""The suite of phrasings: what a reader of words makes of each, against what it means."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import model_validator

from ...contracts import Contract, RequestError, Understanding, validate
from ..cli.config_file import load_yaml

FOLDER = Path(__file__).parents[2] / "scenarios" / "language"
Half = Literal["before", "after"]
_LISTS = ("forbid", "allow_regression")


class Phrasing(Contract):
    """Words and what they mean.

    Attributes:
        gold: field → value, as `Understood` names fields; the statistic of a latency is p95 unless given.
        unread: what has to be told as not understood; nothing else may be.
        contradicts: whether the words contradict themselves; then what is bounded is compared all the same.
        tags: `easy` or `hard`, and the phenomena.
        half: written `before` there was a grammar and independently of it, or `after`.
    """

    words: str
    gold: dict[str, Any] = {}
    unread: tuple[str, ...] = ()
    contradicts: bool = False
    tags: tuple[str, ...] = ()
    half: Half = "after"

    @model_validator(mode="after")
    def _has_a_level(self) -> Phrasing:
        if ("easy" in self.tags) == ("hard" in self.tags):
            raise ValueError("a phrasing is tagged easy or hard")
        return self


@dataclass(frozen=True)
class Reading:
    """How a phrasing was read.

    Attributes:
        understanding: what was read.
        missed: fields that the words ask for and the reader did not give, or gave otherwise.
        invented: fields with a value that the words do not ask for.
        remarks: what else differs: passages told or not told as not understood, contradictions.
    """

    phrasing: Phrasing
    understanding: Understanding
    missed: tuple[str, ...]
    invented: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether every field is right and none is too much."""
        return not self.missed and not self.invented and not self.remarks


def phrasings(folder: Path = FOLDER) -> list[Phrasing]:
    """Return every phrasing of the suite, in the order of files.

    Raises:
        RequestError: a file that is no list of phrasings.
    """
    found: list[Phrasing] = []
    for path in sorted(folder.rglob("*.yaml")):
        raw = load_yaml("phrasings:\n" + path.read_text("utf-8"), path.name)["phrasings"]
        if not isinstance(raw, list):
            raise RequestError(f"{path.name}: is no list of phrasings")
        entries = cast("list[dict[str, Any]]", raw)
        found += [validate(Phrasing, {**each, "half": path.parent.name}, path.name) for each in entries]
    return found


def compare(phrasing: Phrasing, read: Callable[[str], Understanding]) -> Reading:
    """Read a phrasing and compare what comes with what it means."""
    understanding = read(phrasing.words)
    got, gold = fields_of(understanding), _filled(phrasing.gold)
    missed = tuple(name for name, value in gold.items() if not _same(got.get(name), value))
    invented = tuple(name for name, value in got.items() if name not in gold or not _same(gold[name], value))
    return Reading(phrasing, understanding, missed, invented, tuple(_remarks(phrasing, understanding)))


def fields_of(understanding: Understanding) -> dict[str, Any]:
    """Return what was understood, field by field; absent lists are absent."""
    target = {f"target.{name}": value for name, value in understanding.target.model_dump(exclude_unset=True).items()}
    fields = {
        **understanding.constraints.model_dump(exclude_unset=True),
        **target,
        "objective": understanding.objective,
        "forbid": sorted(understanding.forbid),
        "allow_regression": sorted(understanding.allow_regression),
    }
    return {name: value for name, value in fields.items() if value not in (None, [])}


def _filled(gold: dict[str, Any]) -> dict[str, Any]:
    filled = {name: sorted(value) if name in _LISTS else value for name, value in gold.items()}
    return (
        {**filled, "latency_statistic": filled.get("latency_statistic", "p95")}
        if "max_latency_ms" in filled
        else filled
    )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-9)
    return bool(one == other)


def _remarks(phrasing: Phrasing, understanding: Understanding) -> Iterable[str]:
    told = understanding.not_understood
    for passage in phrasing.unread:
        if not any(passage in each for each in told):
            yield f"not told: {passage}"
    for each in told:
        if not any(passage in each for passage in phrasing.unread):
            yield f"told for nothing: {each}"
    if bool(understanding.contradictions) != phrasing.contradicts:
        yield "contradiction " + ("missed" if phrasing.contradicts else "invented")


def share_exact(readings: Sequence[Reading]) -> float:
    """Return the share of phrasings that were read exactly."""
    return sum(each.exact for each in readings) / len(readings) if readings else 0.0
