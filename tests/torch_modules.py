"""Small torch modules for tests, with inputs to trace them on."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Cnn(nn.Module):
    """Two convolutions with BatchNorm, whose statistics are not those of a fresh module."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(16, 10)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
                module.running_mean.normal_(0, 0.2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(image).mean((2, 3)))


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 16, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = self.layer(self.embed(ids))
        return {"logits": self.head(hidden.mean(1)), "hidden": hidden}


class Branching(nn.Module):
    """Control flow on values, which only tracing can export."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x)
        return y * 2 if float(y.sum()) > 1e9 else y


class Unexportable(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svdvals(x)


class Noisy(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


def cnn() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    return Cnn(), torch.randn(1, 1, 8, 8)


def lstm() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    return Lstm(), (torch.randn(1, 7, 6),)


def transformer() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    return Transformer(), {"ids": torch.randint(0, 20, (1, 9))}


def branching() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    return Branching(), (torch.randn(1, 4),)
