"""Questions about runs: why, what if, compared with what, and where things stand. Nothing is run to answer them."""

from __future__ import annotations

import re

from ...contracts import (
    Changes,
    Compared,
    Explained,
    Listed,
    Request,
    RequestError,
    Supposed,
)
from ..answers import changes_of, read_changes, settings_in
from ..facts import STATUS_TITLES
from ..text import clean
from .drafting import draft_lines
from .intent import without_frame
from .naming import Named
from .results import compared_fields
from .room import Room
from .standing import RunView
from .wishing import CAN_BE_SAID, Wishes

_NUMBERED = re.compile(r"\b(?:runs?|results?|versions?|number|no\.?)\s*#?(\d{1,4})\b", re.IGNORECASE)
_MORE_NUMBERS = re.compile(r"(?:and|with|to|vs\.?|versus|or|,)\s*#?(\d{1,4})\b", re.IGNORECASE)
_ID = re.compile(r"\b\d{8}-\d{6}(?:-[0-9a-f]{1,4})?\b", re.IGNORECASE)
# What is supposed as a number alone is of the size if it is a share, and a speed if it is a factor.
_BARE = (
    (re.compile(r"\d{1,3}(?:[.,]\d+)?\s*(?:%|per ?cent)", re.IGNORECASE), "{} of the size"),
    (re.compile(r"\d+(?:[.,]\d+)?\s*(?:x|×|times)", re.IGNORECASE), "{} faster"),
)
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1, "latest": -1, "previous": -2}
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)})\b", re.IGNORECASE)
_NO_RUN = f"nothing was run in this conversation yet; {CAN_BE_SAID}"
_STATES = {"working": "at work", "waiting": "waits for your answer", "broken": "broke off; say 'go on' to resume it"}

HELP = (
    "Say what you want of a model in plain words: 'make net.onnx half the size and lose at most 1 %'.",
    "Name files of the workspace: 'use net.onnx with samples.npz'. Put names with spaces in quotes.",
    "Correct it at any time: 'make it 8 MB instead', 'drop the size limit', 'max_attempts 3', 'start over'.",
    "Say how data are read as options do: 'shape x=1,3,224,224', 'preprocess scale=1/255', 'state h=h2', 'threads 4'.",
    "'yes' starts it; 'stop' ends a run, which 'go on' resumes; 'ask me first' has it wait for your approval.",
    "Where a run waits: 'yes', 'no' (the next best is proposed), 'stop' (hands the original back), or a correction.",
    "Ask: 'why not int4?', 'why was attempt 1 rejected?', 'what would 5 MB cost?', 'compare run 1 and 2', 'status'.",
    "'files' lists products and reports. Everything is kept; come back whenever you like.",
)


