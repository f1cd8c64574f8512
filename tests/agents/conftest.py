"""Profiles of three kinds of model, as policies see them."""

from __future__ import annotations

import pytest

from shipfit.contracts import Profile

from .facts import make_profile


@pytest.fixture
def conv_profile() -> Profile:
    return make_profile(Conv=(8, 7_000_000, 0.9), Gemm=(1, 500_000, 0.05))


@pytest.fixture
def mobile_profile() -> Profile:
    profile = make_profile(Conv=(30, 2_000_000, 0.8), Mul=(10, 0, 0.1))
    conv = profile.operators[0].model_copy(update={"depthwise": 12})
    return profile.model_copy(update={"operators": (conv, *profile.operators[1:])})


@pytest.fixture
def lstm_profile() -> Profile:
    return make_profile(LSTM=(2, 3_000_000, 0.9), Gemm=(1, 100_000, 0.02))
