"""What a person wants otherwise: read from words, laid over what stands, or given to the run that waits."""

from __future__ import annotations

import re

from ...contracts import (
    MAX_WORDS,
    Answer,
    Changes,
    Draft,
    LanguageModelError,
    Lever,
    Offer,
    Prompted,
    RequestError,
    Taken,
    Understanding,
    validate,
)
from ...contracts.metrics import Statistic
from ..answers import changes_of, read_changes, settings_in
from ..text import clean
from .drafting import as_request, changed_by, check, differences, laid_over, lifting
from .handling import with_handling
from .inputs import with_inputs
from .intent import lifted_in
from .naming import Named, Offered, offered
from .offers import offer_in
from .room import Room
from .runner import Runner
from .standing import RunView

# Words that take something back are read together with those that gave it.
_TAKES_BACK = re.compile(
    r"\b(?:forget|drop|lift|remove|scrap|ignore|never ?mind|no longer|not .{1,40} any ?more|after all)\b", re.IGNORECASE
)
_Bounds = dict[str, float | Statistic | None]
CAN_BE_SAID = "say what you want, such as 'under 10 MB and twice as fast', name a model of the workspace, or say 'help'"
_MODEL_WANTED = "Which model? Name an .onnx or .pt2 file of the workspace"
_GOAL_WANTED = (
    "What shall be reached? Say it like 'under 10 MB', 'twice as fast', 'at most 1 % less accurate' or 'as small as "
    "possible'."
)
_DATA_WANTED = "A bound on accuracy needs labelled data. Name a file of the workspace, or bound fidelity instead"
_WITHOUT_DATA = (
    " Without data, inputs are synthesised, and only likeness to the original's answers is known; name data to change "
    "that."
)


class Wishes:
    """Takes wishes, and asks for what is missing."""

    def __init__(self, room: Room, runner: Runner) -> None:
        self._room = room
        self._runner = runner

    def take(self, words: str, named: Named, approve: bool | None = None) -> bool:
        """Lay what was said over the request as it stands, tell what was understood, and ask for what is missing.

        Args:
            words: without names of files.
            named: files that were named with them.
            approve: whether a person shall be asked from now on; None leaves it.

        Returns:
            Whether anything was taken.

        Raises:
            RequestError: it contradicts itself or what stands, or nothing serves it.
        """
        files = {"model": named.model, "data": named.data, "approve": approve}
        given = {name: value for name, value in files.items() if value is not None}
        old = self._room.standing.draft
        new, found, notes = self._with_words(old.model_copy(update=given), words)
        if new == old and not given and not found.understood:
            self._tell_nothing(found, notes)
            return False
        new, guessed = self._with_what_lies_there(new, named)
        self._tell(old, check(new), found, (*notes, *guessed))
        self.prompt()
        return True

    def edit(self, view: RunView, words: str) -> None:
        """Answer a run that waits with what shall be otherwise.

        Raises:
            RequestError: it is no such wish, or it cannot be.
        """
        if view.question is None:
            raise RequestError("nothing waits for an answer")
        changes = self._changes(view, words)
        self._runner.answer(view, validate(Answer, {"action": "edit", "changes": changes, "words": words}))

    def reset(self) -> None:
        """Forget what was asked for; model and data stay."""
        old = self._room.standing.draft
        self._tell(old, Draft(model=old.model, data=old.data, approve=old.approve), Understanding(), ())
        self.prompt()

    def undo(self) -> None:
        """Take the last change of the request back.

        Raises:
            RequestError: there is none.
        """
        earlier = self._room.standing.earlier
        if not earlier:
            raise RequestError("nothing was changed that could be taken back")
        self._tell(self._room.standing.draft, earlier[-1], Understanding(), ())
        self.prompt()

    def go_back(self, view: RunView) -> None:
        """Have the request be again what a run was made from."""
        self._tell(self._room.standing.draft, view.draft, Understanding(), ())

    def prompt(self) -> None:
        """Ask for what is missing, or whether to start."""
        draft = self._room.standing.draft
        seen = offered(self._room.workspace)
        missing = draft.missing
        if missing:
            text = {"model": _MODEL_WANTED, "goal": _GOAL_WANTED, "data": _DATA_WANTED}[missing[0]]
            names = {"model": seen.models, "data": seen.data}.get(missing[0], ())
            text += f"{_listed(names)}." if missing[0] != "goal" else ""
            self._room.add(Prompted, about=missing[0], text=text, models=seen.models, data=seen.data)
        elif self._runner.is_working:
            text = "A run is at work. Shall it be stopped, and another one start with this? (yes or no)"
            self._room.add(Prompted, about="restart", text=text)
        else:
            text = "Shall it start? (yes, or say what shall be otherwise)"
            text += "" if draft.data else _WITHOUT_DATA
            self._room.add(Prompted, about="start", text=text, data=() if draft.data else seen.data)

    def read(self, words: str) -> tuple[Understanding, tuple[str, ...]]:
        """Return what words mean by the grammar, and where it is set by the language model, and what was told of that.

        Raises:
            RequestError: too many words.
        """
        from ...agents.language.words import WordReader

        settings = self._room.settings
        reader = WordReader(settings)
        try:
            found = reader.read(words, {})
            if found.is_empty and not found.not_understood and settings.llm_name:
                found = reader.read(words, {"name": settings.llm_name})
        except LanguageModelError as error:
            raise RequestError(f"the language model could not be asked: {error.message}") from error
        finally:
            reader.advised.close()
        return found, (f"language model: {clean(reader.note, 500)}",) if reader.note else ()

    def _with_words(self, draft: Draft, words: str) -> tuple[Draft, Understanding, tuple[str, ...]]:
        """Return a draft with words laid over it, what was understood of them, and notes."""
        if not words.strip():
            return draft, Understanding(), ()
        draft, words = with_inputs(*with_handling(draft, words), self._room.workspace)
        if not words.strip():
            return draft, Understanding(), ()
        if (changes := _settings(words) or offer_in(words, draft, self._offers)) is not None:
            return changed_by(draft, changes), Understanding(), ()
        lifted, words = lifted_in(words)
        for quantity in lifted:
            draft = changed_by(draft, lifting(quantity))
        if not words.strip():
            return draft, Understanding(), ()
        found, notes = self.read(words)
        depends = found.is_empty or _TAKES_BACK.search(words)
        if depends and (together := _together(draft.words, draft.optimization.forbid, words)):
            changes, meant = together
            return changed_by(_said_too(draft, words), changes), meant, ()
        return (draft if found.is_empty else laid_over(draft, found, words)), found, notes

    @property
    def _offers(self) -> tuple[Offer, ...]:
        latest = self._room.standing.latest
        return latest.result.offers if latest is not None and latest.result is not None else ()

    def _changes(self, view: RunView, words: str) -> Changes:
        question = view.question
        assert question is not None
        if (changes := _settings(words)) is not None:
            return changes
        lifted, words = lifted_in(words)
        bounds = _Bounds((name, None) for quantity in lifted for name in lifting(quantity).constraints)
        if not words.strip():
            return Changes(constraints=bounds)
        found, _ = self.read(words)
        request = question.request
        if found.is_empty and (together := _together(request.words or "", request.optimization.forbid, words)):
            return together[0]
        changes = changes_of(found, words, request)
        return changes.model_copy(update={"constraints": {**bounds, **changes.constraints}})

    def _with_what_lies_there(self, draft: Draft, named: Named) -> tuple[Draft, tuple[str, ...]]:
        """Return a draft with the only model there is, and with the data beside a model, where none is named."""
        seen = offered(self._room.workspace)
        notes: list[str] = []
        if draft.model is None and len(seen.models) == 1:
            draft = draft.model_copy(update={"model": seen.models[0]})
            notes.append(f"the only model of the workspace is taken: {clean(seen.models[0], 200)}")
        elif named.model is None:
            return draft, ()
        return _with_data_beside(draft, seen, notes)

    def _tell(self, old: Draft, new: Draft, found: Understanding, notes: tuple[str, ...]) -> None:
        self._room.add(Taken, understanding=found, draft=new, changed=differences(old, new), notes=notes)

    def _tell_nothing(self, found: Understanding, notes: tuple[str, ...]) -> None:
        unread = [f"not understood: “{clean(passage, 200)}”" for passage in found.not_understood]
        self._room.tell("I could not make anything of that.", *unread, *notes, f"You can {CAN_BE_SAID}.")


