"""Agents that learn: compile their modules from the ledger, show what they use, take it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import get_args

from ..contracts import (
    AgentState,
    LanguageModelError,
    LanguageModelSettings,
    MachineError,
    OptimizationResponse,
    RequestError,
    Settings,
    Specialist,
    TunedModule,
    TuningMethod,
    TuningReport,
)
from ..memory.ledger import Ledger
from .exercises import exercises
from .language.access import access_of
from .language.opening import open_advisor

AGENTS: tuple[Specialist, ...] = get_args(Specialist)
# Past runs that are looked at, the latest first.
RUNS_AT_MOST = 500
Tell = Callable[[TuningReport], object]


def tune(
    settings: Settings,
    ledger: Ledger,
    llm: LanguageModelSettings,
    agents: Sequence[Specialist] = AGENTS,
    tell: Tell = lambda _: None,
    method: TuningMethod | None = None,
) -> list[TuningReport]:
    """Compile the agents' modules from finished runs; each that does better on held-back models is used from now on.

    Args:
        settings: where state lives.
        ledger: the runs to learn from.
        llm: the language model, and what it may spend.
        agents: whose modules.
        tell: called with each report as soon as it is there.
        method: how modules are compiled; None: as the budget allows.

    Raises:
        RequestError: no language model is set, or wrongly.
        LanguageModelError: it cannot be reached, or the budget is spent; agents that were done by then stay tuned.
    """
    if access_of(llm, settings) is None:
        raise RequestError("tuning needs a language model: name one with --llm or SHIPFIT_LLM")
    opened = open_advisor(llm.model_copy(update={"required": True}), settings)
    assert opened.advisor is not None
    from .language import tuned, tuning

    def keep(made: TunedModule) -> None:
        tuned.save(settings.agents, made)

    reports: list[TuningReport] = []
    with closing(opened):
        past = list(_responses(ledger))
        known = {each.agent: each for each in tuned.states(settings.agents, agents)}
        present = tuned.modules_for(opened.advisor.model, known.values())
        for done, agent in enumerate(agents):
            found = exercises(past, agent)
            try:
                report = tuning.tune(
                    agent, found, opened.advisor, present.get(agent), keep, method, len(agents) - done - 1
                )
            except LanguageModelError as error:
                if opened.advisor.use.calls < llm.max_calls:
                    raise
                told = f"the budget of {llm.max_calls} questions is spent (--budget) before the {agent} agent was tuned"
                raise LanguageModelError(f"{told}; what was adopted by then stays", lasting=True) from error
            reports.append(report)
            tell(report)
    return reports


def _responses(ledger: Ledger) -> Iterator[OptimizationResponse]:
    """Yield what finished runs answered; what another version wrote is passed over."""
    for record in ledger.runs.latest(RUNS_AT_MOST):
        try:
            response = record.response
        except MachineError:
            continue
        if response is not None:
            yield response


def show(settings: Settings) -> list[AgentState]:
    """Return what each agent's module learned."""
    if not settings.agents.is_dir():
        return [AgentState(agent=agent) for agent in AGENTS]
    from .language.tuned import states

    return states(settings.agents)


def reset(settings: Settings, agents: Sequence[Specialist] = AGENTS) -> list[Specialist]:
    """Go back to the modules that ship, and return the agents that had learned something.

    Raises:
        MachineError: a file cannot be removed.
    """
    return [agent for agent in agents if _removed(settings.agents / f"{agent}.json")]


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise MachineError(f"{path} cannot be removed: {error.strerror}") from error
    return True
