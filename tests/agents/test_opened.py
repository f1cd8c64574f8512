"""What `langgraph.json` names is the state machine, built without a run."""

import importlib
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_named_factory_builds_the_state_machine():
    settings = json.loads((ROOT / "langgraph.json").read_text())
    assert settings["dependencies"] == ["."]
    module, _, name = settings["graphs"]["shipfit"].partition(":")
    drawn = getattr(importlib.import_module(module), name)().get_graph()
    assert {"intake", "plan", "quantize", "validate", "rollback", "conclude"} <= set(drawn.nodes)
    assert ("__start__", "intake") in {(edge.source, edge.target) for edge in drawn.edges}
