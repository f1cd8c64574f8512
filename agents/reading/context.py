"""What is known while clauses are read one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .items import Item
from .measures import Measure
from .shares import Way
from .statements import Outcome, Statement

Repeat = Callable[[str, Item], list[Statement]]


@dataclass
class Context:
    """Memory of the reader.

    Attributes:
        topic: quantity that was spoken of last without a bound: `the latency is too high, cut it by half`.
        towards: the sign of what is wished for the topic: `make it faster, 1.5x`.
        measure: the latest absolute measure, whose unit a bare number may take up.
        measured: the statement that it made.
        relation: quantity, sign and way of the last relative bound, which a corrected number takes up.
        number: the latest number of a statement, as written; a correction may give it another unit.
        repeat: does to one more quantity what was done to the last: `I don't care about size or memory`.
        pending: quantities that wait for what is said of them: `size and memory below 50 MB`.
        levers: likewise.
        mentioned: levers that were told of, which `leave that out` may refuse.
        forbids: whether levers in a list are being ruled out.
        correcting: whether what comes next corrects what came before.
        telling: whether the clause before said how things are and asked for nothing.
        refusing: whether the clause before said what is not wanted.
        wishes: whether something in the sentence says that something is wanted.
        choice: whether the sentence leaves a choice, which no request can.
        last_topic: the topic of the sentence before: `Could you speed it up? Maybe 2x?`.
        outcomes: all that was found.
    """

    topic: str = ""
    towards: str = ""
    measure: Measure | None = None
    measured: Statement | None = None
    relation: tuple[str, str, Way] | None = None
    number: float | None = None
    repeat: Repeat | None = None
    pending: list[Item] = field(default_factory=list[Item])
    levers: list[Item] = field(default_factory=list[Item])
    mentioned: list[str] = field(default_factory=list[str])
    forbids: bool = False
    correcting: bool = False
    telling: bool = False
    refusing: bool = False
    wishes: bool = False
    choice: bool = False
    last_topic: tuple[str, str] = ("", "")
    outcomes: list[Outcome] = field(default_factory=list[Outcome])

    def new_sentence(self) -> None:
        """Forget what does not reach beyond a sentence."""
        self.last_topic = (self.topic, self.towards)
        self.topic, self.towards, self.repeat = "", "", None
        self.forbids = self.wishes = self.choice = self.telling = self.refusing = False
        self.pending.clear()
        self.levers.clear()

    def last(self) -> Statement | None:
        """Return the latest statement that stands."""
        return next((each for each in reversed(self.outcomes) if isinstance(each, Statement)), None)
