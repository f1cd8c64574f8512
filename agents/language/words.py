"""A request in words, read by the grammar and, where something is left, by a language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...contracts import LanguageModelError, LanguageModelSettings, Settings, Understanding, validate
from .access import access_of
from .opening import Advised, open_advisor

if TYPE_CHECKING:
    from .advisor import Advisor


class WordReader:
    """Reads words before there is a run.

    Args:
        own: what the environment says of the language model.

    Attributes:
        advised: the language model that was asked, for the run that follows: its budget and its trail are the run's.
    """

    def __init__(self, own: Settings) -> None:
        self._own = own
        self.advised = Advised()

    @property
    def note(self) -> str:
        """Why the language model that was named did not read; empty where it did, or none was named."""
        use = self.advised.use
        return "" if use is None else use.note or "; ".join(use.took_over)

    def read(self, words: str, llm: Mapping[str, Any]) -> Understanding:
        """Return what words mean.

        A language model is asked where the grammar left something unread, or where the user names the model for this
        request; without it, or without a usable answer, what the grammar read is all there is.

        Args:
            words: as the user wrote them.
            llm: fields of `LanguageModelSettings` that were given.

        Raises:
            RequestError: too many words, or a setting of the language model that cannot be.
            LanguageModelError: a required language model cannot be reached.
        """
        from ..reading import read

        understood = read(words)
        asked = validate(LanguageModelSettings, dict(llm), "llm")
        wanted = bool(understood.not_understood) or asked.name is not None
        if not wanted or access_of(asked, self._own) is None:
            return understood
        self.advised = open_advisor(asked, self._own)
        return understood if self.advised.advisor is None else _completed(words, understood, self.advised.advisor)


def _completed(words: str, understood: Understanding, advisor: Advisor) -> Understanding:
    from .reader import complete

    try:
        return complete(words, understood, advisor)
    except LanguageModelError:  # counted and told by the advisor
        return understood
