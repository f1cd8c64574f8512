"""Errors keep their class and their facts on the way between processes."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from shipfit.contracts import (
    DataError,
    MachineError,
    ModelFileError,
    NoOpError,
    OptimizationError,
    RequestError,
    ToolError,
    UserError,
    WorkerCrashed,
    from_wire,
    to_wire,
)

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "kind", [RequestError, ModelFileError, DataError, ToolError, NoOpError, WorkerCrashed, MachineError]
)
def test_an_error_crosses_the_wire(kind: type[OptimizationError]) -> None:
    error = from_wire(to_wire(kind("it broke", details={"node": "conv0"})))
    assert type(error) is kind
    assert (error.message, error.type, error.details) == ("it broke", kind.default_type, {"node": "conv0"})


def test_the_type_tells_the_kinds_apart() -> None:
    assert OptimizationError("x", "quantization").type == "quantization"
    assert ToolError("x").type == "runtime"
    assert issubclass(DataError, UserError)
    assert (DataError.exit_status, MachineError.exit_status) == (2, 1)


@given(st.dictionaries(st.sampled_from(["error", "message", "type", "details", "other"]), json))
def test_whatever_a_child_says_becomes_an_error(data: dict[str, object]) -> None:
    error = from_wire(data)
    assert isinstance(error, OptimizationError)
    assert len(error.message) <= 2000
