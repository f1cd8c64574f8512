"""What the models of a zoo are called, so that each has a folder of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...contracts import RequestError
from ..text import clean


@dataclass(frozen=True)
class Naming:
    """What a model would be called; `longer` where that is taken, if it was found and not listed."""

    name: str
    longer: str | None
    where: str


def settle(namings: Sequence[Naming]) -> list[str]:
    """Return a name for each: where two would be the same, or one the folder of another, files keep their suffix.

    Raises:
        RequestError: two are called the same, or one name would be a folder within another's product.
    """
    taken = _clashing([naming.name for naming in namings])
    settled = [
        replace(naming, name=naming.longer) if naming.name in taken and naming.longer else naming for naming in namings
    ]
    clashes = _clashing([naming.name for naming in settled])
    for index, naming in enumerate(settled):
        if naming.name in clashes:
            _refuse(naming, [other for place, other in enumerate(settled) if place != index])
    return [naming.name for naming in settled]


def _clashing(names: Sequence[str]) -> set[str]:
    """Return the names that are there twice, and those that are a folder of another name."""
    counts = Counter(names)
    folders = {
        "/".join(parts[:depth]) for parts in (name.split("/") for name in counts) for depth in range(1, len(parts))
    }
    return {name for name, count in counts.items() if count > 1 or name in folders}


def _refuse(naming: Naming, others: Sequence[Naming]) -> None:
    other = next(each for each in others if each.name == naming.name or each.name.startswith(f"{naming.name}/"))
    same = "two models are called" if other.name == naming.name else f"{clean(other.name)!r} lies within the model"
    raise RequestError(
        f"{other.where}: {same} {clean(naming.name)!r} ({naming.where}); give one of them another `name`"
    )
