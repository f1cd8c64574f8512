"""The state machine: one screen, nodes and edges and nothing else.

intake → profile → recall → plan → rewrite → prune → quantize → runtime → measure → validate → plan …
until the plan node finds everything met (conclude) or nothing left (rollback → conclude). Where a person wants to be
asked, approve_plan stands before the first rewrite and approve_result before conclude; both may lead back to plan.
A specialist whose lever the plan does not name, or whose draft is over, passes the state on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from langgraph.graph import END, START, StateGraph

from .approval import after_answer, approve_plan, approve_result
from .conclude import conclude
from .context import RunContext, node
from .intake import intake, profile
from .planner import after_plan, plan, recall
from .pruning import prune
from .quantization import quantize
from .rollback import rollback
from .runtime import rewrite, runtime
from .specialist import is_over
from .state import RunInput, RunState
from .validator import measure, validate

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


def unless_over(following: str) -> Any:
    """Return a router that goes on to `following`, or straight to the verdict when the draft is over."""

    def route(state: RunState) -> Literal["on", "validate"]:
        return "validate" if is_over(state.get("draft")) else "on"

    return route, {"on": following, "validate": "validate"}


def build(
    checkpointer: BaseCheckpointSaver[Any] | None,
) -> CompiledStateGraph[RunState, RunContext, RunInput, RunState]:
    """Return the compiled state machine over `checkpointer`; None where another library brings one."""
    graph = StateGraph(RunState, context_schema=RunContext, input_schema=RunInput)
    for name, work in (
        ("intake", intake),
        ("profile", profile),
        ("recall", recall),
        ("plan", plan),
        ("approve_plan", approve_plan),
        ("rewrite", rewrite),
        ("prune", prune),
        ("quantize", quantize),
        ("runtime", runtime),
        ("measure", measure),
        ("validate", validate),
        ("approve_result", approve_result),
        ("rollback", rollback),
        ("conclude", conclude),
    ):
        graph.add_node(name, node(name, work))
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "profile")
    graph.add_edge("profile", "recall")
    graph.add_edge("recall", "plan")
    graph.add_conditional_edges("plan", after_plan)
    graph.add_conditional_edges("approve_plan", after_answer)
    graph.add_conditional_edges("approve_result", after_answer)
    graph.add_conditional_edges("rewrite", *unless_over("prune"))
    graph.add_conditional_edges("prune", *unless_over("quantize"))
    graph.add_conditional_edges("quantize", *unless_over("runtime"))
    graph.add_conditional_edges("runtime", *unless_over("measure"))
    graph.add_edge("measure", "validate")
    graph.add_edge("validate", "plan")
    graph.add_edge("rollback", "conclude")
    graph.add_edge("conclude", END)
    return graph.compile(checkpointer=checkpointer)
