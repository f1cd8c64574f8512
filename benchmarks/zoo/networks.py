"""The zoo's own small networks, trained by `training.py` on scikit-learn's data and on sound made with numpy."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

CLASSES = 10


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a padded convolution and its normalization."""
    padding = kernel // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


def plain(width: int = 128) -> nn.Sequential:
    """Return a plain convolutional network for digits."""
    layers: list[nn.Module] = []
    channels = 1
    for outputs, stride in ((32, 1), (width, 1), (width, 1), (width, 2)):
        layers += [convolution(channels, outputs, stride=stride), nn.ReLU()]
        channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        inner = channels // 4
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, inner, 1), nn.ReLU(), nn.Conv2d(inner, channels, 1)
        )
        self.hard = nn.Hardsigmoid()

    def forward(self, x: Any) -> Any:
        return x * self.hard(self.gate(x))


class InvertedResidual(nn.Module):
    """Expand, filter each channel alone, weigh the channels, contract."""

    def __init__(self, channels: int, expanded: int, outputs: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            convolution(channels, expanded, 1),
            nn.Hardswish(),
            convolution(expanded, expanded, 3, stride, groups=expanded),
            SqueezeExcite(expanded),
            nn.Hardswish(),
            convolution(expanded, outputs, 1),
        )
        self.skips = stride == 1 and channels == outputs

    def forward(self, x: Any) -> Any:
        return x + self.body(x) if self.skips else self.body(x)


def mobile() -> nn.Sequential:
    """Return a network like MobileNetV3 for digits."""
    return nn.Sequential(
        convolution(1, 32),
        nn.Hardswish(),
        InvertedResidual(32, 128, 32, 1),
        InvertedResidual(32, 128, 64, 2),
        InvertedResidual(64, 256, 64, 1),
        convolution(64, 256, 1),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(256, CLASSES),
    )


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(convolution(inputs, outputs, 3, stride), nn.ReLU(), convolution(outputs, outputs))
        straight = stride == 1 and inputs == outputs
        self.skip = nn.Identity() if straight else convolution(inputs, outputs, 1, stride)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.body(x) + self.skip(x))


def residual() -> nn.Sequential:
    """Return a small ResNet for digits."""
    return nn.Sequential(
        convolution(1, 64),
        nn.ReLU(),
        Residual(64, 64, 1),
        Residual(64, 128, 2),
        Residual(128, 128, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, CLASSES),
    )


class Recurrent(nn.Module):
    """Reads a digit row by row."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], width: int = 160):
        super().__init__()
        self.cells = kind(8, width, 2, batch_first=True)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, rows: Any) -> Any:
        return self.head(self.cells(rows)[0][:, -1])


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        batch, length, width = x.shape
        parts = self.mix(x).reshape(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        weights = torch.softmax(query @ key.transpose(-2, -1) * self.scale, -1)
        return self.out((weights @ value).transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.before, self.attention, self.between = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width)
        self.dense = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, x: Any) -> Any:
        x = x + self.attention(self.before(x))
        return x + self.dense(self.between(x))


class Transformer(nn.Module):
    """Attends over the sixteen 2×2 patches of a digit."""

    def __init__(self, width: int = 128, heads: int = 4, depth: int = 2):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 2, 2)
        self.position = nn.Parameter(torch.zeros(1, 16, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)), nn.LayerNorm(width))
        self.head = nn.Linear(width, CLASSES)

    def forward(self, image: Any) -> Any:
        tokens = self.patches(image).flatten(2).transpose(1, 2) + self.position
        return self.head(self.blocks(tokens).mean(1))


def dense(inputs: int, outputs: int, width: int = 256) -> nn.Sequential:
    """Return a network of three dense layers for tables."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


def denoiser() -> nn.Sequential:
    """Return an autoencoder that removes noise from a digit."""
    return nn.Sequential(
        nn.Conv2d(1, 64, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(64, 128, 3, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1),
        nn.Sigmoid(),
    )


def audio(classes: int) -> nn.Sequential:
    """Return a network of one-dimensional convolutions over raw sound."""
    layers: list[nn.Module] = []
    channels = 1
    for outputs, kernel, stride in ((32, 16, 4), (64, 8, 4), (128, 4, 2), (128, 4, 2)):
        layers += [nn.Conv1d(channels, outputs, kernel, stride), nn.BatchNorm1d(outputs), nn.ReLU()]
        channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(channels, classes))


def segmenter() -> nn.Sequential:
    """Return a network of convolutions alone, which takes an image of any height and width."""
    return nn.Sequential(
        nn.Conv2d(1, 48, 3, 1, 1), nn.ReLU(), nn.Conv2d(48, 96, 3, 1, 1), nn.ReLU(), nn.Conv2d(96, 1, 3, 1, 1)
    )