class Inquiries:
    """Answers questions from trails and reports, by rule."""

    def __init__(self, room: Room, wishes: Wishes) -> None:
        self._room = room
        self._wishes = wishes

    def why(self, question: str) -> None:
        """Say why a run went as it did.

        Raises:
            RequestError: there is no such run.
        """
        view = self.run_in(question)
        explanation = self._room.service.explain(view.run, _NUMBERED.sub(" ", question))
        self._room.add(Explained, explanation=explanation)

    def what_if(self, question: str, supposed: str) -> None:
        """Say what other bounds would cost; without any it is a question like others, before any run a wish.

        Raises:
            RequestError: there is no run to know it from, or what is supposed was not understood.
        """
        from ...agents.inquiry.topics import topics_in

        if self._room.standing.latest is None:  # there is nothing to know it from: it is asked for
            self._wishes.take(supposed, Named(""))
            return
        view = self.run_in(question)
        try:
            changes = self._supposed(supposed, self._room.service.run(view.run).request)
        except RequestError:
            if not topics_in(question):
                raise
            self.why(question)
            return
        self._room.add(Supposed, what_if=self._room.service.what_if(view.run, changes))

    def compare(self, question: str) -> None:
        """Put two results side by side: those that are named, by default the last two.

        Raises:
            RequestError: there are no two.
        """
        first, second = self._two_in(question)
        service = self._room.service
        fields = compared_fields(service.response(first.run), service.response(second.run))
        self._room.add(Compared, **fields)

    def files(self) -> None:
        """List the files of all results."""
        files = self._room.standing.files
        if files:
            self._room.add(Listed, files=files)
        else:
            self._room.tell("There are no products yet; a run delivers its own when it ends.")

    def runs(self) -> None:
        """List the runs."""
        views = self._room.standing.runs.values()
        self._room.tell(*(map(_run_line, views) if views else ["Nothing was run in this conversation yet."]))

    def status(self) -> None:
        """Say how the request stands, and the last run."""
        latest = self._room.standing.latest
        lines = draft_lines(self._room.standing.draft)
        self._room.tell(*lines, *([_run_line(latest)] if latest else []))

    def _supposed(self, supposed: str, request: Request) -> Changes:
        """Return what is supposed as changes: the first way of saying it that is understood as a whole."""
        if settings := settings_in(supposed):
            return read_changes(settings)
        core = without_frame(supposed)
        refusal: RequestError | None = None
        named = [form.format(core) for bare, form in _BARE if bare.fullmatch(core)]
        for words in dict.fromkeys((supposed, core, f"make it {core}", f"at most {core}", *named)):
            found, _ = self._wishes.read(words)
            try:
                return changes_of(found, words, request)
            except RequestError as error:
                refusal = refusal or error
        raise RequestError(
            f"I did not understand what is supposed ({clean(supposed, 100)!r}); ask it like 'what would 5 MB cost?'"
        ) from refusal

    def run_in(self, text: str) -> RunView:
        """Return the run that a text names, by default the last.

        Raises:
            RequestError: there is none.
        """
        named = self._named_in(text)
        latest = named[0] if named else self._room.standing.latest
        if latest is None:
            raise RequestError(_NO_RUN)
        return latest

    def _two_in(self, text: str) -> tuple[RunView, RunView]:
        named = self._named_in(text, loosely=True)
        ended = self._room.standing.ended
        if len(named) == 1:
            named = [view for view in ended if view is not named[0]][-1:] + named
        chosen = named[:2] if len(named) >= 2 else ended[-2:]
        if len(chosen) < 2:
            raise RequestError(
                "two results are needed to compare; there is " + ("one" if ended else "none") + " so far"
            )
        for view in chosen:
            if view.result is None:
                raise RequestError(f"run {view.ordinal} has no result yet")
        return chosen[0], chosen[1]

    def _named_in(self, text: str, loosely: bool = False) -> list[RunView]:
        """Return the runs that a text names, by number, by id or by their order; only those of this conversation.

        Raises:
            RequestError: it names one that is not there.
        """
        views = list(self._room.standing.runs.values())
        numbers = _NUMBERED.findall(text)
        if loosely:
            numbers += [number for number in _MORE_NUMBERS.findall(text) if number not in numbers]
            numbers += re.findall(r"\bcompare #?(\d{1,4})\b", text, re.IGNORECASE)
        found = [_numbered(int(number), views) for number in sorted(numbers, key=text.index)]
        found += [_by_id(name, views) for name in _ID.findall(text)]
        if (not found and loosely) or (len(views) > 1 and re.search(r"\b(?:run|result)\b", text, re.IGNORECASE)):
            found += [
                views[place]
                for word in _ORDINAL.findall(text)
                if -len(views) <= (place := _ORDINALS[word.lower()]) < len(views)
            ]
        return list({view.run: view for view in found}.values())


def _numbered(number: int, views: list[RunView]) -> RunView:
    if not 1 <= number <= len(views):
        raise RequestError(f"there is no run {number} in this conversation; there are {len(views)}")
    return views[number - 1]


def _by_id(name: str, views: list[RunView]) -> RunView:
    found = next((view for view in views if view.run.startswith(name)), None)
    if found is None:
        raise RequestError(f"there is no run {clean(name, 60)} in this conversation")
    return found


def _run_line(view: RunView) -> str:
    result = view.result
    came_to = f"{STATUS_TITLES[result.status]}: {clean(result.reason, 300)}" if result else _STATES[view.state]
    return f"run {view.ordinal} ({view.run}): {came_to}"
