"""What is remembered of a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from shipfit.agents.conclude import outcome
from shipfit.agents.context import RunContext
from shipfit.contracts import ArtifactRef, Plan, PruneLever, QuantizeLever, Request

from .facts import make_attempt, make_profile

PLAN = Plan(prune=PruneLever(ratio=0.5), quantize=QuantizeLever(storage="int4"))


def remembered(stage: str) -> Plan:
    attempt = make_attempt(1, PLAN, "not_met", size=0.5, db=15.0, speed=None).model_copy(update={"stage": stage})
    state: Any = {"original": ArtifactRef(id="0" * 64, size_bytes=10), "profile": make_profile(Conv=(1, 10_000, 1.0))}
    context = SimpleNamespace(run="r", request=Request(model="m.onnx"), hardware="here")
    return outcome(state, cast(RunContext, context), attempt).plan


def test_what_pruning_alone_ended_is_remembered_as_pruning_alone():
    """Its size is that of weights that nothing had quantized, which taught others that the form saves nothing."""
    assert remembered("prune") == Plan(prune=PLAN.prune)
    assert remembered("measure") == PLAN
