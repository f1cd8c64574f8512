"""The document of `shipfit understand`."""

from __future__ import annotations

import json

from shipfit.contracts import Constraints, Request, Target, Understanding, Understood, validate


def test_what_was_not_asked_for_is_absent() -> None:
    document = json.loads(Understanding().model_dump_json())
    assert document == {
        "constraints": {}, "target": {}, "forbid": [], "allow_regression": [], "understood": [], "not_understood": [],
        "contradictions": [],
    }  # fmt: skip


def test_it_survives_json_and_makes_a_request() -> None:
    first = Understanding(
        constraints=Constraints(max_latency_ms=5.0, latency_statistic="p95"), target=Target(platform="edge"),
        objective="size", forbid=("int4",), understood=(Understood(span="5 ms", field="max_latency_ms", value=5.0),),
    )  # fmt: skip
    again = Understanding.model_validate_json(first.model_dump_json())
    assert again == first
    assert json.loads(again.model_dump_json())["constraints"] == {"max_latency_ms": 5.0, "latency_statistic": "p95"}
    request = validate(Request, {"model": "m.onnx", **again.request_fields()})
    assert request.optimization.forbid == ("int4",)
    assert request.target == Target(platform="edge")
    assert request.objective == "size"
