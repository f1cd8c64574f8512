from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.contracts import Constraints, OperatorShare, Profile, Target
from shipfit.memory.fingerprint import cosine, fingerprint

MakeProfile = Callable[..., Profile]
COUNTS = st.integers(0, 10**12)
SHARES = st.floats(0, 1)
PROFILES = st.builds(
    Profile,
    opset=st.integers(1, 30),
    ir_version=st.integers(3, 12),
    parameters=COUNTS,
    nodes=COUNTS,
    size_bytes=COUNTS,
    weight_bytes=COUNTS,
    graph_bytes=COUNTS,
    storable_bytes=COUNTS,
    fixed_bytes=COUNTS,
    inputs=st.just(()),
    outputs=st.just(()),
    operators=st.lists(
        st.builds(
            OperatorShare,
            op_type=st.sampled_from(["Conv", "LSTM", "If", "Relu", "Unheard"]),
            count=COUNTS,
            weight_bytes=COUNTS,
            time_share=st.none() | SHARES,
            depthwise=st.integers(0, 10),
        ),
        max_size=4,
    ).map(tuple),
    quantizable_share=SHARES,
    prunable_share=SHARES,
    latency_ms=st.none() | st.floats(0, 1e9),
)
CONSTRAINTS = st.builds(
    Constraints,
    max_size_bytes=st.none() | st.integers(1, 10**12),
    max_size_ratio=st.none() | st.floats(0.001, 10),
    max_latency_ms=st.none() | st.floats(0.001, 1e6),
    min_speedup=st.none() | st.floats(0.001, 1e6),
    min_fidelity_db=st.none() | st.floats(1, 200),
    min_logits_fidelity_db=st.none() | st.floats(1, 200),
    min_throughput_per_s=st.none() | st.floats(1, 1000),
)
BOUNDS: list[dict[str, Any]] = [
    {"max_size_bytes": 10**6},
    {"max_size_ratio": 0.5},
    {"max_memory_bytes": 10**6},
    {"max_memory_ratio": 0.5},
    {"max_latency_ms": 5.0},
    {"min_speedup": 2.0},
    {"min_throughput_per_s": 100.0},
    {"min_accuracy": 0.9},
    {"max_accuracy_drop": 0.01},
    {"min_fidelity_db": 30.0},
    {"min_logits_fidelity_db": 20.0},
]


@given(PROFILES, CONSTRAINTS)
@settings(max_examples=40, deadline=None)
def test_every_case_has_a_finite_vector_of_one_length(profile: Profile, constraints: Constraints) -> None:
    vector = fingerprint(profile, Target(), constraints)
    assert len(vector) == 91
    assert all(-1 <= entry <= 1 for entry in vector)
    assert 0.5 < math.hypot(*vector) < 1.000001  # a model without weights or operators has no mix of them


def test_every_bound_and_its_value_tells(make_profile: MakeProfile) -> None:
    profile = make_profile(latency_ms=10.0)
    plain = fingerprint(profile, Target(), Constraints())
    vectors = [fingerprint(profile, Target(), Constraints(**bound)) for bound in BOUNDS]
    assert len({tuple(vector) for vector in (plain, *vectors)}) == len(BOUNDS) + 1
    tight = fingerprint(profile, Target(), Constraints(max_size_ratio=0.1))
    near = fingerprint(profile, Target(), Constraints(max_size_ratio=0.12))
    far = fingerprint(profile, Target(), Constraints(max_size_ratio=0.9))
    assert cosine(tight, near) > cosine(tight, far)


@pytest.mark.parametrize(
    "changes",
    [
        {"control_flow": True},
        {"dynamic_shapes": True},
        {"quantized": "yes"},
        {"opset": 11},
        {"latency_ms": 3.0},
        {"nodes": 5000},
        {"quantizable_share": 0.1},
        {"prunable_share": 0.1},
        {"storable_bytes": 0},
    ],
)
def test_every_trait_of_a_model_tells(make_profile: MakeProfile, changes: dict[str, Any]) -> None:
    plain = fingerprint(make_profile(), Target(), Constraints())
    assert fingerprint(make_profile(**changes), Target(), Constraints()) != plain


def test_the_kind_of_model_weighs_most(make_profile: MakeProfile) -> None:
    asked = Constraints(max_size_ratio=0.3)
    case = fingerprint(make_profile(), Target(), asked)
    bigger = fingerprint(make_profile(parameters=2 * 10**6), Target(), asked)
    stricter = fingerprint(make_profile(), Target(), Constraints(max_size_ratio=0.25))
    elsewhere = fingerprint(make_profile(), Target(platform="edge"), asked)
    recurrent = fingerprint(make_profile("LSTM"), Target(), asked)
    assert cosine(case, bigger) > 0.99
    assert cosine(case, stricter) > 0.99
    assert cosine(case, recurrent) < cosine(case, elsewhere) < 0.99


def test_depthwise_convolutions_tell(make_profile: MakeProfile) -> None:
    def of(depthwise: int) -> list[float]:
        operator = OperatorShare(op_type="Conv", count=10, weight_bytes=100, depthwise=depthwise)
        return fingerprint(make_profile(operators=(operator,)), Target(), Constraints())

    assert cosine(of(0), of(1)) > cosine(of(0), of(9))
