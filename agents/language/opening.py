"""From settings to the advisor of a run, or to the one line that says why there is none."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...contracts import LanguageModelError, LanguageModelSettings, LanguageUse, RequestError, Settings
from ..cpu import CpuMeter
from .access import Access, access_of

if TYPE_CHECKING:
    from .advisor import Advisor

INSTEAD = "shipfit goes on without it"


@dataclass(frozen=True)
class Advised:
    """The language model of one run, or why the one that was named is not used.

    Attributes:
        imports_s: CPU seconds that importing the libraries took.
    """

    advisor: Advisor | None = None
    unused: LanguageUse | None = None
    imports_s: float = 0.0

    @property
    def use(self) -> LanguageUse | None:
        """What the response says; nothing where no model was named."""
        return self.advisor.use if self.advisor is not None else self.unused

    def close(self) -> None:
        """Close the connections."""
        if self.advisor is not None:
            self.advisor.close()


def open_advisor(
    asked: LanguageModelSettings,
    own: Settings,
    earlier: Iterable[Mapping[str, Any]] = (),
) -> Advised:
    """Return the language model that a request asks for, after looking whether it can be used.

    Args:
        asked: what the request says.
        own: what the environment says.
        earlier: what the trail holds of this run already.

    Raises:
        RequestError: a required model is set wrongly: name, key or address.
        LanguageModelError: a required model cannot be reached.
    """
    access = access_of(asked, own)
    if access is None:
        if asked.required:
            raise RequestError("--llm-required needs a language model: name one with --llm or SHIPFIT_LLM")
        return Advised()
    cpu = CpuMeter(alone=False)
    with cpu.imports():
        import_libraries()
    try:
        return Advised(_opened(asked, access, earlier), imports_s=cpu.imports_s)
    except (RequestError, LanguageModelError) as error:
        told = access.secrets().mask(error.message)
        if asked.required:
            raise type(error)(told) from None
        unused = LanguageUse(model=access.name, note=f"{told}; {INSTEAD}")
        return Advised(unused=unused, imports_s=cpu.imports_s)


def import_libraries() -> None:
    """Import what a language model is asked through: seconds of CPU time, the first time."""
    from .libraries import load_litellm

    load_litellm()
    importlib.import_module("dspy")


def _opened(asked: LanguageModelSettings, access: Access, earlier: Iterable[Mapping[str, Any]]) -> Advisor:
    from .advisor import Advisor
    from .check import check

    advisor = Advisor(asked, access, earlier=earlier)
    try:
        check(advisor.wire, required=asked.required)
    except (RequestError, LanguageModelError):
        advisor.close()
        raise
    return advisor
