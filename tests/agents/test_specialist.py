"""What the gate on the selection part asks for."""

from __future__ import annotations

from typing import Any

import pytest

from shipfit.agents.specialist import _to_be_clear
from shipfit.contracts import Constraints, DataRef, Request


@pytest.mark.parametrize(
    ("bounds", "labelled", "glance"),
    [
        ({"min_fidelity_db": 25.0}, False, {"outputs": 25.0, "logits": None}),
        ({"min_logits_fidelity_db": 20.0, "max_size_ratio": 0.4}, False, {"outputs": None, "logits": 20.0}),
        ({"min_fidelity_db": 25.0}, True, None),
        ({"min_fidelity_db": 25.0, "max_accuracy_drop": 0.01}, False, None),
        ({"max_size_ratio": 0.4}, False, None),
    ],
)
def test_a_glance_decides_on_fidelity_alone(bounds: dict[str, Any], labelled: bool, glance: Any) -> None:
    request = Request(model="m.onnx", constraints=Constraints(**bounds))
    data = DataRef(id="d" * 64, samples=8, parts={"selection": 4}, labelled=labelled)
    assert _to_be_clear(request, data) == glance
