"""The state machine without a run, for tools that show graphs: `langgraph.json` names the factory here."""

from __future__ import annotations

from langgraph.graph.state import CompiledStateGraph

from .context import RunContext
from .graph import build
from .state import RunInput, RunState


def graph() -> CompiledStateGraph[RunState, RunContext, RunInput, RunState]:
    """Return the compiled state machine with nothing behind its nodes; whoever opens it brings a checkpointer."""
    return build(None)
