"""`shipfit agents`: what the agents' language-model modules learned from past runs."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as opt

if TYPE_CHECKING:
    from ...contracts import AgentState, Specialist, TuningReport

agents = typer.Typer(
    no_args_is_help=True, help="Compile the agents' language-model modules from past runs, show or reset them."
)


class Method(StrEnum):
    """How a module is compiled."""

    bootstrap = "bootstrap"
    gepa = "gepa"


Named = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[AGENT]...", help="planner, quantization, pruning, runtime. (default: all)", show_default=False
    ),
]


@agents.command("tune")
def tune_agents(
    wanted: Named = None,
    llm: opt.Llm = None,
    budget: Annotated[
        int, typer.Option("--budget", metavar="N", min=1, max=10_000, help="Questions to the language model at most.")
    ] = 200,
    method: Annotated[
        Method | None,
        typer.Option(
            "--method",
            help="bootstrap chooses examples; gepa also has the model write lessons. (default: as the budget allows)",
            show_default=False,
        ),
    ] = None,
    json: opt.Json = False,
) -> int:
    """Compile modules from finished runs; what does better on models that were held back is used from now on."""
    from ...agents.learning import tune
    from ...contracts import LanguageModelSettings, validate
    from .console import print_json, results, say
    from .seam import open_service

    names = _agents(wanted)
    service = open_service()
    asked = validate(LanguageModelSettings, {"name": llm, "max_calls": budget}, "--llm")

    def tell(report: TuningReport) -> None:
        say(_line(report)) if json else results().print(_line(report), soft_wrap=True)

    reports = tune(service.settings, service.ledger, asked, names, tell, method.value if method else None)
    if json:
        print_json({"agents": [report.model_dump(mode="json") for report in reports]})
    return 0


@agents.command("show")
def show_agents(json: opt.Json = False) -> int:
    """Show which module each agent uses, and what a compiled one was worth."""
    from ...agents.learning import show
    from ...contracts import load_settings
    from .console import print_json, results

    found = show(load_settings())
    if json:
        print_json({"agents": [_document(each) for each in found]})
        return 0
    for each in found:
        results().print(f"{each.agent:13} {_state(each)}", soft_wrap=True)
    return 0


@agents.command("reset")
def reset_agents(wanted: Named = None, json: opt.Json = False) -> int:
    """Go back to the modules that ship."""
    from ...agents.learning import reset
    from ...contracts import load_settings
    from .console import print_json, results

    gone = reset(load_settings(), _agents(wanted))
    if json:
        print_json({"reset": gone})
        return 0
    results().print(f"back to the module that ships: {', '.join(gone)}" if gone else "no agent had learned anything")
    return 0


def _agents(wanted: list[str] | None) -> list[Specialist]:
    """Return the agents that are meant, each once.

    Raises:
        RequestError: there is no such agent.
    """
    from ...agents.learning import AGENTS
    from ...contracts import RequestError
    from ..text import clean

    unknown = [name for name in wanted or () if name not in AGENTS]
    if unknown:
        raise RequestError(f"no agent {clean(unknown[0], 80)!r} has a module to compile; there are {', '.join(AGENTS)}")
    return [name for name in AGENTS if not wanted or name in wanted]


def _line(report: TuningReport) -> str:
    if report.before is None or report.after is None:
        return f"{report.agent}: not compiled: {report.reason}"
    what = "adopted" if report.adopted else "not adopted"
    what += ", with lessons" if report.method == "gepa" else ""
    return f"{report.agent}: {what}, right {report.before:.0%} before and {report.after:.0%} after; {report.reason}"


def _state(each: AgentState) -> str:
    from ..text import clean

    if each.problem:
        return f"the module that ships, because {clean(each.problem)}"
    known = each.tuned
    if known is None:
        return "the module that ships"
    when = time.strftime("%Y-%m-%d", time.localtime(known.created))
    return (
        f"compiled {when} for {clean(known.language_model, 100)} from {known.trained_on} decisions: right "
        f"{known.before:.0%} before and {known.after:.0%} after on {known.held_back} that were held back"
    )


def _document(each: AgentState) -> dict[str, object]:
    """Return what is known of an agent, without the examples, which are long."""
    return each.model_dump(mode="json", exclude={"tuned": {"state"}})