def supposed_changes(found: Understanding, words: str, draft: Draft) -> Changes:
    """Return what is only supposed as changes of a request.

    Raises:
        RequestError: it is no wish, or not all of it was understood.
    """
    return changes_of(found, words, as_request(draft))


def _together(said: str, forbidden: tuple[Lever, ...], words: str) -> tuple[Changes, Understanding] | None:
    """Return what words change that only mean something after others: "8 instead", "int8 is fine after all".

    Args:
        said: the words that stand.
        forbidden: levers that are ruled out as it stands.
        words: what is said now.

    Returns:
        The changes, and what was read where; None where the words change nothing.
    """
    from ...agents.reading import read

    if not said or len(said) + len(words) > MAX_WORDS - 2:
        return None
    before, after = read(said), read(f"{said}. {words}")
    old, new = (each.constraints.model_dump(exclude_unset=True) for each in (before, after))
    bounds = _Bounds((name, new.get(name)) for name in {**old, **new} if new.get(name) != old.get(name))
    bounds |= {"latency_statistic": "p95"} if bounds.get("latency_statistic", "") is None else {}
    allowed = set(before.forbid) - set(after.forbid)
    forbid: dict[Lever, None] = dict.fromkeys((*(lever for lever in forbidden if lever not in allowed), *after.forbid))
    objective = after.objective if after.objective != before.objective else None
    if after.contradictions or not (bounds or objective or set(before.forbid) ^ set(after.forbid)):
        return None
    meant = tuple(each for each in after.understood if each.field in bounds or each not in before.understood)
    changes = Changes(constraints=bounds, forbid=tuple(forbid), objective=objective)
    return changes, Understanding(understood=meant)


def _said_too(draft: Draft, words: str) -> Draft:
    return draft.model_copy(update={"words": f"{draft.words}. {words}"})


def _settings(words: str) -> Changes | None:
    """Return what settings as options write them ask for; None where words are no such."""
    settings = settings_in(words)
    return read_changes(settings) if settings else None


def _with_data_beside(draft: Draft, seen: Offered, notes: list[str]) -> tuple[Draft, tuple[str, ...]]:
    beside = seen.beside(draft.model) if draft.model and draft.data is None else None
    if beside is None:
        return draft, tuple(notes)
    notes.append(f"data of that name lie beside the model: {clean(beside, 200)}")
    return draft.model_copy(update={"data": beside}), tuple(notes)


def _listed(names: tuple[str, ...]) -> str:
    return f"; there is {', '.join(clean(name, 100) for name in names[:10])}" if names else "; there is none so far"
