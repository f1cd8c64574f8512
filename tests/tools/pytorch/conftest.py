"""A module and inputs that the tests of torch programs share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from .programs import Block, settle


@pytest.fixture
def block() -> nn.Module:
    torch.manual_seed(0)
    return settle(Block())


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(16, 8, 4, 4, generator=torch.Generator().manual_seed(1))
