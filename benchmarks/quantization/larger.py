"""Networks of the sizes that the table asks for, of the zoo's own parts."""

from __future__ import annotations

from typing import Any

import networks
import numpy as np
import torch
from torch import nn


def resnet() -> nn.Sequential:
    """Return a ResNet of 2.7 million parameters for digits of 32×32, 64 to 256 channels wide behind the usual stem."""
    blocks = ((64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1))
    return nn.Sequential(
        networks.convolution(1, 64, kernel=7, stride=2),
        nn.ReLU(),
        *(networks.Residual(*each) for each in blocks),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(256, networks.CLASSES),
    )


def lstm() -> nn.Module:
    """Return an LSTM of .8 million parameters that reads a digit row by row."""
    return networks.Recurrent(nn.LSTM, 256)


def transformer() -> nn.Module:
    """Return a transformer of 1.5 million parameters over the patches of a digit."""
    return networks.Transformer(192, 4, 4)


class SpeakerEncoder(nn.Module):
    """Two LSTM layers over band amplitudes as they come: their usual sizes are in the first layer's weights."""

    def __init__(self, inputs: int, speakers: int, width: int = 192):
        super().__init__()
        self.cells = nn.LSTM(inputs, width, 2, batch_first=True)
        self.head = nn.Linear(width, speakers)

    def forward(self, bands: Any) -> Any:
        return self.head(self.cells(bands)[0][:, -1])

    def take_in(self, scale: np.ndarray) -> None:
        """Fold a division of each band by `scale` into the first weights, as is done before deployment."""
        with torch.no_grad():
            self.cells.weight_ih_l0 /= torch.from_numpy(scale)
